"""Closing the site while its operator works on it.

A file in the data directory closes it, for all processes of this machine at once and without a
restart: ``manage.py maintenance on`` makes the file, and so does ``touch``. What is written in it
is shown to visitors. Workers go on; stop them, too, where nothing may be written.
"""

from pathlib import Path

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers
from rest_framework import exceptions

from predictions.api.errors import MEDIA_TYPE, describe
from predictions.limits import read_to_the_end

RETRY_AFTER = 300
"""Seconds after which clients ask again."""

LONGEST_REASON = 500

OPEN_VIEWS = {
    "healthz",
    "readyz",
    "robots",
    "account_login",
    "account_logout",
    "account_reauthenticate",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "admin:login",
}
"""Names of addresses that answer as ever: those of monitors, and the log-in of the staff."""


class UnderMaintenance(exceptions.APIException):
    status_code = 503
    default_code = "maintenance"
    default_detail = "The site is closed for maintenance and will be back soon."
    wait = RETRY_AFTER


def flag() -> Path:
    return Path(settings.DATA_DIR) / "maintenance"


def reason() -> str | None:
    """Return None while the site is open, otherwise what its operator tells visitors."""
    try:
        with flag().open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_REASON).strip()
    except FileNotFoundError:
        return None
    except OSError:  # Somebody else's file, or a folder: it is there.
        return ""


def close(reason: str = "") -> None:
    flag().write_text(reason, encoding="utf-8")


def reopen() -> None:
    flag().unlink(missing_ok=True)


def _is_staff(request: HttpRequest) -> bool:
    try:
        return request.user.is_staff
    except Error:  # It may be the very thing that is worked on.
        return False


class MaintenanceMiddleware:
    """Answer 503 to everybody but the staff while the site is closed.

    Comes after the middleware that knows the user.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view, args, kwargs) -> HttpResponse | None:
        told = reason()
        if told is None:
            return None
        if _is_staff(request):
            request.is_closed_to_others = True
            return None
        if request.resolver_match.view_name in OPEN_VIEWS:
            return None
        read_to_the_end(request)
        if request.path.startswith("/api/"):
            problem, headers = describe(UnderMaintenance(), request)
            response = JsonResponse(problem, status=503, content_type=MEDIA_TYPE, headers=headers)
        else:
            # Without the request nothing in the template can ask the database for anything.
            again = request.get_full_path() if request.method == "GET" else None
            page = render_to_string("503.html", {"reason": told, "again": again})
            response = HttpResponse(page, status=503)
            response["Retry-After"] = str(RETRY_AFTER)
        add_never_cache_headers(response)
        return response
