"""The words and errors of the API's description."""

from collections import defaultdict
from http import HTTPStatus

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from predictions.api.authentication import SECOND_FACTOR_REQUIRED
from predictions.api.errors import MEDIA_TYPE, NOT_FOUND
from predictions.api.serializers import PredictionSerializer, ProblemSerializer
from predictions.bodies import IncompleteRequest
from predictions.files import StorageUnavailable
from predictions.services import QueueFull
from predictions.unavailable import DatabaseUnavailable, PicturesUnavailable
from predictions.uploads import explain

ERRORS = {
    "invalid_input": (400, "min_confidence: Ensure this value is less than or equal to 1."),
    "incomplete_request": (400, str(IncompleteRequest.detail)),
    "parse_error": (400, "JSON parse error - Expecting value: line 1 column 1 (char 0)"),
    "not_authenticated": (401, "Authentication credentials were not provided."),
    "authentication_failed": (401, "Invalid token."),
    "insufficient_scope": (403, "This token may only read."),
    "permission_denied": (403, "CSRF Failed: CSRF token missing."),
    "email_not_verified": (403, "Verify your email address first."),
    "second_factor_required": (403, SECOND_FACTOR_REQUIRED),
    "too_many_tokens": (403, "You have as many tokens as you may have."),
    "not_found": (404, NOT_FOUND),
    "not_acceptable": (406, "Could not satisfy the request Accept header."),
    "already_finished": (409, "This prediction has already finished."),
    "not_finished": (409, "This prediction has not finished yet."),
    "photo_missing": (409, "The photo of this prediction is not kept."),
    "model_changed": (409, "Another network answers now, which cannot explain this answer."),
    "not_explained": (409, "This face could not be drawn; see the site's log."),
    "account_deleted": (409, "This account is deleted."),
    "idempotency_key_in_use": (
        409,
        "The first request with this Idempotency-Key is not answered yet.",
    ),
    "file_too_large": (413, explain("file_too_large")),
    "request_too_large": (413, "The request is too large."),
    "unsupported_format": (415, explain("unsupported_format")),
    "unsupported_media_type": (415, 'Unsupported media type "text/xml" in request.'),
    "empty_file": (422, explain("empty_file")),
    "unreadable_image": (422, explain("unreadable_image")),
    "too_small": (422, explain("too_small")),
    "too_many_pixels": (422, explain("too_many_pixels")),
    "too_complex": (422, explain("too_complex")),
    "timed_out": (422, explain("timed_out")),
    "idempotency_key_reused": (422, "This Idempotency-Key came with another request before."),
    "quota_exceeded": (429, "Your queue is full: 5000 of 5000 photos are waiting. Try again soon."),
    "throttled": (429, "Request was throttled. Expected available in 12 seconds."),
    "queue_full": (503, str(QueueFull.detail)),
    "storage_unavailable": (503, str(StorageUnavailable.detail)),
    "decoder_unavailable": (503, str(PicturesUnavailable.detail)),
    "too_many_exports": (503, "Others are taking their files at the moment."),
    "database_unavailable": (503, str(DatabaseUnavailable.detail)),
    "model_unavailable": (503, "The network is not available at the moment."),
    "maintenance": (503, "The site is closed for maintenance and will be back soon."),
}
"""Every code that a call may answer with, its status and an example of its sentence."""

CREDENTIALS = ("not_authenticated", "authentication_failed")
WRITING = (*CREDENTIALS, "insufficient_scope", "permission_denied", "incomplete_request")
ONE_FILE = (
    "unsupported_format",
    "empty_file",
    "unreadable_image",
    "too_small",
    "too_many_pixels",
    "too_complex",
    "timed_out",
    "decoder_unavailable",
)
ANY_CALL = (
    *("not_acceptable", "throttled"),
    *("maintenance", "storage_unavailable", "database_unavailable"),
)
KEY = ("idempotency_key_in_use", "idempotency_key_reused")


def record(description: str, value: dict) -> OpenApiResponse:
    """Describe an answer that is one prediction."""
    return example(PredictionSerializer, value["status"], value, description)


def problems(*codes: str) -> dict:
    """Describe the errors of a call by their codes; some of them may befall every call."""
    by_status = defaultdict(list)
    for code in (*codes, *ANY_CALL):
        status, detail = ERRORS[code]
        by_status[status].append(OpenApiExample(code, _problem(status, code, detail)))
    return {
        (status, MEDIA_TYPE): OpenApiResponse(
            ProblemSerializer, description=HTTPStatus(status).phrase, examples=examples
        )
        for status, examples in sorted(by_status.items())
    }


def _problem(status: int, code: str, detail: str) -> dict:
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": "4e1fb1d2a9c14a0f8f2c0f4d6a1b7c55",
    }
    if code == "invalid_input":
        field, sentence = detail.split(": ")
        problem["errors"] = {field: [{"code": "max_value", "detail": sentence}]}
    if code == "quota_exceeded":
        problem["quota"] = {"name": "waiting", "used": 5000, "limit": 5000}
    return problem


def example(serializer, name: str, value: object, description: str = "") -> OpenApiResponse:
    """Describe an answer by its serializer and an example."""
    return OpenApiResponse(
        serializer, description=description, examples=[OpenApiExample(name, value)]
    )


def _response_header(name: str, type: type, description: str, *statuses: int) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        type,
        OpenApiParameter.HEADER,
        description=description,
        response=[str(status) for status in statuses],
    )


PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`wait=N`: answer when the analysis has finished, or after N (0 to 30) seconds.",
    examples=[OpenApiExample("wait", "wait=10")],
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    pattern=r"^[!-~]{1,255}$",
    description="A text of your choice, such as a UUID. The same request with the same key gets "
    "the same answer for a day, and does nothing again.",
    examples=[OpenApiExample("UUID", "5d0a9b0e-6f0e-4b3e-9a53-6c8b1d0c7f42")],
)
IDEMPOTENCY_REPLAYED = _response_header(
    "Idempotency-Replayed", str, "`true` where the answer is one from before.", 200, 201, 202, 207
)
FACE = OpenApiParameter(
    "face",
    {"type": "integer", "minimum": 0, "maximum": 32_767, "default": 0},
    description="Index of the face, largest first.",
)
PREFERENCE_APPLIED = _response_header(
    "Preference-Applied", str, "The `wait` that was granted.", 200, 201, 202, 207
)
LOCATION = _response_header("Location", str, "Where the record is.", 200, 201, 202)
RETRY_AFTER = _response_header(
    "Retry-After", int, "Seconds after which to ask again.", 202, 429, 503
)
ETAG = _response_header("ETag", str, "Send it back as `If-None-Match`.", 200, 304)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="An `ETag` that you know."
)
NOT_MODIFIED = OpenApiResponse(description="Nothing has changed since the `ETag` that you sent.")
