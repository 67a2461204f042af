"""Real servers for tests, started as the runner starts them."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

from celery.utils.nodenames import gethostname
from redis.exceptions import ConnectionError as RedisConnectionError

from emotionsite.celery import app
from emotionsite.processes import Processes, start_redis
from emotionsite.run import CELERY_PROCESSES

WORKERS = {name: CELERY_PROCESSES[name] for name in ("worker", "maintenance", "beat")}


def node(name: str) -> str:
    """Return Celery's name for the worker that the runner calls ``name``."""
    return f"{'celery' if name == 'worker' else name}@{gethostname()}"


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
    """The workers of photos and maintenance, and beat, or other ``commands``, with one ``log``."""

    def __init__(self, log: Path, commands: Mapping[str, Sequence[str]] = WORKERS) -> None:
        """``commands`` are those of the runner, by its name for the process."""
        self._log = log
        self._commands = commands
        self._processes = Processes()

    def start(self, timeout: float = 180) -> None:
        """Start what does not run; return when tasks are taken."""
        started = [name for name in self._commands if name not in self._processes]
        for name in started:
            with self._log.open("ab") as log:
                command = [sys.executable, *self._commands[name]]
                self._processes.start(name, command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + timeout
        while started and not self._replies():
            self._processes.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"A worker takes no tasks:\n{self.output()}")

    def stop(self, *names: str) -> None:
        """Let these processes (all, if none is named) finish what they are at, and end them."""
        self._processes.stop(*(names or self._commands))

    def kill(self, *names: str) -> None:
        """End these processes (all, if none is named) at once, whatever they are doing."""
        self._processes.stop(*(names or self._commands), with_signal=SIGKILL)

    def finish(self, timeout: float = 90) -> None:
        """Empty the queues and wait until nothing is being worked on."""
        app.control.purge()
        deadline = time.monotonic() + timeout
        while nodes := [node(name) for name in self._consumers() if name in self._processes]:
            with suppress(ConnectionError, RedisConnectionError):
                inspect = app.control.inspect(nodes, timeout=1)
                replies = [inspect.reserved() or {}, inspect.active() or {}]
                if all(len(reply) == len(nodes) and not any(reply.values()) for reply in replies):
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"A worker does not finish:\n{self.output()}")

    def output(self) -> str:
        """What all of them have written so far."""
        return self._log.read_text(errors="replace")

    def _consumers(self) -> list[str]:
        return [name for name in self._commands if name != "beat"]

    def _replies(self) -> bool:
        nodes = [node(name) for name in self._consumers()]
        # A connection from before the server was stopped fails once, and is replaced.
        with suppress(ConnectionError, RedisConnectionError):
            return len(app.control.ping(nodes, timeout=0.5)) == len(nodes)
        return False
