"""The front page: what the site is, or, once logged in, the upload."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files import File
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from predictions import limits, uploads
from predictions.models import DemoImage, Prediction
from predictions.pages.access import action
from predictions.pages.forms import NoticeForm
from predictions.pages.intake import Outcome, take
from predictions.pages.places import set_places
from predictions.pages.results import faces_context

RECENT = 6


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """Show the front page; a visitor who sends photos is asked to log in."""
    if request.method == "POST":
        return _upload(request)
    if request.user.is_authenticated:
        return _upload_page(request)
    return _front_page(request)


def _front_page(request: HttpRequest) -> HttpResponse:
    gallery = list(DemoImage.objects.published())
    hero = next((demo for demo in gallery if demo.prediction.label), None)
    context = {"gallery": gallery, "hero": hero}
    if hero is not None:
        context |= faces_context(hero.prediction, None)
    return render(request, "home.html", context)


def _upload_page(
    request: HttpRequest,
    *,
    outcomes: list[Outcome] | None = None,
    notice: NoticeForm | None = None,
    status: int = 200,
) -> HttpResponse:
    recent = list(Prediction.objects.for_user(request.user)[:RECENT])
    set_places(recent)
    response = render(
        request,
        "predictions/upload.html",
        {
            "accept": uploads.ACCEPT,
            "formats": uploads.FORMAT_NAMES,
            "megabytes": settings.MAX_UPLOAD_MB,
            "largest": settings.MAX_UPLOAD_MB * limits.MEGABYTE,
            "at_once": limits.AT_ONCE,
            "demo_images": DemoImage.objects.published(),
            "notice": None if request.user.has_accepted_notice else notice or NoticeForm(),
            "recent": recent,
            "refused": [outcome for outcome in outcomes or [] if outcome.code],
            "taken": [outcome for outcome in outcomes or [] if not outcome.code],
        },
        status=status,
    )
    delays = [outcome.retry_after for outcome in outcomes or [] if outcome.retry_after]
    if status >= 400 and delays:
        response["Retry-After"] = str(max(delays))
    return response


def _agreed(request: HttpRequest) -> NoticeForm | None:
    """Record an agreement that came with the photos; return the form where it is missing."""
    if request.user.has_accepted_notice:
        return None
    form = NoticeForm(request.POST)
    if not form.is_valid():
        return form
    request.user.accept_notice()
    return None


def _keeps_photo(request: HttpRequest) -> bool:
    return "discard_photo" not in request.POST


def _no_file() -> Outcome:
    return Outcome("", code="no_file", detail=_("Choose at least one photo first."))


def _too_many(file: File) -> Outcome:
    detail = _("Up to %(count)d photos go at once. Please send this one again.")
    detail %= {"count": limits.AT_ONCE}
    return Outcome(uploads.clean_name(file.name or ""), code="too_many_files", detail=detail)


@login_required
def _upload(request: HttpRequest) -> HttpResponse:
    """Take the photos of a plain form: on to the result of one, to the history of several."""
    notice = _agreed(request)
    if notice is not None:
        return _upload_page(request, notice=notice, status=422)
    files = request.FILES.getlist("photos")
    keep = _keeps_photo(request)
    outcomes = [
        take(request.user, file, keep_photo=keep, urgent=len(files) == 1)
        for file in files[: limits.AT_ONCE]
    ]
    outcomes += map(_too_many, files[limits.AT_ONCE :])
    outcomes = outcomes or [_no_file()]
    refused = [outcome for outcome in outcomes if outcome.code]
    if len(outcomes) > 1:
        _say_which_are_known(request, outcomes)
    if refused:
        return _upload_page(
            request,
            outcomes=outcomes,
            status=200 if len(refused) < len(outcomes) else refused[0].http_status,
        )
    if len(outcomes) == 1:
        return to_result(request, outcomes[0])
    return redirect("prediction-list")


def refuse(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    """Show the upload page with what was wrong with the one file of this request."""
    return _upload_page(request, outcomes=[outcome], status=outcome.http_status)


def to_result(request: HttpRequest, outcome: Outcome) -> HttpResponse:
    """Redirect to an accepted photo's result, and say so where it was known already."""
    if outcome.note:
        messages.info(request, outcome.note)
    return redirect(outcome.prediction)


def _say_which_are_known(request: HttpRequest, outcomes: list[Outcome]) -> None:
    count = sum(outcome.is_known for outcome in outcomes)
    if not count:
        return
    text = ngettext(
        "%(count)d photo was analysed before.", "%(count)d photos were analysed before.", count
    )
    text %= {"count": count}
    if kept := ", ".join(outcome.name for outcome in outcomes if outcome.was_kept):
        text += " " + _("Kept then: %(names)s. To change that, delete first what is to go.")
        text %= {"names": kept}
    messages.info(request, text)


@action
def upload_one(request: HttpRequest) -> HttpResponse:
    """Take one photo for a page that uploads by script, and answer with its card.

    Of a ``single`` photo the script goes on to the page that ``Location`` names.
    """
    notice = _agreed(request)
    file = request.FILES.get("photos")
    if notice is not None:
        error = notice.errors["notice"][0]
        outcome = Outcome(file.name if file else "", code="notice_missing", detail=error)
    elif file is None:
        outcome = _no_file()
    else:
        is_single = "single" in request.POST
        outcome = take(request.user, file, keep_photo=_keeps_photo(request), urgent=is_single)
    if outcome.prediction is None:
        response = render(
            request,
            "predictions/_refused.html",
            {"outcome": outcome},
            status=outcome.http_status,
        )
    else:
        set_places([outcome.prediction])
        response = render(
            request,
            "predictions/_card.html",
            {"prediction": outcome.prediction, "note": outcome.note},
            status=outcome.http_status,
        )
        response["Location"] = outcome.prediction.get_absolute_url()
        if outcome.note and "single" in request.POST:
            messages.info(request, outcome.note)
    if outcome.retry_after:
        response["Retry-After"] = str(outcome.retry_after)
    return response
