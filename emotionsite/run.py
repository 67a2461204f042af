"""``make run``: bring the whole site up on this machine, and take all of it down again.

Redis, gunicorn, Celery's beat and three of its workers (photos, maintenance, webhooks) run as
children. Once the site has been ready, a child that ends is started again. Children have process
groups of their own, so that Ctrl-C in a terminal reaches only this process, which stops them in
order, the broker last. ``PORT``, ``HOST`` and ``DJANGO_SUPERUSER_*`` are read here; every other
setting is read by `emotionsite.settings`.
"""

import errno
import fcntl
import http.client
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import django
import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from emotionsite.celery import app
from emotionsite.processes import (
    ProcessEnded,
    Processes,
    Supervisor,
    adopt_orphans,
    end_with_parent,
    launch_redis,
    start_redis,
)
from emotionsite.relocation import recover_database
from mlcore.errors import MLCoreError
from mlcore.model_info import verify_model_file

BASE_DIR = Path(__file__).resolve().parent.parent
CELERY = ["-m", "celery", "--quiet", "-A", "emotionsite"]
_CONSUMER = [*CELERY, "worker", "--loglevel", "INFO"]
_CONSUMER += ["--without-mingle", "--without-gossip"]  # Workers have nothing to tell each other.
WORKER = [*_CONSUMER, "--queues", "celery,explanations"]
# One thread for each kind of task, of which each runs once at a time: none waits for another.
# Leases are watched in this process's memory, so threads it must be.
MAINTENANCE = [*_CONSUMER, "--hostname", "maintenance@%h", "--queues", "maintenance"]
MAINTENANCE += ["--pool", "threads", "--concurrency", "8"]
BEAT = [*CELERY, "beat", "--loglevel", "INFO"]
DELIVERIES = [*_CONSUMER, "--hostname", "deliveries@%h", "--queues", "deliveries"]
DELIVERIES += ["--pool", "threads", "--concurrency", "4"]
CELERY_PROCESSES = {
    "worker": WORKER,
    "maintenance": MAINTENANCE,
    "beat": BEAT,
    "deliveries": DELIVERIES,
}
WEB = ["-m", "gunicorn", "emotionsite.wsgi", "--worker-class", "gthread", "--workers", "2"]
WEB += ["--threads", "10", "--graceful-timeout", "2", "--no-control-socket"]
READY_SECONDS = 300  # A slow machine beside other work needs more than two minutes.
"""How long the site may take until it answers."""


def lock(directory: Path) -> IO[str]:
    """Make ``directory`` and hold it for this run; the kernel lets go of it when we end."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
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


def listen(host: str, port: str) -> socket.socket:
    """Take the port of the site before anything is started, so that a taken one costs nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except (ValueError, OverflowError):
        sys.exit(f"PORT={port} is not a port number.")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"Port {port} is in use already: choose another one with PORT=….")
        sys.exit(f"Cannot listen on {host}, port {port}: {error.strerror}.")


