"""A photo with its faces marked, to be saved."""

import io
from pathlib import PurePath

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from PIL import Image

from mlcore.drawing import Mark, annotate
from predictions.files import open_file
from predictions.models import Face, Prediction, Status
from predictions.pages.wording import EMOTIONS, percent
from predictions.renditions import jpeg


@require_safe
def annotated_photo(request: HttpRequest, pk) -> HttpResponse:
    """Send the owner the photo with box, number and word of each face; where there is none of
    them, or no photo, there is nothing to send."""
    mine = Prediction.objects.for_user(request.user)
    prediction = get_object_or_404(mine, pk=pk, status=Status.SUCCEEDED)
    photo, faces = prediction.photo, list(prediction.faces.all())
    if not faces or not photo.display:
        raise Http404
    try:
        with open_file(photo.display) as file, Image.open(file, formats=["JPEG"]) as opened:
            picture = opened.convert("RGB")
    except FileNotFoundError as error:
        raise Http404 from error
    marks = [_mark(face, numbered=len(faces) > 1) for face in faces]
    picture = annotate(picture, marks, photo.width)
    response = FileResponse(
        io.BytesIO(jpeg(picture, max(picture.size), 90)),
        as_attachment=True,
        filename=f"{PurePath(photo.name).stem[:100]}-annotated.jpg",
        content_type="image/jpeg",
    )
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _mark(face: Face, numbered: bool) -> Mark:
    word = EMOTIONS[face.label]
    words = [_("perhaps %s") % word if face.unsure else str(word), percent(face.confidence)]
    if numbered:
        words.insert(0, str(face.index + 1))
    return Mark(face.x, face.y, face.width, face.height, " ".join(words))
