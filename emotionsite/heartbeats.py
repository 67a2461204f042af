"""Heartbeats: beat and maintenance show that they work by counting in the database.

Readers compare counts on their own monotonic clock. The wall clock matters only to a reader that
sees a count for the first time.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import connections
from django.db.models import F
from django.utils import timezone

log = structlog.get_logger(__name__)

NAMES = ("maintenance", "beat")
INTERVAL = 5.0
"""Seconds between two beats."""
LATE_AFTER = 20.0
"""Seconds without a beat after which a process counts as late."""
STALLED_AFTER = 10.0
"""Seconds without a sign of the process's main loop after which it no longer beats."""


def beat(name: str) -> None:
    """Count one beat of this process. Raises django.db.Error."""
    from predictions.models import Heartbeat

    fields = {"counter": F("counter") + 1, "beaten_at": timezone.now()}
    if not Heartbeat.objects.filter(name=name).update(**fields):
        Heartbeat.objects.get_or_create(name=name)


class Pulse:
    """Beats in a thread of its own for as long as the process's main loop turns.

    A database that is away or locked delays the beats, but not the main loop.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._turned_at = clock()
        self._thread: threading.Thread | None = None

    def turn(self) -> None:
        """Note that the main loop turns; the first call starts the beats."""
        self._turned_at = self._clock()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()

    def beat_if_turning(self) -> bool:
        """Beat unless the main loop has stalled; return whether a beat was written."""
        if self._clock() - self._turned_at > STALLED_AFTER:
            log.warning("main loop stalled", process=self._name)
            return False
        try:
            beat(self._name)
        except Exception as error:  # Whatever it is, the next beat may succeed.
            log.warning("heartbeat not written", process=self._name, error=repr(error))
            return False
        return True

    def _run(self) -> None:
        while True:
            if not self.beat_if_turning():
                connections.close_all()  # The next attempt opens a new connection.
            time.sleep(INTERVAL)


@dataclass(frozen=True)
class _Look:
    count: tuple[int, datetime]
    beaten: float
    """When the last beat was at the earliest, on the monotonic clock."""
    looked: float


class HeartbeatMonitor:
    """Tells which processes beat. Keep one for the process's lifetime."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._looks: dict[str, _Look] = {}

    def statuses(self) -> dict[str, str]:
        """Return "ok", "late" or "missing" for each of NAMES. Raises django.db.Error."""
        from predictions.models import Heartbeat

        rows = {row.name: row for row in Heartbeat.objects.filter(name__in=NAMES)}
        return {name: self._status(name, rows.get(name)) for name in NAMES}

    def _status(self, name: str, row) -> str:
        if row is None:
            self._looks.pop(name, None)
            return "missing"
        now, before = self._clock(), self._looks.get(name)
        count = row.counter, row.beaten_at  # A row that was deleted counts from 0 again.
        if before is not None and before.count == count:
            beaten = before.beaten
        else:
            # The clock may have been set since, so a time in the future is as wrong as an old one.
            beaten = now - abs((self._wall_clock() - row.beaten_at).total_seconds())
            if before is not None:
                beaten = max(beaten, before.looked)
        self._looks[name] = _Look(count, beaten, now)
        return "ok" if now - beaten <= LATE_AFTER else "late"


_monitor = HeartbeatMonitor()


def statuses() -> dict[str, str]:
    """Return {"maintenance": "ok" | "late" | "missing", "beat": …}. Raises django.db.Error."""
    return _monitor.statuses()
