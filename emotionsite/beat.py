"""The scheduler of ``celery beat``: in memory, and on a clock that nobody can set."""

import time
from collections.abc import Callable

import structlog
from celery.beat import ScheduleEntry, Scheduler
from django.core.exceptions import ImproperlyConfigured
from kombu.exceptions import ChannelError, OperationalError

from emotionsite.heartbeats import Pulse

log = structlog.get_logger(__name__)

MAX_UNREAD = 20
"""Messages in a queue beyond which nothing is added to it: its worker is away."""
MAX_SLEEP = 1.0
"""Seconds until the next look at the schedule, and until a failed message is sent again."""


class MonotonicScheduler(Scheduler):
    """Sends every entry at start, and then once per interval of time.monotonic.

    Nothing is remembered between two starts, so every task must be harmless when it runs too often.
    Messages never expire, because expiry depends on the wall clock. Instead, nothing is added to a
    queue that nobody reads.
    """

    def __init__(
        self,
        app,
        *args,
        clock: Callable[[], float] = time.monotonic,
        pulse: Pulse | None = None,
        **options,
    ) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._failing: dict[str, str] = {}
        self._pulse = pulse or Pulse("beat", clock)
        super().__init__(app, *args, **options)

    def setup_schedule(self) -> None:
        self.data.clear()
        self.update_from_dict(self.app.conf.beat_schedule)
        for name, entry in self.data.items():
            if not hasattr(entry.schedule, "run_every"):
                raise ImproperlyConfigured(f"The schedule of {name} must be a number of seconds.")

    def tick(self) -> float:
        """Send what is due and return how many seconds to sleep. Never fails."""
        self._pulse.turn()
        now = self._clock()
        for name, entry in self.schedule.items():
            if now >= self._due.get(name, now):
                sent = self._send(entry)
                pause = entry.schedule.run_every.total_seconds() if sent else MAX_SLEEP
                self._due[name] = now + pause
        next_due = min((self._due.get(name, now) for name in self.schedule), default=now)
        return min(max(next_due - self._clock(), 0.05), MAX_SLEEP)

    def _send(self, entry: ScheduleEntry) -> bool:
        """Put the entry's message into its queue; return False where that must be tried again."""
        try:
            if self._unread(entry) >= MAX_UNREAD:
                return False
            self.app.send_task(
                entry.task, entry.args, entry.kwargs, retry=False, **(entry.options or {})
            )
        except Exception as error:
            # The same error is logged once, since a full disk can be the cause of it.
            reason = f"{type(error).__name__}: {error}"
            if reason not in self._failing.values():
                known = isinstance(error, (OperationalError, OSError))
                log.warning("not sent", entry=entry.name, error=reason, exc_info=not known)
            self._failing[entry.name] = reason
            return False
        self._failing.pop(entry.name, None)
        return True

    def _unread(self, entry: ScheduleEntry) -> int:
        route = self.app.amqp.router.route(dict(entry.options or {}), entry.task)
        with self.app.connection_for_write() as connection:
            channel = connection.default_channel
            try:
                declared = channel.queue_declare(route["queue"].name, passive=True)
            except ChannelError:  # Redis has no empty lists.
                return 0
        return declared.message_count

    @property
    def info(self) -> str:
        return "    . in memory, on the monotonic clock"