def kept_secret_key(path: Path) -> str:
    """Return the secret key in ``path``, which only its owner can read; make it if need be."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()


def make_first_admin() -> None:
    """Make an admin where there is no user yet; a password made for it is shown this once."""
    from allauth.account.models import EmailAddress
    from django.conf import settings
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if users.exists():
        return
    username = os.environ.get("DJANGO_SUPERUSER_USERNAME") or "admin"
    email = os.environ.get("DJANGO_SUPERUSER_EMAIL", "")
    if settings.EMAIL_URL and not email:
        sys.exit(
            "Mail is configured (EMAIL_URL), so accounts need an address: "
            "set DJANGO_SUPERUSER_EMAIL for the first admin."
        )
    given = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
    password = given or secrets.token_urlsafe(12)
    user = users.create_superuser(username, email, password)
    if email:
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    if not given:
        show(f"First admin: {username}", f"Password:    {password}", "It is shown only this once.")


def show(*lines: str) -> None:
    """Print ``lines`` in a box."""
    width = max(map(len, lines))
    rule = f"+{'-' * (width + 4)}+"
    print(rule, *(f"|  {line:<{width}}  |" for line in lines), rule, sep="\n", flush=True)


def what_is_missing(address: tuple[str, int], host_header: str) -> str:
    """Ask ``/readyz`` and the workers; an empty answer means that the first photo can come."""
    connection = http.client.HTTPConnection(*address, timeout=2)
    try:
        connection.request("GET", "/readyz", headers={"Host": host_header})
        answer = connection.getresponse()
        if answer.status != 200:
            return answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
    workers = app.control.ping(timeout=0.5, limit=3)
    return "" if len(workers) == 3 else "a worker does not answer"


def start_celery(processes: Processes, name: str) -> None:
    """Start one of CELERY_PROCESSES."""
    command = [sys.executable, *CELERY_PROCESSES[name]]
    # A worker that loses its parent is killed: it could otherwise take minutes to end. The photo
    # that it is at is taken up by another worker.
    processes.start(name, command, cwd=BASE_DIR, orphan_signal=signal.SIGKILL)


def run(processes: Processes) -> None:
    """Start everything and watch over it; ends only by an exception."""
    environ.Env.read_env(BASE_DIR / ".env")
    data_dir = Path(os.environ.get("DATA_DIR", BASE_DIR / "var")).resolve()
    held = lock(data_dir)  # noqa: F841, the lock lasts as long as this name.
    listener = listen(os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "8000"))
    if not os.environ.get("SECRET_KEY"):
        os.environ["SECRET_KEY"] = kept_secret_key(data_dir / "secret_key")
    starters: dict[str, Callable[[], object]] = {}
    if not os.environ.get("REDIS_URL"):
        redis_dir = data_dir / "redis"
        url = os.environ["REDIS_URL"] = start_redis(processes, redis_dir)
        starters["redis"] = lambda: launch_redis(processes, redis_dir, url)

    django.setup()
    from django.conf import settings
    from django.db import connections

    if not Path(settings.MODEL_PATH).is_file():
        sys.exit(f"There is no network in {settings.MODEL_PATH}: no photo could be analysed.")
    try:
        verify_model_file(settings.MODEL_PATH)
    except MLCoreError as error:
        sys.exit(f"The network cannot be used: {error}.")
    if found := recover_database():
        show(*found)
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    make_first_admin()
    call_command("load_demo_gallery", verbosity=0)
    connections.close_all()

    for child in CELERY_PROCESSES:
        starters[child] = partial(start_celery, processes, child)
        starters[child]()
    host, port = listener.getsockname()[:2]
    # The port stays open in this process, so that requests wait while the web process restarts.
    web = [sys.executable, *WEB, "--bind", f"fd://{listener.fileno()}"]
    options = {"cwd": BASE_DIR, "pass_fds": [listener.fileno()]}
    starters["web"] = partial(processes.start, "web", web, **options)
    starters["web"]()
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    name = next((name for name in settings.ALLOWED_HOSTS if name.strip("*")), reachable).lstrip(".")
    deadline = time.monotonic() + READY_SECONDS
    while missing := what_is_missing((reachable, port), name):
        processes.check()
        if time.monotonic() > deadline:
            sys.exit(f"Not ready after {READY_SECONDS} seconds: {missing}")
        time.sleep(0.1)
    shown = f"[{reachable}]" if ":" in reachable else reachable
    show(f"Emotionsite is ready: http://{shown}:{port}/", "Ctrl-C stops it.")
    supervisor = Supervisor(processes, starters)
    while True:
        supervisor.step()
        time.sleep(0.2)


def main() -> None:
    """Run until Ctrl-C, SIGTERM or a closed terminal; then end all children."""
    asked_to_stop = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(signum, frame):
        # Stopping takes a while, and a second Ctrl-C must not break it off.
        for signum in asked_to_stop:
            signal.signal(signum, signal.SIG_IGN)
        raise SystemExit(0)

    for signum in asked_to_stop:
        signal.signal(signum, stop)
    if "--end-with-parent" in sys.argv:  # Whoever kills make means the site.
        end_with_parent(signal.SIGTERM)
    adopt_orphans()
    processes = Processes()
    try:
        run(processes)
    except (ProcessEnded, ImproperlyConfigured) as error:
        sys.exit(str(error))
    finally:
        for signum in asked_to_stop:
            signal.signal(signum, signal.SIG_IGN)
        processes.stop("web", *CELERY_PROCESSES)
        processes.stop("redis")
        processes.kill_adopted()


if __name__ == "__main__":
    main()
