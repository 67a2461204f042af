"""Refusing a request whose body ended before its end: nothing of it is worked on."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import IO

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParser
from django.utils.http import parse_header_parameters
from django.utils.translation import gettext_lazy

from predictions.files import StorageUnavailable, is_storage_error, storage_errors
from predictions.limits import BATCH, largest_body, read_to_the_end, too_large_page
from predictions.unavailable import refusal

log = structlog.get_logger(__name__)

PIECE = 65_536
FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class IncompleteRequest(UnreadablePostError):
    """The body is shorter than its Content-Length, or its last chunk or boundary is missing."""

    code = "incomplete_request"
    detail = gettext_lazy(
        "The connection broke off before all of the request had arrived. Nothing of it was kept; "
        "please send it again."
    )


class CompleteBody:
    """A stream of ``length`` bytes that raises IncompleteRequest instead of ending too early.

    Of a form of several parts it also watches that the last boundary is the closing one, before
    it hands out the last bytes.
    """

    def __init__(self, stream: IO[bytes], length: int, boundary: bytes = b"") -> None:
        self._stream = stream
        self._left = length
        self._delimiter = b"--" + boundary if boundary and length else b""
        self._tail = b""
        self._is_closed = not self._delimiter

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = self._left
        size, pieces = min(size, self._left), []
        # Django takes a short answer for the end.
        while size:
            pieces.append(self._checked(self._stream.read, size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def readline(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = self._left
        return self._checked(self._stream.readline, min(size, self._left))

    def close(self) -> None:
        """Leave the connection open: it is not ours."""

    def _checked(self, read, size: int) -> bytes:
        if not size:
            return b""
        data = read(size)
        self._left -= len(data)
        if not data:
            raise IncompleteRequest("the body is shorter than its Content-Length")
        self._watch(data)
        if not self._left and not self._is_closed:
            raise IncompleteRequest("the closing boundary is missing")
        return data

    def _watch(self, data: bytes) -> None:
        """Note whether the last boundary so far, wherever Django sees one, is the closing one."""
        if not self._delimiter:
            return
        window = self._tail + data
        at = window.rfind(self._delimiter)
        if at >= 0:
            after = window[at + len(self._delimiter) :][:2]
            self._is_closed = after == b"--"
            if len(after) < 2:
                self._tail = window[at:]
                return
        self._tail = window[-len(self._delimiter) + 1 :]


class CompleteBodyMiddleware:
    """Give every request a body that is complete, or refuse it with incomplete_request.

    Comes before the middleware that checks CSRF tokens, which takes a form that ended too early
    for one without a token, or without any fields.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        if "chunked" not in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
            _watch_body(request, request._stream)
            return self.get_response(request)
        with tempfile.SpooledTemporaryFile(
            settings.FILE_UPLOAD_MAX_MEMORY_SIZE, dir=settings.FILE_UPLOAD_TEMP_DIR
        ) as spooled:
            try:
                request.META["CONTENT_LENGTH"] = str(_receive(request, spooled))
            except (IncompleteRequest, RequestDataTooBig, StorageUnavailable) as error:
                return refuse(request, error)
            _watch_body(request, spooled)
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view, args, kwargs) -> HttpResponse | None:
        """Read the form of a page; the parsers of the API do this for themselves."""
        if request.method != "POST" or request.path.startswith("/api/"):
            return None
        try:
            with receiving_files(request):
                # Both are kept for the view once they are read.
                request.POST if request.content_type in FORM_TYPES else request.body  # noqa: B018
        except UnreadablePostError as error:
            return refuse(request, IncompleteRequest(*error.args))
        except StorageUnavailable as error:
            read_to_the_end(request)
            return refuse(request, error)
        return None


@contextmanager
def receiving_files(request: HttpRequest) -> Iterator[None]:
    """Leave no temporary file of a body that fails while it is parsed.

    Raises StorageUnavailable where such a file cannot be written. A request that broke off is an
    UnreadablePostError.
    """
    try:
        yield
    except Exception as error:
        for handler in request.upload_handlers:
            with suppress(OSError):  # What could not be written fails again when it is closed.
                handler.upload_interrupted()
        if isinstance(error, UnreadablePostError) or not is_storage_error(error):
            raise
        log.exception("storage failed", doing="receiving an upload")
        raise StorageUnavailable from error


def _watch_body(request: HttpRequest, stream: IO[bytes]) -> None:
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        kind, options = parse_header_parameters(request.META.get("CONTENT_TYPE", ""))
    except ValueError:
        return  # Django answers what it makes of such headers.
    boundary = options.get("boundary", "") if kind == "multipart/form-data" else ""
    if not MultiPartParser.boundary_re.fullmatch(boundary) or not boundary.strip("-"):
        boundary = ""  # Django refuses it, or would see it in any row of dashes.
    request._stream = CompleteBody(stream, max(length, 0), boundary.encode())


def _receive(request: HttpRequest, spooled: IO[bytes]) -> int:
    """Write a body of unknown length to a file, and return its length."""
    stream, length = request.META["wsgi.input"], 0
    while True:
        try:
            data = stream.read(PIECE)
        except OSError as error:
            raise IncompleteRequest(*error.args) from error
        if not data:
            break
        length += len(data)
        if length > largest_body(BATCH):
            request._stream = stream
            read_to_the_end(request)
            raise RequestDataTooBig("a body of unknown length is too large")
        with storage_errors("receiving a body"):
            spooled.write(data)
    with storage_errors("receiving a body"):
        spooled.seek(0)
    return length


def refuse(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer a request of which nothing was worked on."""
    request._stream = BytesIO()
    if isinstance(error, RequestDataTooBig):
        if request.path.startswith("/api/"):
            return refusal(request, error, "", status=413)
        return too_large_page(request)
    match = request.resolver_match
    card = match is not None and match.view_name == "upload-one"
    return refusal(
        request,
        error,
        "predictions/_refused.html" if card else "unavailable.html",
        status=503 if isinstance(error, StorageUnavailable) else 400,
        error=error,
        outcome={"name": "", "detail": error.detail, "code": error.code},
    )
