"""Leases: an attempt proves that it is alive by counting, so that no wall clock matters.

The holder of a running entry increments its ``lease_count``. Maintenance remembers, on its own
monotonic clock, when it first saw each count; one that has stood still for LEASE_TIMEOUT has lost
its holder.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import structlog
from django.db import Error, connections
from django.db.models import F, QuerySet

from predictions.models import QueueEntry, Status

log = structlog.get_logger(__name__)

LEASE_INTERVAL = 3.0
"""Seconds between two increments."""

LEASE_TIMEOUT = 15.0
"""Seconds without an increment after which an entry is taken from its holder."""


def new_lease(task_id: str) -> str:
    """Return a lease that no attempt has had before; it begins with the id of the Celery task."""
    return f"{task_id}:{uuid4().hex[:16]}"


def leased(entry: QueueEntry) -> QuerySet:
    """Return the entry's row for as long as this attempt holds it."""
    return type(entry).objects.filter(pk=entry.pk, status=Status.RUNNING, lease=entry.lease)


@contextmanager
def hold(entry: QueueEntry, interval: float = LEASE_INTERVAL) -> Iterator[None]:
    """Increment the entry's ``lease_count`` in a thread until the block ends."""
    done = threading.Event()

    def count() -> None:
        try:
            while not done.wait(interval):
                try:
                    if not leased(entry).update(lease_count=F("lease_count") + 1):
                        return
                except Error as error:
                    # The database may be back for the next increment, and needs a new connection.
                    log.warning("lease not renewed", entry=str(entry.pk), error=str(error))
                    connections.close_all()
        finally:
            connections.close_all()

    thread = threading.Thread(target=count, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class LeaseMonitor:
    """Tells which running entries have lost their holder. Keep one for the process's lifetime."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[object, tuple[str, int, float]] = {}

    def lapsed(self, model: type[QueueEntry]) -> list[QueueEntry]:
        """Return the running entries whose count has not moved for LEASE_TIMEOUT seconds."""
        now = self._clock()
        running = list(model.objects.filter(status=Status.RUNNING))
        seen = {}
        for entry in running:
            lease, count, since = self._seen.get(entry.pk, ("", -1, now))
            if (lease, count) != (entry.lease, entry.lease_count):
                since = now
            seen[entry.pk] = (entry.lease, entry.lease_count, since)
        self._seen = seen
        return [entry for entry in running if now - seen[entry.pk][2] >= LEASE_TIMEOUT]
