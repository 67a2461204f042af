"""What is answered where the storage or the database fails: 503 with a code, never 500."""

import errno
import sys

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext_lazy
from django.views.defaults import server_error

from mlcore.errors import DecoderUnavailable
from predictions.files import StorageUnavailable

log = structlog.get_logger(__name__)

_STORAGE_ERRNO = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ESTALE),
}
# SQLite tells these apart only by their texts, which have not changed in twenty years.
_SQLITE_TEXTS = (
    "database or disk is full",
    "attempt to write a readonly database",
    "unable to open database file",
    "disk i/o error",
)
_POSTGRESQL_STATES = {"53100", "25006", "58030"}
"""disk_full, read_only_sql_transaction and io_error."""


class DatabaseUnavailable(Exception):
    """The database does not answer; ``retry_after`` in seconds."""

    code = "database_unavailable"
    retry_after = 30
    detail = gettext_lazy(
        "The database is not available at the moment. Please try again in half a minute."
    )


class PicturesUnavailable(Exception):
    """The process that reads pictures does not answer; ``retry_after`` in seconds."""

    code = "decoder_unavailable"
    retry_after = 10
    detail = gettext_lazy(
        "Pictures cannot be read at the moment. Please try again in a few seconds."
    )


Unavailable = StorageUnavailable | DatabaseUnavailable | PicturesUnavailable


def unavailable(error: BaseException | None) -> Unavailable | None:
    """Return which part of the site an exception says is away; None for any other exception."""
    match error:
        case StorageUnavailable() | DatabaseUnavailable() | PicturesUnavailable():
            return error
        case DecoderUnavailable():
            return PicturesUnavailable()
        case DatabaseError() if _is_full_or_read_only(error):
            return StorageUnavailable()
        case OperationalError() | InterfaceError():
            return DatabaseUnavailable()
        case OSError(errno=number) if number in _STORAGE_ERRNO:
            return StorageUnavailable()
    return None


def _is_full_or_read_only(error: DatabaseError) -> bool:
    state = getattr(error.__cause__, "sqlstate", None)
    text = str(error).lower()
    return state in _POSTGRESQL_STATES or any(words in text for words in _SQLITE_TEXTS)


class UnavailableMiddleware:
    """Answer 503 where a view of a page fails for want of storage or database."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return _answer(request, error)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer an exception that a middleware raised: a session that cannot be stored, for example.

    https://docs.djangoproject.com/en/5.2/ref/views/#the-500-server-error-view
    """
    error = sys.exc_info()[1]
    if response := _answer(request, error):
        return response
    if request.path.startswith("/api/"):
        return refusal(request, error or Exception(), "500.html")
    return server_error(request)


def _answer(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    found = unavailable(error)
    if found is None:
        return None
    log.error("unavailable", code=found.code, path=request.path, exc_info=error)
    return refusal(request, found, "unavailable.html", status=503, error=found)


def refusal(
    request: HttpRequest, cause: BaseException, template: str, /, *, status: int = 500, **context
) -> HttpResponse:
    """Answer with an error before or behind all views: as a problem, or as a page.

    The page is rendered without the request: it must need neither session nor database.
    """
    from predictions.api.errors import MEDIA_TYPE, describe

    if request.path.startswith("/api/"):
        problem, headers = describe(cause, request)
        response = JsonResponse(
            problem, status=problem["status"], content_type=MEDIA_TYPE, headers=headers
        )
    else:
        response = HttpResponse(render_to_string(template, context), status=status)
        if retry_after := getattr(cause, "retry_after", None):
            response["Retry-After"] = str(retry_after)
    add_never_cache_headers(response)
    return response
