"""The history: everything a user has analysed, newest first."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from predictions.models import UNFINISHED, Prediction, PredictionQuerySet, Status
from predictions.pages.forms import HistoryFilter

PER_PAGE = 24


def _filtered(history: PredictionQuerySet, emotion: str, status: str) -> PredictionQuerySet:
    if emotion == "none":
        history = history.filter(status=Status.SUCCEEDED, label="")
    elif emotion:
        history = history.filter(label=emotion)
    if status == "unfinished":
        history = history.filter(status__in=UNFINISHED)
    elif status:
        history = history.filter(status=status)
    return history


@require_safe
@login_required
def history(request: HttpRequest) -> HttpResponse:
    form = HistoryFilter(request.GET)
    form.is_valid()
    chosen = {name: form.cleaned_data.get(name, "") for name in form.fields}
    predictions = _filtered(Prediction.objects.for_user(request.user), **chosen)
    # An invalid or too large number shows the first or the last page instead of an error.
    page = Paginator(predictions, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "predictions/history.html",
        {"page": page, "form": form, "is_filtered": any(chosen.values())},
    )
