"""What is done with several photos of the history at once, and undoing that they were deleted."""

from collections import Counter
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from predictions import removal, services
from predictions.api import reports
from predictions.models import Prediction, PredictionQuerySet
from predictions.pages.access import action, came_from
from predictions.pages.history import LARGEST_PAGE


@action
def selection(request: HttpRequest) -> HttpResponseBase:
    """Do ``action`` (delete, rerun or export) with the user's own photos among ``ids``."""
    act = {"delete": _delete, "rerun": _rerun, "export": _export}.get(request.POST.get("action"))
    if act is None:
        raise Http404
    ids = _ids(request)
    chosen = Prediction.objects.for_user(request.user).filter(pk__in=ids[: LARGEST_PAGE + 1])
    if not ids:
        messages.error(request, _("Select at least one photo first."))
    elif len(ids) > LARGEST_PAGE:
        text = _("At most %(most)d photos can be selected at once, and these are %(count)d.")
        messages.error(request, text % {"most": LARGEST_PAGE, "count": len(ids)})
    elif not chosen.exists():
        messages.error(request, _("The selected photos are not here any more."))
    else:
        return act(request, chosen)
    return redirect(_history(request))


@action
def restore(request: HttpRequest) -> HttpResponse:
    """Bring the user's own photos among ``ids`` back, where they were removed just now."""
    ids = _ids(request)[:LARGEST_PAGE]
    restored = removal.restore(request.user, ids)
    if restored:
        text = ngettext("%(count)d photo is back.", "%(count)d photos are back.", restored)
        messages.success(request, text % {"count": restored})
    # Whoever presses the button twice has not come too late.
    if lost := len(ids) - Prediction.objects.for_user(request.user).filter(pk__in=ids).count():
        text = ngettext(
            "It is too late for %(count)d photo: it is deleted for good.",
            "It is too late for %(count)d photos: they are deleted for good.",
            lost,
        )
        messages.error(request, text % {"count": lost})
    return redirect(_history(request))


def _ids(request: HttpRequest) -> list[UUID]:
    """Return each id once; what is none is nobody's."""
    ids = {}
    for text in request.POST.getlist("ids"):
        try:
            ids[UUID(text)] = True
        except ValueError:
            continue
    return list(ids)


def _history(request: HttpRequest) -> str:
    """Return the address of the history that the user comes from, with its filters."""
    home = reverse("prediction-list")
    page = came_from(request)
    if page is None or page.path != home:
        return home
    query = QueryDict(page.query, mutable=True)
    query.pop("select", None)
    return f"{home}?{query.urlencode()}" if query else home


def _delete(request: HttpRequest, chosen: PredictionQuerySet) -> HttpResponse:
    removal.remove(chosen)
    return redirect(_history(request))


def _rerun(request: HttpRequest, chosen: PredictionQuerySet) -> HttpResponse:
    queued, refused = 0, Counter()
    for prediction in chosen:
        try:
            services.rerun(prediction)
        except services.REFUSALS as error:
            refused[f"{error.detail} ({error.code})"] += 1
        else:
            queued += 1
    if queued:
        text = ngettext(
            "%(count)d photo is analysed again.", "%(count)d photos are analysed again.", queued
        )
        messages.success(request, text % {"count": queued})
    for reason, count in refused.items():
        text = ngettext(
            "%(count)d photo stays as it is: %(reason)s",
            "%(count)d photos stay as they are: %(reason)s",
            count,
        )
        messages.error(request, text % {"count": count, "reason": reason})
    return redirect(_history(request))


def _export(request: HttpRequest, chosen: PredictionQuerySet) -> HttpResponseBase:
    kind = request.POST.get("as")
    if kind not in reports.MEDIA_TYPES:
        raise Http404
    try:
        return reports.attachment(chosen, kind, {"request": request})
    except reports.REFUSALS as error:
        messages.error(request, f"{error.detail} ({error.code})")
    return redirect(_history(request))
