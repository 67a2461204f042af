"""The page on privacy: how long photos stay, everything as one file, and erasing it."""

from dataclasses import asdict
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.signing import BadSignature
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from emotionsite.accounts import erasure
from emotionsite.accounts.download import archive
from emotionsite.accounts.erasure import Erasure, Scope
from emotionsite.accounts.forms import ConfirmForm, RetentionForm
from predictions.api.reports import REFUSALS, streamed
from predictions.models import Prediction
from predictions.pages.exporting import WATCHED, progress_of

RESUMABLE = timedelta(hours=1)
"""How long an erasure that broke off goes on without the password."""


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def privacy(request: HttpRequest) -> HttpResponse:
    """Show what is kept, and change for how long.

    A choice by which photos would go at once is asked for again, with their number.
    """
    user = request.user
    data = request.POST if request.method == "POST" else None
    form = RetentionForm(data, initial={"days": user.retention_days})
    expiring = 0
    if form.is_valid():
        days = form.cleaned_data["days"]
        expiring = _older_than(user, days) if days else 0
        if not expiring or request.POST.get("confirmed") == str(days):
            user.retention_days = days
            user.save(update_fields=["retention_days"])
            messages.success(request, _("Your choice is saved."))
            return redirect("account-privacy")
    context = {
        "form": form,
        "expiring": expiring,
        "belongings": erasure.belongings(user, Scope.ACCOUNT),
        "site_days": settings.RETENTION_DAYS,
        "ticket": uuid4(),
        "text": WATCHED["everything"],
    }
    return render(request, "account/privacy.html", context)


def _older_than(user, days: int) -> int:
    limit = timezone.now() - timedelta(days=days)
    return Prediction.objects.for_user(user).filter(created_at__lt=limit).count()


@require_GET
@login_required
def download(request: HttpRequest) -> HttpResponseBase:
    """Send everything as one ZIP; by a ``ticket`` the page hears how far it is."""
    try:
        if progress := progress_of(request, "zip"):
            chunks = progress.watched(archive(request, progress.note))
        else:
            chunks = archive(request)
        return streamed(request.user, chunks, "emotionsite-everything", "zip")
    except REFUSALS as error:
        messages.error(request, f"{error.detail} ({error.code})")
        return redirect("account-privacy")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def erase_photos(request: HttpRequest) -> HttpResponse:
    """Erase every photo with its result, and keep the account."""
    return _erase(request, Scope.PHOTOS)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def delete_account(request: HttpRequest) -> HttpResponse:
    """Delete the user with every photo, result and token."""
    return _erase(request, Scope.ACCOUNT)


def _erase(request: HttpRequest, scope: Scope) -> HttpResponse:
    """Ask for the password, then erase as far as one request gets; the page asks to go on.

    What was begun is kept in the session: where a request breaks off, the next one goes on. Who
    gives the password again means what came since, too.
    """
    user = request.user
    begun = _begun(request, scope)
    if begun is None or "go_on" not in request.POST:
        form = ConfirmForm(request.POST if request.method == "POST" else None, request=request)
        if not form.is_valid():
            context = {"form": form, "belongings": erasure.belongings(user, scope), "begun": begun}
            return render(request, f"account/{_PAGES[scope]}.html", context)
        begun = erasure.begin(user, scope, begun)
        request.session[_key(scope)] = asdict(begun)
        request.session.save()
    if left := erasure.go_on(user, begun):
        total = begun.erased["photos"]
        context = {"left": left, "total": total, "done": max(total - left, 0), "scope": scope}
        return render(request, "account/erasing.html", context)
    receipt = erasure.finish(user, begun)
    if scope == Scope.ACCOUNT:
        logout(request)
    else:
        del request.session[_key(scope)]
    address = f"{reverse('erasure-receipt')}?{urlencode({'of': erasure.sign(receipt)})}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


_PAGES = {Scope.PHOTOS: "erase", Scope.ACCOUNT: "delete"}


def _key(scope: Scope) -> str:
    return f"erasure-{scope}"


def _begun(request: HttpRequest, scope: Scope) -> Erasure | None:
    """Return what this session began to erase and may finish."""
    kept = request.session.get(_key(scope))
    begun = Erasure(**kept) if kept else None
    return begun if begun and timezone.now() - begun.moment < RESUMABLE else None


@require_GET
@never_cache
def receipt(request: HttpRequest) -> HttpResponse:
    """Show what was erased, or send it as a file.

    Whoever has the signed address may look, as there may be no account any more; it names nobody.
    """
    text = request.GET.get("of", "")
    try:
        found = erasure.read(text)
    except BadSignature as error:
        raise Http404 from error
    if "file" in request.GET:
        name = f"erasure-{found['receipt']}.json"
        return JsonResponse(
            {"site": request.get_host(), **found},
            json_dumps_params={"indent": 2},
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
    context = {
        **found,
        "of": text,
        "began_at": parse_datetime(found["began_at"]),
        "finished_at": parse_datetime(found["finished_at"]),
    }
    return render(request, "account/receipt.html", context)
