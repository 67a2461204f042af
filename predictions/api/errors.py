"""Every error as RFC 9457 ``application/problem+json``, with a stable ``code``."""

from http import HTTPStatus

import structlog
from django.core.exceptions import (
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.views import set_rollback

from mlcore.errors import MLCoreError
from predictions.api.throttling import AddressThrottle
from predictions.bodies import IncompleteRequest
from predictions.limits import read_to_the_end
from predictions.services import NotAllowed, QueueFull, QuotaExceeded
from predictions.unavailable import unavailable
from predictions.uploads import UploadError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 30
"""Seconds, where nothing better is known."""

UPLOAD_STATUS = {"file_too_large": 413, "unsupported_format": 415}
"""What is answered to a refused file; every other code of ``UploadError`` is a 422."""

NOT_FOUND = "Nothing is here, or it belongs to somebody else."


def problem_handler(exc: Exception, context: dict) -> HttpResponse:
    """Turn an exception of a view into a problem document; what nobody foresaw is a 500.

    The answer is a finished response, so that it is JSON whatever the view would have rendered.
    """
    request = context["request"]._request
    if isinstance(exc, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        exc = _count_refusal(exc, context)
    problem, headers = describe(exc, request)
    set_rollback()
    if problem["code"] in ("internal_error", "database_unavailable", "storage_unavailable"):
        log.error("request failed", exc_info=exc, path=request.path)
    read_to_the_end(request)
    return JsonResponse(problem, status=problem["status"], content_type=MEDIA_TYPE, headers=headers)


def _count_refusal(exc: Exception, context: dict) -> Exception:
    """Count who is refused for credentials, which views do not; return what is to be answered."""
    throttle = AddressThrottle()
    if throttle.allow_request(context["request"], context["view"]):
        return exc
    return exceptions.Throttled(throttle.wait())


def describe(exc: Exception, request: HttpRequest) -> tuple[dict, dict]:
    """Return an exception as a problem and its headers."""
    status, code, detail, members, headers = _describe(exc)
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request.id,
        **members,
    }
    return problem, headers


def _describe(exc: Exception) -> tuple[int, str, str, dict, dict]:
    """Return status, code, detail, further members and headers."""
    if found := unavailable(exc):
        return 503, found.code, str(found.detail), {}, {"Retry-After": str(found.retry_after)}
    match exc:
        case UploadError():
            return UPLOAD_STATUS.get(exc.code, 422), exc.code, exc.detail, {}, {}
        case NotAllowed():
            return 409, exc.code, exc.detail, {}, {}
        case QuotaExceeded():
            quota = {"name": exc.quota, "used": exc.used, "limit": exc.limit}
            headers = {"Retry-After": str(exc.retry_after)} if exc.retry_after else {}
            status = 429 if exc.retry_after else 403
            return status, exc.code, exc.detail, {"quota": quota}, headers
        case QueueFull():
            return 503, exc.code, str(exc.detail), {}, {"Retry-After": str(exc.retry_after)}
        case MLCoreError():
            detail = "The network is not available at the moment."
            return 503, "model_unavailable", detail, {}, {"Retry-After": str(RETRY_AFTER)}
        case RequestDataTooBig():
            return 413, "request_too_large", "The request is too large.", {}, {}
        case SuspiciousOperation():
            return 400, "bad_request", "The request cannot be read.", {}, {}
        case UnreadablePostError():
            return 400, IncompleteRequest.code, str(IncompleteRequest.detail), {}, {}
        case Http404() | ObjectDoesNotExist():
            return 404, "not_found", NOT_FOUND, {}, {}
        case PermissionDenied():
            return 403, "permission_denied", "You may not do this.", {}, {}
        case exceptions.ValidationError():
            errors = _field_errors(exc.get_full_details())
            field, [first, *_] = next(iter(errors.items()))
            return 400, "invalid_input", f"{field}: {first['detail']}", {"errors": errors}, {}
        case exceptions.APIException():
            headers = {}
            if header := getattr(exc, "auth_header", None):
                headers["WWW-Authenticate"] = header
            if exc.status_code in (429, 503):
                headers["Retry-After"] = str(getattr(exc, "wait", None) or RETRY_AFTER)
            return exc.status_code, exc.get_codes(), str(exc.detail), {}, headers
    return 500, "internal_error", "Something went wrong on our side.", {}, {}


def _field_errors(details: dict | list) -> dict[str, list[dict[str, str]]]:
    """Return for every field its errors, each with ``code`` and ``detail``."""
    if isinstance(details, list):
        details = {"request": details}
    return {
        field: [{"code": error["code"], "detail": str(error["message"])} for error in errors]
        for field, errors in details.items()
    }
