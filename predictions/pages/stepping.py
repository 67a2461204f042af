"""From one photo to the next, within the filters and in the order that its owner last looked at."""

from django.db.models import Q
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from predictions.models import Prediction
from predictions.pages.finding import HistoryFilter

SESSION_KEY = "history"


def remember(request: HttpRequest, form: HistoryFilter) -> None:
    """Keep what a valid or half valid filter shows for as long as the session lasts."""
    query = QueryDict(mutable=True)
    query.update({name: request.GET[name] for name, wish in form.cleaned_data.items() if wish})
    if request.session.get(SESSION_KEY, "") != query.urlencode():
        request.session[SESSION_KEY] = query.urlencode()


def last_seen(request: HttpRequest) -> str:
    """Return the address of the history as it was last looked at."""
    return _address(request.session.get(SESSION_KEY, ""))


def neighbours(request: HttpRequest, prediction: Prediction) -> dict:
    """Return what leads on from a record: ``previous`` and ``next`` (or None), whether they are
    the newer and the older one, whether their list is narrowed, and the address of that list.

    A record that the last list does not hold has its place in the whole history.
    """
    mine = Prediction.objects.for_user(request.user).select_related(None)
    for query in (request.session.get(SESSION_KEY, ""), ""):
        form = HistoryFilter(QueryDict(query))
        form.is_valid()
        listed = form.narrow(mine)
        if not query or listed.filter(pk=prediction.pk).exists():
            break
    order = listed.query.order_by
    shown = listed.only("id")
    return {
        "next": shown.filter(_beyond(order, prediction)).first(),
        "previous": shown.reverse().filter(_beyond(order, prediction, backwards=True)).first(),
        "newest_first": not form.cleaned_data.get("sort"),
        "is_narrowed": bool(form.chosen()),
        "address": _address(query),
    }


def _address(query: str) -> str:
    return f"{reverse('prediction-list')}?{query}" if query else reverse("prediction-list")


def _beyond(order: tuple, record: Prediction, backwards: bool = False) -> Q:
    """Return the condition of whatever stands behind a record, or before it, in an order."""
    found, equal = Q(pk__in=[]), Q()
    for key in order:
        ordering = key if isinstance(key, OrderBy) else None
        name = ordering.expression.name if ordering else key.removeprefix("-")
        descending = ordering.descending if ordering else key.startswith("-")
        value = getattr(record, name)
        found |= equal & _past(name, value, descending == backwards, bool(ordering), backwards)
        equal &= Q(**{f"{name}__isnull": True} if value is None else {name: value})
    return found


def _past(name: str, value: object, rising: bool, nullable: bool, backwards: bool) -> Q:
    """Return the condition of values beyond one, where those that are missing come last."""
    if value is None:
        return Q(**{f"{name}__isnull": False}) if backwards else Q(pk__in=[])
    past = Q(**{f"{name}__gt" if rising else f"{name}__lt": value})
    return past | Q(**{f"{name}__isnull": True}) if nullable and not backwards else past
