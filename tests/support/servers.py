"""Real servers for tests, started as the runner starts them."""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

from redis.exceptions import ConnectionError as RedisConnectionError

from emotionsite.celery import app
from emotionsite.processes import Processes, start_redis
from emotionsite.run import WORKER


class RedisServer:
    """A Redis at ``url`` that keeps its queue in ``directory`` while it is stopped."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self._directory = directory
        self._processes = Processes()

    def start(self) -> None:
        """Start it if it does not run; return when it answers."""
        if "redis" not in self._processes:
            start_redis(self._processes, self._directory, self.url)

    def stop(self) -> None:
        self._processes.stop("redis")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._processes.stop("redis", with_signal=SIGKILL)


class Worker:
    """The Celery worker with beat, or another ``command``, with its output in ``log``."""

    def __init__(self, log: Path, command: Sequence[str] = WORKER) -> None:
        self._log = log
        self._command = command
        self._processes = Processes()

    def start(self, timeout: float = 180) -> None:
        """Start it if it does not run; return when it takes tasks."""
        if "worker" in self._processes:
            return
        with self._log.open("ab") as log:
            command = [sys.executable, *self._command]
            self._processes.start("worker", command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + timeout
        while not self._replies():
            self._processes.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"The worker takes no tasks:\n{self.output()}")

    def stop(self) -> None:
        """Let it finish what it is at, and end it."""
        self._processes.stop("worker")

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._processes.stop("worker", with_signal=SIGKILL)

    def finish(self, timeout: float = 90) -> None:
        """Empty the queue and wait until nothing is being worked on."""
        app.control.purge()
        deadline = time.monotonic() + timeout
        while "worker" in self._processes:
            with suppress(ConnectionError, RedisConnectionError):
                inspect = app.control.inspect(timeout=1, limit=1)
                replies = inspect.reserved(), inspect.active()
                if all(replies) and not any(tasks for reply in replies for tasks in reply.values()):
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"The worker does not finish:\n{self.output()}")

    def output(self) -> str:
        """What the worker has written so far."""
        return self._log.read_text(errors="replace")

    def _replies(self) -> bool:
        # A connection from before the server was stopped fails once, and is replaced.
        with suppress(ConnectionError, RedisConnectionError):
            return bool(app.control.ping(timeout=0.5, limit=1))
        return False
