"""The history: everything a user has analysed, page by page or by scrolling."""

from math import ceil

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.views.decorators.http import require_safe

from predictions import removal
from predictions.models import Prediction
from predictions.pages.finding import HistoryFilter
from predictions.pages.places import set_places
from predictions.pages.stepping import remember

PER_PAGE = 24
MOST_PAGES = 10
"""Pages that follow one another by scrolling; after so many one turns a page."""
LARGEST_PAGE = PER_PAGE * MOST_PAGES


@require_safe
@login_required
def history(request: HttpRequest) -> HttpResponse:
    """Show the pages from ``page`` to ``through``, so that its address leads back to a place that
    was reached by scrolling; of what comes by scrolling, send the last page only."""
    form = HistoryFilter(request.GET)
    form.is_valid()
    remember(request, form)
    # Ids are counted and skipped within an index; only the rows that are shown are read.
    pages = Paginator(
        form.narrow(Prediction.objects.for_user(request.user)).values_list("pk", flat=True),
        PER_PAGE,
    )
    first = pages.get_page(request.GET.get("page"))
    through = pages.get_page(request.GET.get("through")).number
    last = pages.page(min(max(first.number, through), first.number + MOST_PAGES - 1))
    by_scrolling = request.htmx.target == "cards"
    start = last if by_scrolling else first
    ids = list(pages.object_list[max(start.start_index() - 1, 0) : last.end_index()])
    shown = Prediction.objects.select_related("photo").in_bulk(ids)
    set_places(shown.values())
    context = {
        "predictions": [shown[pk] for pk in ids if pk in shown],
        "first": first.number,
        "page": last,
        "by_scrolling": by_scrolling,
        "scrolls_on": last.has_next() and last.number < first.number + MOST_PAGES - 1,
        "all_selected": request.GET.get("select") == "all",
    }
    if by_scrolling:
        response = render(request, "predictions/_more.html", context)
        # It has the address of the whole page, and must not be taken for it when one comes back.
        add_never_cache_headers(response)
    else:
        context |= {"form": form, "chips": _chips(request, form), "undo": _undo(request.user)}
        response = render(request, "predictions/history.html", context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _chips(request: HttpRequest, form: HistoryFilter) -> list[dict[str, str]]:
    """Return what the history is narrowed to: a text, and the query without it."""
    chips = []
    for name, text in form.chosen().items():
        query = request.GET.copy()
        for gone in (name, "page", "through", "select"):
            query.pop(gone, None)
        chips.append({"text": text, "query": query.urlencode()})
    return chips


def _undo(owner) -> dict | None:
    """Return the ids that the owner removed last, and the seconds that are left to undo it."""
    now = timezone.now()
    removed = Prediction.objects.filter(owner=owner, removed_at__gt=now - removal.UNDO)
    rows = removed.order_by("-removed_at").values_list("pk", "removed_at")[:LARGEST_PAGE]
    if not rows:
        return None
    last = rows[0][1]
    left = last + removal.UNDO - now
    return {
        "ids": [pk for pk, removed_at in rows if removed_at == last],
        "seconds": ceil(left.total_seconds()),
    }
