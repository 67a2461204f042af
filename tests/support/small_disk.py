"""A small file system of a test's own, which can be filled, and a site that keeps its data there.

It is mounted where only processes that were started for it see it, so that nothing is left behind
however the test ends.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from emotionsite.run import WEB

PASSWORD = "correct horse battery"

PREPARE = f"""
import json, django
django.setup()
from django.core.management import call_command
from django.test import Client
from knox.models import get_token_model
from emotionsite.accounts.models import User
call_command("migrate", verbosity=0)
user = User.objects.create_superuser("ada", "ada@example.org", "{PASSWORD}")
user.accept_notice()
browser = Client()
browser.force_login(user)
_, token = get_token_model().objects.create(user)
print(json.dumps({{"token": token, "session": browser.cookies["sessionid"].value}}))
"""


class SmallDisk:
    """A tmpfs of ``megabytes`` at ``path``, seen only through ``command`` and ``inside``."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        path.mkdir()
        script = (
            f"mount -t tmpfs -o size={megabytes}m,mode=700 tmpfs {path} "
            "&& echo ready && exec sleep 3600"
        )
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self._holder.stdout.readline() != "ready\n":
            raise OSError(self._holder.communicate()[1].strip() or "unshare failed")

    @property
    def inside(self) -> Path:
        """The root of the disk, as this process can reach it."""
        return Path(f"/proc/{self._holder.pid}/root{self.path}")

    def command(self, *command: str) -> list[str]:
        """Return a command that runs where the disk is mounted."""
        return [
            "nsenter",
            f"--mount=/proc/{self._holder.pid}/ns/mnt",
            f"--wd={Path.cwd()}",
            *command,
        ]

    def fill(self) -> None:
        """Leave not a single free block."""
        file = os.open(self.inside / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1024 * 1024, 4096, 1):
                with suppress(OSError):
                    while True:
                        os.write(file, bytes(size))
        finally:
            os.close(file)

    def free(self) -> None:
        (self.inside / "filler").unlink()

    def set_read_only(self) -> None:
        subprocess.run(
            self.command("mount", "-o", "remount,ro", str(self.path)), check=True, timeout=20
        )

    def files(self) -> set[str]:
        """Return the names of all files that uploads may leave."""
        roots = (self.inside / "media", self.inside / "incoming")
        return {
            str(path.relative_to(self.inside))
            for root in roots
            for path in root.rglob("*")
            if path.is_file()
        }

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()


class Site:
    """A web server whose DATA_DIR is a small disk, with one user of it."""

    def __init__(self, disk: SmallDisk) -> None:
        self._disk = disk
        self._web: subprocess.Popen | None = None
        self.log = disk.path.parent / "web.log"
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "emotionsite.settings",
            "DATA_DIR": str(disk.path),
            "DATABASE_URL": f"sqlite:///{disk.path}/db.sqlite3",
        }
        # The names of the static files are all that pages need.
        (disk.inside / "static").mkdir()
        manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
        shutil.copy(manifest, disk.inside / "static")
        prepared = subprocess.run(
            disk.command(sys.executable, "-c", PREPARE),
            env=self._environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=300,
        )
        self.user = json.loads(prepared.stdout.splitlines()[-1])

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, *WEB, "--bind", f"fd://{listener.fileno()}"]
        with listener, self.log.open("ab") as log:
            self._web = subprocess.Popen(
                self._disk.command(*command),
                env=self._environment,
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        if self._web is not None:
            self._web.terminate()
            self._web.wait(60)
            self._web = None
