"""Clocks that a test moves."""

from datetime import datetime, timedelta

from django.utils import timezone


class Clock:
    """A monotonic clock, and a wall clock that can be set as well."""

    def __init__(self) -> None:
        self._seconds = 1000.0
        self._wall = timezone.now()

    def monotonic(self) -> float:
        return self._seconds

    def now(self) -> datetime:
        return self._wall

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
        self._wall += timedelta(seconds=seconds)

    def set_wall(self, change: timedelta) -> None:
        self._wall += change
