"""The cache on a disk that may be full: what cannot be kept is forgotten."""

import time

import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.filebased import FileBasedCache

log = structlog.get_logger(__name__)

LOG_INTERVAL = 60
"""Seconds between two log lines of one process."""


class FailOpenFileCache(FileBasedCache):
    """A FileBasedCache of which nothing fails: an entry that cannot be read or written is a miss.

    Rate limits, progress bars and the like are kept here. None of them is worth refusing a request
    where the disk is full or read-only. ``add`` answers True then, as if the key were new.
    """

    _logged_at: float | None = None

    def __init__(self, dir, params) -> None:
        try:
            super().__init__(dir, params)
        except OSError as error:
            self._log(error)

    def get(self, key, default=None, version=None):
        try:
            return super().get(key, default, version)
        except Exception as error:  # A cut or foreign entry fails in zlib or pickle.
            return self._miss(error, default)

    def set(self, key, value, timeout=DEFAULT_TIMEOUT, version=None) -> None:
        try:
            super().set(key, value, timeout, version)
        except OSError as error:
            self._miss(error)

    def touch(self, key, timeout=DEFAULT_TIMEOUT, version=None) -> bool:
        try:
            return super().touch(key, timeout, version)
        except Exception as error:
            return self._miss(error, False)

    def delete(self, key, version=None) -> bool:
        try:
            return super().delete(key, version)
        except OSError as error:
            return self._miss(error, False)

    def has_key(self, key, version=None) -> bool:
        try:
            return super().has_key(key, version)
        except Exception as error:
            return self._miss(error, False)

    def clear(self) -> None:
        try:
            super().clear()
        except OSError as error:
            self._miss(error)

    def _miss(self, error: Exception, default=None):
        self._log(error)
        return default

    @classmethod
    def _log(cls, error: Exception) -> None:
        now = time.monotonic()
        if cls._logged_at is None or now - cls._logged_at >= LOG_INTERVAL:
            cls._logged_at = now
            log.warning("cache failed", error=f"{type(error).__name__}: {error}")
