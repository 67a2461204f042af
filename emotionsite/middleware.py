"""Middleware of the project."""

import re
import uuid
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import structlog
from django.utils import timezone

_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


class RequestIdMiddleware:
    """Give every request an id: in its log lines, in error bodies and in ``X-Request-ID``."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        given = request.headers.get("X-Request-ID", "")
        request.id = given if _ACCEPTABLE.match(given) else uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request.id):
            response = self.get_response(request)
        response["X-Request-ID"] = request.id
        return response


class TimeZoneMiddleware:
    """Show days and times in the zone of the reader, which a script tells by a cookie.

    The API speaks UTC to everybody.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        name = request.COOKIES.get("timezone")
        known = name in _zone_names() and not request.path.startswith("/api/")
        with timezone.override(ZoneInfo(name) if known else None):
            return self.get_response(request)


@cache
def _zone_names() -> set[str]:
    # Other names lead elsewhere in the file system, or to what no database knows.
    return {name for name in available_timezones() if "/" in name or name == "UTC"}
