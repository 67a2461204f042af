"""Everything of a user as one file, and how far it is on its way."""

from collections.abc import Iterator
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from predictions.api import reports
from predictions.models import Prediction
from predictions.pages.access import fragment

REMEMBERED = 3600
"""Seconds for which the page can ask how far a file is."""


class Progress:
    """How far the file of a ticket is, kept where every web process of this machine finds it.

    ``steps`` is how often a record is read for the whole file.
    """

    def __init__(self, user, ticket: UUID, steps: int) -> None:
        self._key, self._steps, self._done = key_of(user, ticket), steps, 0
        self._keep("running")

    def note(self, count: int) -> None:
        """Count records that were read."""
        self._done += count
        self._keep("running")

    def watched(self, chunks: Iterator) -> Iterator:
        """Yield the chunks, and keep how it ended: a reader may leave at any of them."""
        state = "broken"
        try:
            yield from chunks
            state = "complete"
        finally:
            self._keep(state)

    def _keep(self, state: str) -> None:
        share = min(1.0, self._done / self._steps) if self._steps else 1.0
        cache.set(self._key, {"state": state, "share": share}, REMEMBERED)


def key_of(user, ticket: UUID) -> str:
    """Return the name of the user's ticket in the cache; nobody finds another's."""
    return f"export-{user.pk}-{ticket}"


@require_safe
@login_required
def export_file(request: HttpRequest) -> HttpResponseBase:
    """Send everything as CSV, JSON lines or ZIP; by a ``ticket`` the page hears how far it is."""
    kind = request.GET.get("as")
    if kind not in reports.MEDIA_TYPES:
        raise Http404
    predictions = Prediction.objects.for_user(request.user)
    progress = None
    if ticket := _ticket(request):
        # A ZIP holds the records twice, as table and as lines, and then their photos.
        steps = predictions.count() * (3 if kind == "zip" else 1)
        progress = Progress(request.user, ticket, steps)
    try:
        return reports.attachment(predictions, kind, {"request": request}, progress)
    except reports.TooManyExports as error:
        messages.error(request, f"{error.detail} ({error.default_code})")
    return redirect("insights")


def _ticket(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("ticket", ""))
    except ValueError:
        return None


@fragment
def export_progress(request: HttpRequest, ticket: UUID) -> HttpResponse:
    """Say how far the file of the user's own ticket is; a file that has not begun is waited for."""
    progress = cache.get(key_of(request.user, ticket), {"state": "running", "share": 0.0})
    return render(request, "predictions/_export_progress.html", progress | {"ticket": ticket})
