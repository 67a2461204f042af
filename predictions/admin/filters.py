"""How an operator narrows a long list of predictions."""

from datetime import timedelta

from django.contrib import admin
from django.db.models import Q
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from predictions.admin.wording import why_failed
from predictions.models import Prediction, PredictionQuerySet, Status

PATIENCE = timedelta(minutes=1)
"""How long a photo may wait, and its analysis take, until somebody should look."""


def is_queue_moving() -> bool:
    """Return whether any analysis is under way, or has ended within PATIENCE.

    One whose worker is gone is under way for no longer than its lease.
    """
    running = Prediction.objects.filter(status=Status.RUNNING)
    ended = Prediction.objects.filter(finished_at__gte=timezone.now() - PATIENCE)
    return running.exists() or ended.exists()


def stuck(predictions: PredictionQuerySet) -> PredictionQuerySet:
    """Return those that are worked on for longer than PATIENCE, or wait in a queue that stands.

    A photo that waits behind others in a queue that moves is not stuck, however long it waits.
    """
    limit = timezone.now() - PATIENCE
    found = Q(status=Status.RUNNING, started_at__lt=limit)
    if not is_queue_moving():
        found |= Q(status=Status.QUEUED, queued_at__lt=limit)
    return predictions.filter(found)


class GivenValuesFilter(admin.AllValuesFieldListFilter):
    """The values that there are, without the empty one: its link would have no name."""

    def words(self, changelist) -> dict[str, str]:
        """Return what values mean that are codes."""
        return {}

    def choices(self, changelist):
        words = self.words(changelist)
        for choice in super().choices(changelist):
            # Where the records are counted, their number follows the value.
            value, _space, count = choice["display"].partition(" ")
            if value:
                shown = format_html("{} {}", words.get(value, value), count)
                yield {**choice, "display": shown}


class ErrorFilter(GivenValuesFilter):
    def words(self, changelist) -> dict[str, str]:
        failed = changelist.root_queryset.exclude(error_code="").order_by()
        kinds = failed.values("error_code", "error_detail").distinct()
        return {kind["error_code"]: why_failed(Prediction(**kind)) for kind in kinds}


class StuckFilter(admin.SimpleListFilter):
    title = _("stuck")
    parameter_name = "stuck"

    def lookups(self, request, model_admin) -> list[tuple[str, str]]:
        return [("yes", _("Running for more than a minute, or waiting while nothing moves"))]

    def queryset(self, request, queryset):
        return stuck(queryset) if self.value() == "yes" else queryset


class AgeFilter(admin.SimpleListFilter):
    title = _("age")
    parameter_name = "age"

    AGES = {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
        "month": timedelta(days=30),
    }

    def lookups(self, request, model_admin) -> list[tuple[str, str]]:
        return [
            ("hour", _("The last hour")),
            ("day", _("The last day")),
            ("week", _("The last 7 days")),
            ("month", _("The last 30 days")),
            ("older", _("Older")),
        ]

    def queryset(self, request, queryset):
        age = self.value()
        if age == "older":
            return queryset.filter(created_at__lt=timezone.now() - self.AGES["month"])
        if age in self.AGES:
            return queryset.filter(created_at__gte=timezone.now() - self.AGES[age])
        return queryset
