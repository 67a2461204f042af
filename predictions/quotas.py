"""How much of the site one user may occupy. The operator's limits for everybody lie behind them."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from predictions import turns
from predictions.models import Photo, Prediction, RunningExport

log = structlog.get_logger(__name__)

MEGABYTE = 1024 * 1024

EXPORT_TIMEOUT = timedelta(seconds=40)
"""A running export that was not renewed for so long has lost its web process."""


class QueueFull(Exception):
    """More photos wait than the operator allows; ``retry_after`` in seconds."""

    code = "queue_full"
    retry_after = 30
    detail = gettext_lazy(
        "Too many photos are waiting at the moment. Please try again in half a minute."
    )


class QuotaExceeded(Exception):
    """A user occupies as much as the operator allows each one.

    ``quota`` is its name (waiting, stored or exports), ``used`` and ``limit`` its numbers;
    ``retry_after`` in seconds, or None where waiting does not help.
    """

    code = "quota_exceeded"

    def __init__(self, usage: "Usage", detail: str, retry_after: int | None) -> None:
        super().__init__(detail)
        self.quota, self.used, self.limit = usage.quota, usage.used, usage.limit
        self.detail = detail
        self.retry_after = retry_after


@dataclass(frozen=True)
class Usage:
    """What one user occupies: photos, bytes or downloads; ``limit`` 0 is no limit."""

    quota: str
    used: int
    limit: int

    def has_room(self, wanted: int = 1) -> bool:
        return not self.limit or self.used + wanted <= self.limit


def waiting(owner) -> Usage:
    """Return how many of the owner's photos wait for their analysis."""
    count = turns.waiting(Prediction).filter(owner=owner).count()
    return Usage("waiting", count, settings.QUOTA_WAITING)


def stored(owner) -> Usage:
    """Return how many bytes the owner's photos occupy."""
    photos = Photo.objects.filter(prediction__owner=owner)
    size = photos.aggregate(size=Sum("stored_bytes", default=0))["size"]
    return Usage("stored", size, settings.QUOTA_STORED_MB * MEGABYTE)


def exports(owner) -> Usage:
    """Return how many files the owner is being sent, by all web processes together."""
    return Usage("exports", _alive(owner).count(), settings.QUOTA_EXPORTS)


def _alive(owner):
    # A time in the future was written by a clock that was wrong: it must not block its owner.
    now = timezone.now()
    renewed = (now - EXPORT_TIMEOUT, now + EXPORT_TIMEOUT)
    return RunningExport.objects.filter(owner=owner, seen_at__range=renewed)


def start_export(owner) -> RunningExport:
    """Count one more export of the owner until its row is deleted, or no longer renewed.

    Where the database cannot be written the row is not saved, and nothing counts the export but
    this process: reading goes on while a disk is full. Raises QuotaExceeded.
    """
    try:
        return _start_export(owner)
    except DatabaseError as error:
        log.warning("export not counted", error=str(error))
        return RunningExport(owner=owner)


def _start_export(owner) -> RunningExport:
    with transaction.atomic():
        # Two requests of one user take turns, and the second counts the first.
        list(get_user_model().objects.select_for_update().filter(pk=owner.pk).values_list("pk"))
        usage = exports(owner)
        if not usage.has_room():
            detail = _("%(used)s of %(limit)s downloads are running. Wait until one is complete.")
            detail %= {"used": usage.used, "limit": usage.limit}
            raise QuotaExceeded(usage, detail, retry_after=30)
        RunningExport.objects.filter(owner=owner).exclude(pk__in=_alive(owner)).delete()
        return RunningExport.objects.create(owner=owner)


def forget_exports() -> None:
    """Delete the rows of exports whose web process was killed."""
    now = timezone.now()
    renewed = (now - EXPORT_TIMEOUT, now + EXPORT_TIMEOUT)
    RunningExport.objects.exclude(seen_at__range=renewed).delete()


def check_queue(owner) -> None:
    """Raise QuotaExceeded or QueueFull where no further photo of the owner may wait."""
    usage = waiting(owner)
    if not usage.has_room():
        detail = _("Your queue is full: %(used)s of %(limit)s photos are waiting. Try again soon.")
        detail %= {"used": usage.used, "limit": usage.limit}
        raise QuotaExceeded(usage, detail, retry_after=30)
    if turns.waiting(Prediction).count() >= settings.QUEUE_LIMIT:
        raise QueueFull


def check_storage(owner, size: int) -> None:
    """Raise QuotaExceeded where ``size`` further bytes of the owner may not be stored."""
    if not settings.QUOTA_STORED_MB:
        return  # Without a quota nobody waits for the sum.
    usage = stored(owner)
    if not usage.has_room(size):
        detail = _("Your photos may occupy %(limit)s MB. Delete some to make room.")
        raise QuotaExceeded(usage, detail % {"limit": settings.QUOTA_STORED_MB}, None)
