"""``/healthz``: the process answers. ``/readyz``: everything that it needs answers, too."""

from pathlib import Path

import redis
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from emotionsite.checks import storage_is_writable


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2
    ) as client:
        client.ping()


def _storage() -> None:
    # A folder answers that there is nothing in it also where nothing can be written to it.
    if problems := storage_is_writable(None):
        raise OSError(problems[0].msg)
    default_storage.exists("photos")


def _model() -> None:
    if not Path(settings.MODEL_PATH).is_file():
        raise FileNotFoundError(settings.MODEL_PATH)


CHECKS = {"database": _database, "broker": _broker, "storage": _storage, "model": _model}


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200, or 503 with the names of what is missing; no detail leaves the machine."""
    answers = {}
    for name, check in CHECKS.items():
        try:
            check()
            answers[name] = "ok"
        except Exception:  # Whatever is broken, the answer is the same: not ready.
            answers[name] = "unavailable"
    ready = all(answer == "ok" for answer in answers.values())
    return JsonResponse(answers, status=200 if ready else 503)
