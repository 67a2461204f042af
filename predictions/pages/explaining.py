"""Where the network looked on a face, as a page shows it: drawn, still being drawn, or refused."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from mlcore.errors import MLCoreError
from mlcore.frame import explained_square
from predictions import explanations
from predictions.api.throttling import DrawingThrottle
from predictions.models import Face
from predictions.services import NotAllowed

DRAWN = _("Here is where the network looked.")
DRAWING = _("Drawing where the network looked …")

REFUSED = {
    "photo_missing": _("The photo is not kept, so there is nothing left to draw on."),
    "model_changed": _(
        "Another network is installed now, and it cannot explain this answer. Analyse the photo "
        "again to see where that one looks."
    ),
    "not_explained": _("This face could not be drawn."),
    "throttled": _("Those were many drawings within a minute. Try again in a moment."),
}
NO_NETWORK = _("The network is not available at the moment. Try again later.")


@dataclass(frozen=True)
class Look:
    """``state`` is drawn, drawing or refused, ``square`` the part of the photo that is drawn."""

    state: str
    sentence: str
    square: tuple[float, float, float]
    code: str = ""

    @property
    def may_be_repeated(self) -> bool:
        return self.state == "refused" and self.code not in ("photo_missing", "model_changed")


def look_at(request: HttpRequest, face: Face) -> Look:
    """Return the picture's state; a picture that nobody has asked for is asked for.

    ``again`` in the address tries once more what has failed. Nobody is made to wait here.
    """
    photo = face.prediction.photo
    square = explained_square(face, photo.width, photo.height)
    if "again" in request.GET:
        explanations.forget_failure(face)
    if not explanations.is_under_way(face) and not _may_ask(request):
        return Look("refused", str(REFUSED["throttled"]), square, "throttled")
    try:
        is_drawn = explanations.picture(face, seconds=0) is not None
    except (NotAllowed, MLCoreError) as error:
        return Look("refused", str(REFUSED.get(error.code, NO_NETWORK)), square, error.code)
    return Look("drawn", str(DRAWN), square) if is_drawn else Look("drawing", str(DRAWING), square)


def _may_ask(request: HttpRequest) -> bool:
    """Pages and API share one limit: each drawing takes a worker a second or two."""
    asked = Request(request)
    asked.user = request.user
    return DrawingThrottle().allow_request(asked, None)
