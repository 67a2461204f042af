"""One prediction: its page, its progress, and what its owner can do with it."""

from datetime import timedelta
from functools import partial

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from mlcore.errors import MLCoreError
from mlcore.labels import EMOJI
from mlcore.model_info import read_model_info
from predictions import removal, services
from predictions.models import Prediction, Status
from predictions.pages.access import action, fragment
from predictions.pages.earlier import changes
from predictions.pages.explaining import Look, look_at
from predictions.pages.forms import CorrectionForm, whole_number
from predictions.pages.measured import by_class, figures
from predictions.pages.places import set_places
from predictions.pages.stepping import last_seen, neighbours
from predictions.pages.wording import other_network, track_record

STOP_POLLING = 286
"""The status that tells htmx that there is nothing to wait for any more."""


def owned(request: HttpRequest, pk) -> Prediction:
    """Return the user's own prediction; anybody else's is as good as not there."""
    return get_object_or_404(Prediction.objects.for_user(request.user), pk=pk)


def poll_milliseconds(prediction: Prediction) -> int:
    """Return how long a page waits between two looks: a warm worker needs a fraction of a second,
    and who has waited for long is not helped by haste."""
    waited = timezone.now() - (prediction.queued_at)
    if waited < timedelta(seconds=3):
        return 150
    return 400 if waited < timedelta(seconds=20) else 2000


def faces_context(prediction: Prediction, number: str | None) -> dict:
    """Return what the template of a result needs; ``number`` is the chosen face, from 1 on."""
    faces = list(prediction.faces.all())
    chosen = int(number) - 1 if number and number.isascii() and number.isdigit() else 0
    face = faces[chosen] if 0 <= chosen < len(faces) else faces[0] if faces else None
    record, precisions, explainable = "", [], False
    if face is not None:
        try:
            model = read_model_info(settings.MODEL_PATH)
        except MLCoreError:
            model = None
        # Numbers of another network say nothing about this answer.
        if model is not None and model.sha256 != prediction.model_sha256:
            record = other_network(prediction) if prediction.owner_id else ""
        elif model is not None:
            record = track_record(model.metrics, face.label, face.confidence)
            shares = by_class(figures(model, {}))
            precisions = [(label, EMOJI[label], share) for label, _recall, share in shares]
            explainable = bool(prediction.photo.display)
    return {
        "prediction": prediction,
        "faces": faces,
        "face": face,
        # One unit of the drawing is about one pixel on a wide screen.
        "unit": max(prediction.photo.width, prediction.photo.height) / 800,
        "track_record": record,
        "precisions": precisions,
        "explainable": explainable,
    }


def _own_context(request: HttpRequest, prediction: Prediction, number: str | None) -> dict:
    """Return what the page of a user's own result needs, with other networks' answers and its
    neighbours in the history."""
    context = faces_context(prediction, number)
    set_places([prediction])
    context["steps"] = neighbours(request, prediction)
    context["earlier"] = changes(prediction, context["faces"], context["face"])
    context["poll_milliseconds"] = poll_milliseconds(prediction)
    return context


@require_safe
@login_required
def detail(request: HttpRequest, pk) -> HttpResponse:
    prediction = owned(request, pk)
    _prioritise(request, prediction)
    context = _own_context(request, prediction, request.GET.get("face"))
    if "look" in request.GET:
        context["look"] = _look(request, context)
    return render(request, "predictions/detail.html", context)


def _look(request: HttpRequest, context: dict) -> Look | None:
    is_answered = context["prediction"].status == Status.SUCCEEDED and context["face"]
    return look_at(request, context["face"]) if is_answered else None


def _prioritise(request: HttpRequest, prediction: Prediction) -> None:
    """Let a photo go before its owner's other ones, now that somebody watches it."""
    if prediction.status == Status.QUEUED and not prediction.is_urgent and request.method == "GET":
        services.prioritise(prediction)


