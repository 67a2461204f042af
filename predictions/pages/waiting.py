"""Cards that wait for their answers: one request asks for all of a page."""

from contextlib import suppress
from itertools import islice
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from predictions.models import UNFINISHED, Prediction
from predictions.pages.access import fragment
from predictions.pages.history import LARGEST_PAGE


@fragment
def cards(request: HttpRequest) -> HttpResponse:
    """Answer with the cards that are not as the page shows them any more, or with nothing (204).

    The query names each photo by its id under the status that its card shows. Of what is not
    there, or is not the user's, the card goes.
    """
    seen = _seen(request)
    found = Prediction.objects.for_user(request.user).in_bulk(seen)
    changed = [prediction for pk, prediction in found.items() if prediction.status != seen[pk]]
    gone = [pk for pk in seen if pk not in found]
    if not changed and not gone:
        return HttpResponse(status=204)
    finished = [prediction for prediction in changed if prediction.is_finished]
    context = {"changed": changed, "gone": gone, "finished": finished}
    return render(request, "predictions/_cards.html", context)


def _seen(request: HttpRequest) -> dict[UUID, str]:
    """Return the status that the page shows of each photo, of no more than one page can have."""
    seen = {}
    for status in UNFINISHED:
        for text in request.GET.getlist(status):
            with suppress(ValueError):  # What is no id is nobody's.
                seen[UUID(text)] = status.value
    return dict(islice(seen.items(), LARGEST_PAGE))
