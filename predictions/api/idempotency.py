"""``Idempotency-Key``: the same request, sent again, gets the same answer and does nothing."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from django.core.files.uploadedfile import UploadedFile
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from predictions.models import IdempotencyKey, Prediction
from predictions.removal import ANSWERS_KEPT

LOST_AFTER = timedelta(seconds=90)
"""A request that has not been answered for so long has lost its process."""

REPEATED = ("Location", "Retry-After", "Preference-Applied")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(APIException):
    status_code = 422
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key came with another request before."


class StillAnswering(APIException):
    status_code = 409
    default_code = "idempotency_key_in_use"
    default_detail = "The first request with this Idempotency-Key is not answered yet."


def idempotent(view: Callable[..., Response]) -> Callable[..., Response]:
    """Let a view's method keep its answer for a day where the request has an Idempotency-Key.

    The answer names in ``predictions`` which records it speaks of, and goes when one of them does;
    None says that it is not to be repeated.
    Errors are not kept: the next request with the key is tried anew. The view finds the key's row
    as ``request.idempotency_key``, to which it ties what it makes, so that a request whose process
    was lost makes nothing a second time.
    """

    @wraps(view)
    def answer(self, request: Request, *args, **kwargs) -> Response:
        request.idempotency_key = None
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(self, request, *args, **kwargs)
        if not _KEY.fullmatch(key):
            raise ValidationError(
                {"Idempotency-Key": ["Use 1 to 255 visible ASCII characters without spaces."]}
            )
        row, is_first = _claim(request, key, _fingerprint(request))
        if not is_first:
            return Response(
                row.body, row.status, headers={**row.headers, "Idempotency-Replayed": "true"}
            )
        request.idempotency_key = row
        try:
            response = view(self, request, *args, **kwargs)
            _keep(row, response)
        except BaseException:
            IdempotencyKey.objects.filter(pk=row.pk, status=None).delete()
            raise
        return response

    return answer


def _claim(request: Request, key: str, fingerprint: str) -> tuple[IdempotencyKey, bool]:
    """Return the row of this key, and whether this request is the one to be worked on."""
    keys = IdempotencyKey.objects.filter(owner=request.user, key=key)
    now = timezone.now()
    # An answer that is too old, or speaks of what its owner has deleted on a page, is none.
    keys.filter(
        Q(created_at__lt=now - ANSWERS_KEPT) | Q(predictions__removed_at__isnull=False)
    ).delete()
    try:
        with transaction.atomic():
            row = IdempotencyKey.objects.create(
                owner=request.user, key=key, fingerprint=fingerprint
            )
            return row, True
    except IntegrityError:
        row = keys.first()
    if row is not None and row.fingerprint != fingerprint:
        raise KeyReused
    if row is not None and row.status is not None:
        return row, False
    lost = keys.filter(status=None, created_at__lt=now - LOST_AFTER)
    if row is None or not lost.update(created_at=now):
        raise StillAnswering
    return row, True


def _keep(row: IdempotencyKey, response: Response) -> None:
    """Keep the answer, unless it is none to repeat: a record of it is gone, or may come yet."""
    named = {prediction.pk for prediction in response.predictions or ()}
    with transaction.atomic():
        # Whoever deletes one of these now waits, and takes the answer along.
        alive = Prediction.objects.select_for_update().filter(pk__in=named, removed_at=None)
        alive = set(alive.values_list("pk", flat=True))
        key = IdempotencyKey.objects.filter(pk=row.pk)
        if response.predictions is None or alive != named:
            key.delete()
        elif key.update(
            status=response.status_code,
            headers={name: response[name] for name in REPEATED if name in response},
            body=json.loads(json.dumps(response.data, cls=DjangoJSONEncoder)),
        ):
            row.predictions.set(alive)


def _fingerprint(request: Request) -> str:
    """Return a digest of method, address, fields and files; the form's boundary plays no part."""
    digest = hashlib.sha256(f"{request.method} {request.path}".encode())
    for values in (request.query_params, request.data):
        # A request without a body has an ordinary, empty dict.
        for name, items in sorted(values.lists()) if values else ():
            for item in items:
                digest.update(f"\n{name!r}: ".encode(errors="backslashreplace"))
                if isinstance(item, UploadedFile):
                    digest.update(f"{item.name!r} {item.size} ".encode(errors="backslashreplace"))
                    for chunk in item.chunks():
                        digest.update(chunk)
                    item.seek(0)
                else:
                    digest.update(repr(item).encode(errors="backslashreplace"))
    return digest.hexdigest()
