"""A wall clock that a test moves while a process runs; the monotonic clock stays true.

The offset is read from a file. It applies to Python's clocks (`time.time`, `datetime.now` and their
like) in every process that calls ``follow``, also in those that it forks. Redis, PostgreSQL, the
kernel's file times and programs in other languages keep the true time, as the other machines of a
site would where only one has a wrong clock.
"""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

POLL_INTERVAL = 0.2


def write_offset(file: Path, seconds: float) -> None:
    """Move the clocks of all processes that follow this file."""
    replacement = file.with_suffix(".new")
    replacement.write_text(str(seconds))
    replacement.replace(file)


def follow(file: Path) -> None:
    """Let this process and its forks show the time that is ``file``'s seconds off the true one."""
    _start(file)
    os.register_at_fork(after_in_child=lambda: _start(file))


def _start(file: Path) -> None:
    threading.Thread(target=_follow, args=[file], name="clock", daemon=True).start()


def _follow(file: Path) -> None:
    traveller, shown = None, 0.0
    while True:
        offset = float(file.read_text()) if file.exists() else 0.0
        if offset != shown:
            true = time.time() if traveller is None else time_machine.escape_hatch.time.time()
            destination = datetime.fromtimestamp(true, UTC) + timedelta(seconds=offset)
            moved = time_machine.travel(destination, tick=True)
            moved.start()
            traveller, shown = moved, offset
        time.sleep(POLL_INTERVAL)