@fragment
def progress(request: HttpRequest, pk) -> HttpResponse:
    """Answer a waiting page: nothing new (204), another place in the queue, another state, or the
    whole result.
    """
    prediction = Prediction.objects.for_user(request.user).filter(pk=pk).first()
    if prediction is None:
        return render(request, "predictions/_gone.html", status=404)
    wait = poll_milliseconds(prediction)
    seen = request.GET.get("seen", "")
    _prioritise(request, prediction)
    if seen == f"{prediction.status}-{wait}":
        return _place(request, prediction)
    context = _own_context(request, prediction, None) | {"poll_milliseconds": wait}
    status = STOP_POLLING if prediction.is_finished else 200
    context["announce"] = not seen.startswith(prediction.status)
    return render(request, "predictions/_result.html", context, status=status)


def _place(request: HttpRequest, prediction: Prediction) -> HttpResponse:
    """Answer with the photo's place in the queue where the page shows another one, or 204.

    A screen reader hears of it seldom: whenever half of those that were before it are done.
    """
    set_places([prediction])
    place = prediction.place
    if place is None or request.GET.get("place", place.token) == place.token:
        return HttpResponse(status=204)
    heard = whole_number(request.GET.get("heard", ""))
    is_news = place.position < heard and 2 * place.position <= heard
    context = {"prediction": prediction, "announce": is_news}
    context["heard"] = place.position if is_news else max(heard, place.position)
    response = render(request, "predictions/_place.html", context)
    response["HX-Retarget"] = "#place"
    response["HX-Reswap"] = "outerHTML"
    return response


@fragment
def explanation(request: HttpRequest, pk, number: int) -> HttpResponse:
    """Answer a page that wants to show where the network looked on a face, ``number`` from 1 on:
    still being drawn (204), the picture, or what stands against it. A page whose answer is gone
    loads itself again.
    """
    prediction = Prediction.objects.for_user(request.user).filter(pk=pk).first()
    if prediction is None or not prediction.faces.filter(index=number - 1).exists():
        return HttpResponse(status=404, headers={"HX-Refresh": "true"})
    context = _own_context(request, prediction, str(number))
    look = _look(request, context)
    if look is None:
        return HttpResponse(status=STOP_POLLING, headers={"HX-Refresh": "true"})
    if look.state == "drawing" and "waits" in request.GET:
        return HttpResponse(status=204)
    context |= {"look": look, "announce_look": True}
    return render(request, "predictions/_result.html", context, status=STOP_POLLING)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete(request: HttpRequest, pk) -> HttpResponse:
    """Ask first; then the photo and its result are gone, for good once it cannot be undone."""
    prediction = owned(request, pk)
    if request.method != "POST":
        return render(request, "predictions/delete.html", {"prediction": prediction})
    removal.remove(Prediction.objects.for_user(request.user).filter(pk=pk))
    return redirect(last_seen(request))


@action
def rerun(request: HttpRequest, pk) -> HttpResponse:
    return _act(request, pk, partial(services.rerun, urgent=True))


@action
def cancel(request: HttpRequest, pk) -> HttpResponse:
    return _act(request, pk, services.cancel)


def _act(request: HttpRequest, pk, action) -> HttpResponse:
    prediction = owned(request, pk)
    try:
        action(prediction)
    except services.REFUSALS as error:
        messages.error(request, f"{error.detail} ({error.code})")
    return redirect(prediction)


@action
def correct(request: HttpRequest, pk, number: int) -> HttpResponse:
    """Keep what the owner would call a face; ``number`` counts from 1 as on the page."""
    prediction = owned(request, pk)
    face = get_object_or_404(prediction.faces, index=number - 1)
    form = CorrectionForm(request.POST)
    if not form.is_valid():
        raise Http404
    try:
        services.correct(face, form.cleaned_data["label"])
    except services.NotAllowed as error:
        messages.error(request, f"{error.detail} ({error.code})")
    else:
        messages.success(request, _("Your own word for this face is kept beside the answer."))
    return redirect(f"{prediction.get_absolute_url()}?face={number}")
