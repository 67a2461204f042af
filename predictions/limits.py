"""How large a request may be, told by its stated length before anything of it is read."""

import time
from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

MEGABYTE = 1024 * 1024
ROOM_FOR_FORM = MEGABYTE
"""Bytes that the parts of a form may need beside the photos."""

PATIENCE = 5
"""Seconds for the rest of a body that nobody wants."""

AT_ONCE = 50
"""Photos of one request, and of one choice on the upload page."""

BATCH = 10
"""Several photos may together be as large as so many of the largest."""


def largest_body(photos: int) -> int:
    """Return the bytes of the largest request that carries so many of the largest photos."""
    return photos * settings.MAX_UPLOAD_MB * MEGABYTE + ROOM_FOR_FORM


def stated_length(request: HttpRequest) -> int:
    """Return the bytes that a request says it has; 0 where it says nothing that is a number."""
    length = request.META.get("CONTENT_LENGTH") or ""
    return int(length) if length.isascii() and length.isdigit() else 0


def read_to_the_end(request: HttpRequest) -> None:
    """Take and drop what is left of a body: a client that still sends hears no answer.

    Who sends very much more than is allowed, or takes longer than PATIENCE, is cut off.
    """
    if stated_length(request) > 2 * largest_body(BATCH):
        return
    # A thread that waits for the next byte cannot look at the clock: only its socket can.
    socket = request.META.get("gunicorn.socket")
    waits = socket.gettimeout() if socket else None
    end = time.monotonic() + PATIENCE
    with suppress(OSError):
        while (left := end - time.monotonic()) > 0:
            if socket:
                socket.settimeout(left)
            if not request.read(65_536):
                break
    if socket:
        socket.settimeout(waits)


def too_large_page(request: HttpRequest) -> HttpResponse:
    megabytes = BATCH * settings.MAX_UPLOAD_MB
    return render(request, "413.html", {"megabytes": megabytes}, status=413)


class BodyLimitMiddleware:
    """Refuse a page's form that would fill the disk before anybody looked at it.

    The API's parsers have limits of their own, and answer in its way.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        limit = largest_body(BATCH)
        if stated_length(request) > limit and not request.path.startswith("/api/"):
            read_to_the_end(request)
            return too_large_page(request)
        return self.get_response(request)
