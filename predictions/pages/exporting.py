"""Everything of a user as one file, and how far it is on its way."""

from collections.abc import Iterator
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from predictions.api import reports
from predictions.models import Prediction
from predictions.pages.access import fragment
from predictions.pages.forms import whole_number

TEXTS = {
    "csv": _("Table (CSV)"),
    "jsonl": _("Records (JSON lines)"),
    "zip": _("All with photos (ZIP)"),
}
WATCHED = TEXTS | {"everything": _("Everything (ZIP)")}
"""Files that can be asked for; the last is sent by another page."""
MOST_ASKED = 60
"""Times, one a second, that the page asks for a file that has not begun."""

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
    progress = progress_of(request, kind)
    try:
        return reports.attachment(predictions, kind, {"request": request}, progress)
    except reports.REFUSALS as error:
        messages.error(request, f"{error.detail} ({error.code})")
    return redirect("insights")


def progress_of(request: HttpRequest, kind: str) -> Progress | None:
    """Return what notes how far a file of all records is, where the page sent a ``ticket``."""
    try:
        ticket = UUID(request.GET.get("ticket", ""))
    except ValueError:
        return None
    # A ZIP holds the records twice, as table and as lines, and then their photos.
    steps = Prediction.objects.for_user(request.user).count() * (3 if kind == "zip" else 1)
    return Progress(request.user, ticket, steps)


@fragment
def export_progress(request: HttpRequest, ticket: UUID) -> HttpResponse:
    """Say how far the file of the user's own ticket is; one that does not begin is given up.

    A page that asks for the first time gets another ticket for its next file.
    """
    kind, asked = request.GET.get("as"), whole_number(request.GET.get("asked", ""))
    if kind not in WATCHED:
        raise Http404
    begun = cache.get(key_of(request.user, ticket))
    context = begun or {"state": "waiting" if asked < MOST_ASKED else "missing", "share": 0.0}
    context |= {"kind": kind, "text": WATCHED[kind], "ticket": ticket, "asked": asked}
    if not asked:
        context["next_ticket"] = uuid4()
    return render(request, "predictions/_export_progress.html", context)
