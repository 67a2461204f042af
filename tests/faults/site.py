"""A whole site as ``make run`` starts it, in a temporary folder, whose parts a test can break."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import redis
import requests

from emotionsite.processes import free_port
from mlcore.model_info import MODEL_PATH
from tests.faults.database import PostgreSQL, SQLite, is_alive
from tests.support import movable_clock
from tests.support.faulty_storage import Trouble

ROOT = Path(__file__).parents[2]
DISK_MB = 512
"""Size of the file system that the site's data lies on, where one may be mounted."""

READY_TIMEOUT = 300
PASSWORD = "only-for-these-tests"

ACCOUNTS = """
import json, sys
from emotionsite.accounts.models import User
from knox.models import get_token_model
tokens = {}
for name in %r:
    user, _ = User.objects.get_or_create(username=name)
    tokens[name] = (user.pk, get_token_model().objects.create(user)[1])
print(json.dumps(tokens))
"""


class SiteFailed(Exception):
    """The site did not start, or did not come back."""


class Site:
    """The processes of a site, its address, data and database.

    ``url`` is its address, ``data_dir`` its data, ``disk`` why its data has no file system of its
    own ("" where it has). Stop it in any case: `running` does.
    """

    def __init__(self, folder: Path, database: PostgreSQL | None = None) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.data_dir.mkdir(mode=0o700)
        self.disk = _mount(self.data_dir)
        self.database = database or SQLite(self.data_dir)
        self.model = folder / MODEL_PATH.name
        for file in MODEL_PATH.parent.glob(f"{MODEL_PATH.stem}.*"):
            shutil.copy(file, folder)
        self.log = folder / "log"
        self._faults = folder / "faults"
        self._faults.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            **self.database.environment,
            "API_RATE_ADDRESS": "100000/sec",
            "API_RATE_DRAWINGS": "100000/sec",
            "API_RATE_USER": "100000/sec",
            "DATA_DIR": str(self.data_dir),
            "DJANGO_SETTINGS_MODULE": "tests.support.faulty_settings",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "FAULTS_DIR": str(self._faults),
            "MODEL_PATH": str(self.model),
            "PORT": str(port),
            "TMPDIR": str(folder),
        }
        self._runner: subprocess.Popen | None = None
        self._seen: set[psutil.Process] = set()

    # --- start and stop -----------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and return when the site says that it is ready."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._runner = subprocess.Popen(
                [sys.executable, "-m", "emotionsite.run"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_TIMEOUT
        while "Emotionsite is ready" not in self.output(begin):
            if self._runner.poll() is not None or time.monotonic() > deadline:
                raise SiteFailed(f"The site does not start:\n{self.output(begin)[-4000:]}")
            self.processes()
            time.sleep(0.1)

    def stop(self) -> list[str]:
        """End the site; return what it has left running, and end that, too."""
        if self._runner is None:
            return []
        self.processes()
        self._runner.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._runner.wait(60)
        self._runner.kill()
        self._runner.wait()
        return self._end_leftovers()

    def kill_runner(self) -> list[str]:
        """Kill the process that ``make run`` is; return what still runs 20 s later, and end that.

        Nothing restarts the site: ``start`` does.
        """
        self.processes()
        self._runner.kill()
        self._runner.wait()
        return self._end_leftovers()

    def _end_leftovers(self, seconds: float = 20) -> list[str]:
        deadline = time.monotonic() + seconds
        while (left := [p for p in self._seen if is_alive(p)]) and time.monotonic() < deadline:
            time.sleep(0.2)
        named = [f"{process.pid} {' '.join(_command(process))}" for process in left]
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        self._seen.clear()
        return named

    def output(self, begin: int = 0) -> str:
        """What the site has written to its log, from this byte on."""
        with self.log.open("rb") as log:
            log.seek(begin)
            return log.read().decode(errors="replace")

    # --- processes ----------------------------------------------------------------------------

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Return the running processes by kind.

        ``web``, ``worker``, ``maintenance``, ``beat``, ``deliveries``, ``redis`` are the children
        of the runner; ``web process`` and ``worker process`` are what the first two start, and
        ``decoder`` is what reads pictures.
        """
        found: dict[str, list[psutil.Process]] = {}
        with suppress(psutil.Error):
            runner = psutil.Process(self._runner.pid)
            for process in runner.children(recursive=True):
                self._seen.add(process)
                if (kind := _kind(process, runner)) and is_alive(process):
                    found.setdefault(kind, []).append(process)
        return found

    def signal(self, kind: str, number: int = signal.SIGKILL) -> list[psutil.Process]:
        """Send a signal to all processes of a kind; return them."""
        processes = self.processes().get(kind, [])
        for process in processes:
            with suppress(psutil.Error):
                process.send_signal(number)
        return processes

    def missing(self) -> str:
        """Say what is not as in a healthy site; "" where everything is."""
        if self._runner.poll() is not None:
            return f"the site ended with status {self._runner.returncode}"
        absent = self.kinds - set(self.processes())
        if absent:
            return f"no {', no '.join(sorted(absent))} is running"
        try:
            answer = requests.get(f"{self.url}/readyz", timeout=10)
        except requests.RequestException as error:
            return f"/readyz does not answer: {error}"
        return "" if answer.status_code == 200 else f"/readyz: {answer.text}"

    def learn_kinds(self) -> None:
        """Take the kinds of process that run now as those of a healthy site."""
        self.kinds = set(self.processes()) - {"decoder"}

    # --- what a test may do to it -------------------------------------------------------------

    @contextmanager
    def trouble(self, **fields) -> Iterator[None]:
        """Let the storage be slow or fail; the fields are those of `Trouble`."""
        file = self._faults / "storage"
        Trouble(**fields).write(file)
        try:
            yield
        finally:
            file.unlink()

    @contextmanager
    def clock(self, seconds: float) -> Iterator[None]:
        """Move the wall clock of all Python processes by so many seconds."""
        movable_clock.write_offset(self._faults / "clock", seconds)
        try:
            yield
        finally:
            movable_clock.write_offset(self._faults / "clock", 0)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Fill the file system that all data lies on. Only where ``disk`` is empty."""
        filler = self.data_dir / "filler"
        try:
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(65536))
            with filler.open("ab", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(b"0")
            yield
        finally:
            filler.unlink(missing_ok=True)

    def redis(self) -> redis.Redis:
        """Connect to the broker that the site has started."""
        for process in self.processes().get("worker", []):
            with suppress(psutil.Error, KeyError):
                return redis.Redis.from_url(process.environ()["REDIS_URL"])
        raise SiteFailed("no worker tells where Redis is")

    def shell(self, code: str) -> str:
        """Run Python code with the site's settings, in a process of its own; return its output."""
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        environment = dict(self.environment)
        with suppress(SiteFailed):
            keywords = self.redis().connection_pool.connection_kwargs
            address = f":{keywords['password']}@127.0.0.1:{keywords['port']}"
            environment["REDIS_URL"] = f"redis://{address}/0"
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            raise SiteFailed(done.stderr[-4000:])
        return done.stdout

    def accounts(self, *names: str) -> dict[str, tuple[int, str]]:
        """Make users; return the primary key and an API token of each by name."""
        made = json.loads(self.shell(ACCOUNTS % (names,)).splitlines()[-1])
        return {name: tuple(pair) for name, pair in made.items()}

    def stored(self) -> set[str]:
        """Return the names of all stored files of photos."""
        media = self.data_dir / "media"
        return {
            str(path.relative_to(media)) for path in media.glob("photos/**/*") if path.is_file()
        }

    def temporary(self) -> list[Path]:
        """Return what lies where uploads are received."""
        return [path for path in (self.data_dir / "incoming").glob("*") if path.is_file()]


def _mount(folder: Path) -> str:
    """Mount a file system of DISK_MB in memory; return why not, or ""."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root on Linux may mount a small file system"
    options = f"size={DISK_MB}m,mode=700"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "emotionsite-test", folder],
        capture_output=True,
        text=True,
    )
    return f"no file system can be mounted: {done.stderr.strip()}" if done.returncode else ""


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kind(process: psutil.Process, runner: psutil.Process) -> str | None:
    command = _command(process)
    line = " ".join(command)
    if "redis" in (command[0] if command else ""):
        return "redis"
    if "mlcore.decoder" in line or "mlcore/decoder" in line:
        return "decoder"
    if "gunicorn" in line:
        kind = "web"
    elif "celery" in command and "--queues" in command:
        queue = command[command.index("--queues") + 1].partition(",")[0]
        kind = {"celery": "worker"}.get(queue, queue)
    elif "celery" in command and "beat" in command:
        kind = "beat"
    else:
        return None
    try:
        is_child = process.ppid() == runner.pid
    except psutil.Error:
        return None
    return kind if is_child else f"{kind} process"


@contextmanager
def running(database: PostgreSQL | None = None) -> Iterator[Site]:
    """Start a site, and in the end stop it and remove everything of it.

    Raises SiteFailed where it leaves processes behind when it is stopped.
    """
    folder = Path(tempfile.mkdtemp(prefix="emotionsite-faults-"))
    site = Site(folder, database)
    left: list[str] = []
    try:
        site.start()
        site.learn_kinds()
        yield site
    except BaseException:
        kept = Path(tempfile.gettempdir()) / f"{folder.name}.log"
        with suppress(OSError):
            shutil.copy(site.log, kept)
            print(f"The site's log is in {kept}", flush=True)
        raise
    finally:
        left = site.stop()
        if not site.disk:
            subprocess.run(["umount", "--lazy", site.data_dir], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    if left:
        raise SiteFailed("The stopped site has left running: " + "; ".join(left))
