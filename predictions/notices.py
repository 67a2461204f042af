"""Telling whoever waits that something is ready, over Redis; the database stays the truth.

A notice may be lost, and Redis may be away: whoever waits also looks at the database now and then.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import redis
import structlog
from django.conf import settings
from django.dispatch import receiver

from predictions.signals import finished

log = structlog.get_logger(__name__)

LOOK_AGAIN = 1.0
"""Seconds after which the database is asked without a notice."""
LOOK_AGAIN_WITHOUT_REDIS = 0.2

_places = threading.BoundedSemaphore(settings.WAITING_THREADS)
"""Whoever waits holds a thread of the web process; the others must go on serving."""


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


def _channel(key: object) -> str:
    return f"emotionsite:ready:{key}"


def announce(key: object) -> None:
    """Wake up whoever waits for ``key``, such as the id of a prediction."""
    try:
        _redis().publish(_channel(key), b"")
    except (redis.RedisError, OSError) as error:
        log.warning("notice not sent", key=str(key), error=str(error))


@receiver(finished)
def _announce_end(prediction_id, **_kwargs) -> None:
    announce(prediction_id)


def wait(key: object, is_ready: Callable[[], bool], seconds: float) -> bool | None:
    """Return whether ``is_ready`` within ``seconds``, at most one notice's travel too late.

    ``is_ready`` asks the database. Returns None at once where too many others wait already.
    """
    if is_ready():
        return True
    if seconds <= 0:
        return False
    if not _places.acquire(blocking=False):
        return None
    try:
        return _wait(key, is_ready, time.monotonic() + seconds)
    finally:
        _places.release()


def _wait(key: object, is_ready: Callable[[], bool], end: float) -> bool:
    notices = _subscribe(key)
    try:
        # Asked only once notices arrive: what became ready before sends no other one.
        while not is_ready():
            left = end - time.monotonic()
            if left <= 0:
                return False
            try:
                if notices is not None:
                    notices.get_message(timeout=min(left, LOOK_AGAIN))
            except (redis.RedisError, OSError):
                notices = None
            if notices is None:
                time.sleep(min(left, LOOK_AGAIN_WITHOUT_REDIS))
        return True
    finally:
        if notices is not None:
            with suppress(redis.RedisError, OSError):
                notices.close()


def _subscribe(key: object) -> redis.client.PubSub | None:
    """Return a subscription that is confirmed, or None where Redis is away."""
    notices = _redis().pubsub()
    try:
        notices.subscribe(_channel(key))
        notices.get_message(timeout=1)
    except (redis.RedisError, OSError):
        return None
    return notices
