"""Stored pictures, streamed: a user's own, and those of the gallery for everybody.

Only the clean copies are ever served; an upload that nobody has decoded yet is not.
"""

from pathlib import PurePath

from django.db.models.fields.files import FieldFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from predictions.files import open_file
from predictions.models import DemoImage, Prediction

DEMO_CACHE = "public, max-age=60"
"""A picture that is withdrawn is gone from caches in a minute."""

KINDS = {"image": "display", "thumbnail": "thumbnail"}


def picture_response(content: bytes, cache_control: str) -> HttpResponse:
    """Send a JPEG that is no file."""
    response = HttpResponse(content, content_type="image/jpeg")
    response["Cache-Control"] = cache_control
    response["X-Content-Type-Options"] = "nosniff"
    return response


def stream(file: FieldFile | None, name: str, cache_control: str) -> HttpResponse:
    """Send one stored JPEG; raises Http404 where there is none, and StorageUnavailable."""
    try:
        opened = open_file(file)
    except FileNotFoundError as error:
        raise Http404 from error
    response = FileResponse(
        opened, content_type="image/jpeg", filename=f"{PurePath(name).stem}.jpg"
    )
    response["Cache-Control"] = cache_control
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
def own_picture(request: HttpRequest, pk, kind: str) -> HttpResponse:
    """Stream the display copy or the thumbnail to its owner; everybody else finds nothing."""
    photo = get_object_or_404(Prediction.objects.for_user(request.user), pk=pk).photo
    return stream(getattr(photo, KINDS[kind]), photo.name, "private, no-cache")


@require_safe
def own_explanation(request: HttpRequest, pk, number: int) -> HttpResponse:
    """Send where the network looked on a face, once it is drawn; ``number`` counts from 1."""
    prediction = get_object_or_404(Prediction.objects.for_user(request.user), pk=pk)
    drawn = get_object_or_404(prediction.explanations, index=number - 1)
    return picture_response(bytes(drawn.picture), "private, no-cache")


@require_safe
def demo_picture(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    """Stream a published picture of the gallery to anybody."""
    photo = get_object_or_404(DemoImage.objects.published(), slug=slug).prediction.photo
    etag = f'"{photo.pk.hex}"'  # Another picture is another photo.
    response = get_conditional_response(request, etag)
    if response is None:
        response = stream(getattr(photo, KINDS[kind]), slug, DEMO_CACHE)
    response["Cache-Control"], response["ETag"] = DEMO_CACHE, etag
    return response
