"""How many files are sent at once: each holds a thread for as long as its reader likes.

Two limits hold. A user's exports are counted in the database, across all web processes. Each
process sends only so many, and at most half of them to one user.
"""

import threading
from collections import Counter
from collections.abc import Iterator

import structlog
from django.db import Error, connections
from django.utils import timezone

from predictions import quotas
from predictions.models import RunningExport

log = structlog.get_logger(__name__)

RENEWAL_INTERVAL = 10.0
"""Seconds between two renewals of a running export's row."""


class Slots:
    """The exports of one web process."""

    def __init__(self, count: int) -> None:
        """``count`` exports may run at once, and half of them (at least one) for the same user."""
        self._count, self._per_owner = count, max(count // 2, 1)
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, owner, chunks: Iterator) -> "Export | None":
        """Return the chunks, which must be closed at the end, or None where no slot is free.

        Raises QuotaExceeded.
        """
        row = quotas.start_export(owner)
        with self._lock:
            is_free = self._taken.total() < self._count
            is_free = is_free and self._taken[owner.pk] < self._per_owner
            self._taken[owner.pk] += is_free
        if not is_free:
            RunningExport.objects.filter(pk=row.pk).delete()
            return None
        return Export(chunks, row, self)

    def free(self, owner_id: int) -> None:
        with self._lock:
            self._taken[owner_id] -= 1
            if not self._taken[owner_id]:
                del self._taken[owner_id]


class Export:
    """A file on its way, whose row is renewed until it is closed."""

    def __init__(self, chunks: Iterator, row: RunningExport, slots: Slots) -> None:
        self._chunks, self._row, self._slots = chunks, row, slots
        self._closed = threading.Event()
        threading.Thread(target=self._renew, name="export", daemon=True).start()

    def __iter__(self) -> Iterator:
        return self._chunks

    def _renew(self) -> None:
        """Renew the row also while the reader takes nothing: only a dead process stops."""
        try:
            while not self._closed.wait(RENEWAL_INTERVAL):
                try:
                    row = RunningExport.objects.filter(pk=self._row.pk)
                    row.update(seen_at=timezone.now())
                except Error as error:
                    log.warning("export not renewed", export=self._row.pk, error=str(error))
                    connections.close_all()
        finally:
            connections.close_all()

    def close(self) -> None:
        """Give the slot back, once."""
        if self._closed.is_set():
            return
        self._closed.set()
        try:
            self._chunks.close()
        finally:
            self._slots.free(self._row.owner_id)
            try:
                RunningExport.objects.filter(pk=self._row.pk).delete()
            except Error as error:
                # Without renewals the row soon counts no more.
                log.warning("export not removed", export=self._row.pk, error=str(error))
