"""How records go: with their photo, every file of it, and what refers to them."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.db.models.signals import post_delete, pre_delete
from django.dispatch import receiver
from django.utils import timezone

from predictions.files import delete_files
from predictions.models import DemoImage, IdempotencyKey, Photo, Prediction, PredictionQuerySet
from predictions.quotas import forget_exports

log = structlog.get_logger(__name__)

ANSWERS_KEPT = timedelta(days=1)
"""How long a request that is sent again under its Idempotency-Key gets the same answer."""
UNDO = timedelta(seconds=10)
"""How long a page offers to bring back what was removed."""
SLOW_CLICK = timedelta(seconds=5)
"""How much longer it is kept: who presses the button in the last second is on the way meanwhile."""
GALLERY_PICTURE_TIMEOUT = timedelta(hours=1)
"""How long a picture without an owner may be in no gallery."""
AT_ONCE = 500
"""Records that one run deletes at most."""
SECONDS = 10
"""How long one run deletes at most."""


def remove(predictions: PredictionQuerySet) -> int:
    """Hide records from everybody; they are deleted once their owner cannot undo it any more.

    Returns how many there were.
    """
    return predictions.update(removed_at=timezone.now())


def restore(owner, ids: list) -> int:
    """Bring back those of the owner's removed records that are still there; return their number."""
    removed = Prediction.objects.filter(owner=owner, pk__in=ids, removed_at__isnull=False)
    return removed.update(removed_at=None)


def _for_a_while(records: Iterable) -> Iterator:
    """Yield records for SECONDS, at least one; the next run goes on."""
    end = time.monotonic() + SECONDS
    for record in records:
        yield record
        if time.monotonic() > end:
            return


def purge() -> None:
    """Delete what was removed longer ago than UNDO and SLOW_CLICK."""
    limit = timezone.now() - UNDO - SLOW_CLICK
    removed = Prediction.objects.filter(removed_at__lt=limit).order_by("removed_at")
    for prediction_id in _for_a_while(removed.values_list("pk", flat=True)[:AT_ONCE]):
        with _logged(prediction_id), transaction.atomic():
            # Whoever brings it back at this moment is waited for, or comes too late.
            still = removed.select_for_update().filter(pk=prediction_id).first()
            if still is not None:
                delete(still)


@contextmanager
def _logged(prediction_id: object) -> Iterator[None]:
    """Let a record that cannot be deleted keep no other waiting; the next run tries it again."""
    try:
        yield
    except Exception:
        log.exception("record not deleted", prediction=str(prediction_id))


def delete(prediction: Prediction) -> None:
    """Delete the record, its faces, its photo and every file of it at once."""
    prediction.delete()


@receiver(pre_delete, sender=Prediction)
def _wait_for_worker(instance: Prediction, **_kwargs) -> None:
    """Let a worker that is storing faces finish, or it would add them behind the delete's back."""
    list(Prediction.objects.select_for_update().filter(pk=instance.pk).values_list("pk"))


@receiver(pre_delete, sender=Prediction)
def _forget_answers(instance: Prediction, **_kwargs) -> None:
    """What is deleted is not repeated to whoever sends the same request again."""
    IdempotencyKey.objects.filter(predictions=instance).delete()


@receiver(post_delete, sender=DemoImage)
def _delete_demo_prediction(instance: DemoImage, **_kwargs) -> None:
    """The gallery's predictions exist for its pictures only."""
    for prediction in Prediction.objects.filter(pk=instance.prediction_id):
        prediction.delete()


@receiver(post_delete, sender=Prediction)
def _delete_photo(instance: Prediction, **_kwargs) -> None:
    """A photo goes with its prediction, also where the owner's account was deleted."""
    Photo.objects.filter(pk=instance.photo_id).delete()


@receiver(post_delete, sender=Photo)
def _delete_photo_files(instance: Photo, **_kwargs) -> None:
    names = instance.file_names()
    transaction.on_commit(lambda: delete_files(names))


def forget() -> None:
    """Delete what is older than its owner or the operator keeps it, some of it at a time.

    RETENTION_DAYS of 0 keep everything; users may choose fewer days for themselves. The gallery,
    which has no owner, stays in any case. Answers that were kept for repeated requests go after a
    day.
    """
    now = timezone.now()
    old = IdempotencyKey.objects.filter(created_at__lt=now - ANSWERS_KEPT)
    while keys := list(old.values_list("pk", flat=True)[:500]):
        # The answers themselves, which may be long, are not loaded to be deleted.
        IdempotencyKey.objects.filter(pk__in=keys).only("pk").delete()
    expired = Q(pk__in=[])
    if settings.RETENTION_DAYS > 0:
        expired |= Q(created_at__lt=now - timedelta(days=settings.RETENTION_DAYS))
    choices = get_user_model().objects.exclude(retention_days=None)
    for days in choices.values_list("retention_days", flat=True).distinct():
        expired |= Q(owner__retention_days=days, created_at__lt=now - timedelta(days=days))
    old = Prediction.objects.filter(expired, owner__isnull=False)
    for prediction in _for_a_while(old.order_by("created_at")[:AT_ONCE]):
        with _logged(prediction.pk):
            delete(prediction)
    # A process that adds a picture to the gallery was killed before it saved its title.
    unused = Prediction.objects.filter(
        owner=None, demo_image=None, created_at__lt=now - GALLERY_PICTURE_TIMEOUT
    )
    for prediction in unused[:AT_ONCE]:
        with _logged(prediction.pk):
            delete(prediction)
    forget_exports()
