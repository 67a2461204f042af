"""Cards that wait for their answers: one request asks for all of a page."""

from contextlib import suppress
from itertools import islice
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from predictions.models import UNFINISHED, Prediction
from predictions.pages.access import fragment
from predictions.pages.history import LARGEST_PAGE
from predictions.pages.places import set_places


@fragment
def cards(request: HttpRequest) -> HttpResponse:
    """Answer with the cards that are not as the page shows them any more, or with nothing (204).

    The query names each photo by its id under the status that its card shows; a dot and the token
    of its place in the queue may follow. Of what is not there, or is not the user's, the card goes.
    """
    seen = _seen(request)
    found = Prediction.objects.for_user(request.user).in_bulk(seen)
    set_places(found.values())
    changed, moved = [], []
    for pk, prediction in found.items():
        status, token = seen[pk]
        if prediction.status != status:
            changed.append(prediction)
        elif prediction.place and token and token != prediction.place.token:
            moved.append(prediction)
    gone = [pk for pk in seen if pk not in found]
    if not changed and not moved and not gone:
        return HttpResponse(status=204)
    finished = [prediction for prediction in changed if prediction.is_finished]
    context = {"changed": changed, "moved": moved, "gone": gone, "finished": finished}
    return render(request, "predictions/_cards.html", context)


def _seen(request: HttpRequest) -> dict[UUID, tuple[str, str]]:
    """Return status and token of the place that the page shows of each photo, of no more than one
    page can have."""
    seen = {}
    for status in UNFINISHED:
        for text in request.GET.getlist(status):
            pk, _dot, token = text.partition(".")
            with suppress(ValueError):  # What is no id is nobody's.
                seen[UUID(pk)] = (status.value, token)
    return dict(islice(seen.items(), LARGEST_PAGE))
