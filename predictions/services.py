"""The rules of a prediction's life, and the only writers of its status.

queued -> running -> succeeded | failed | canceled. The database is the queue of record: a task is
a hint to a worker that a row waits, so the broker may lose, repeat or delay tasks without harm.
"""

import contextlib
import uuid
from datetime import timedelta
from pathlib import Path

import structlog
from celery import current_app
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from kombu.exceptions import OperationalError

from predictions.models import UNFINISHED, Face, Photo, Prediction, Status
from predictions.uploads import Upload

log = structlog.get_logger(__name__)

ANALYSE = "predictions.analyse"
SWEEP = "predictions.sweep"
REMOVE_ORPHANS = "predictions.remove_orphans"

MAX_ATTEMPTS = 3
RUNNING_LIMIT = timedelta(seconds=120)
"""Longer than the worker's hard time limit: a row that runs longer has lost its worker."""
RESEND_AFTER = timedelta(seconds=30)
ORPHAN_AGE = timedelta(days=1)


class QueueFull(Exception):
    """More photos wait than the operator allows; ``retry_after`` in seconds."""

    code = "queue_full"
    retry_after = 30
    detail = "Too many photos are waiting at the moment. Please try again in half a minute."


class NotAllowed(Exception):
    """The prediction is not in a state that allows this; ``code`` and ``detail`` say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def find_duplicate(owner, sha256: str) -> Prediction | None:
    """Return the owner's newest usable record of a byte-identical photo."""
    return (
        Prediction.objects.for_user(owner)
        .filter(photo__sha256=sha256)
        .exclude(status__in=[Status.FAILED, Status.CANCELED])
        .first()
    )


def submit(owner, upload: Upload, *, force: bool = False) -> tuple[Prediction, bool]:
    """Store a photo with its queued prediction; return it and whether it is new.

    A byte-identical photo of the same owner returns the existing record unless ``force``.
    ``owner`` None is the gallery. Raises QueueFull.
    """
    if owner is not None and not force:
        existing = find_duplicate(owner, upload.sha256)
        if existing is not None:
            return existing, False
    if Prediction.objects.filter(status=Status.QUEUED).count() >= settings.QUEUE_LIMIT:
        raise QueueFull
    photo = Photo(
        name=upload.name,
        sha256=upload.sha256,
        bytes=upload.bytes,
        width=upload.width,
        height=upload.height,
    )
    upload.file.seek(0)
    try:
        with transaction.atomic():
            photo.upload.save("upload", upload.file, save=False)
            photo.save(force_insert=True)
            prediction = Prediction.objects.create(owner=owner, photo=photo)
            _send_on_commit(prediction.pk)
    except BaseException:
        _delete_files(photo.file_names())
        raise
    return prediction, True


def _send_on_commit(prediction_id: uuid.UUID) -> None:
    transaction.on_commit(lambda: _send(prediction_id))


def _send(prediction_id: uuid.UUID) -> bool:
    """Tell the workers; without a broker the row simply waits for the sweep."""
    try:
        current_app.send_task(ANALYSE, [str(prediction_id)], retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable", prediction=str(prediction_id), error=str(error))
        return False
    Prediction.objects.filter(pk=prediction_id).update(sent_at=timezone.now())
    return True


def claim(prediction_id: str) -> Prediction | None:
    """Take a queued prediction for this worker, or return None if there is none to take."""
    claimed = Prediction.objects.filter(pk=prediction_id, status=Status.QUEUED).update(
        status=Status.RUNNING,
        attempts=F("attempts") + 1,
        started_at=timezone.now(),
        finished_at=None,
    )
    if not claimed:
        return None
    return Prediction.objects.select_related("photo").filter(pk=prediction_id).first()


def _finish(prediction: Prediction, status: Status, **fields) -> bool:
    """Leave RUNNING if this attempt still holds the row: a late worker must not win."""
    return bool(
        Prediction.objects.filter(
            pk=prediction.pk, status=Status.RUNNING, started_at=prediction.started_at
        ).update(status=status, finished_at=timezone.now(), **fields)
    )


def complete(prediction: Prediction, analysis, renditions) -> bool:
    """Store the answer and the clean copies, and drop the upload.

    ``analysis`` is mlcore's Analysis, ``renditions`` a Renditions. Returns False where the
    prediction was deleted or canceled, or timed out, in the meantime; nothing is kept then.
    """
    photo = prediction.photo
    main = analysis.faces[0] if analysis.faces else None
    with transaction.atomic():
        held = _finish(
            prediction,
            Status.SUCCEEDED,
            label=main.label if main else "",
            confidence=main.confidence if main else None,
            unsure=main.unsure if main else None,
            advice=list(analysis.advice),
            timings=dict(analysis.timings),
            model_name=analysis.model.name,
            model_version=analysis.model.version,
            model_sha256=analysis.model.sha256,
            error_code="",
            error_detail="",
        )
        if not held:
            return False
        prediction.faces.all().delete()
        Face.objects.bulk_create(
            Face(
                prediction=prediction,
                index=index,
                x=face.box.x,
                y=face.box.y,
                width=face.box.width,
                height=face.box.height,
                detection_confidence=face.detection_confidence,
                label=face.label,
                confidence=face.confidence,
                unsure=face.unsure,
                probabilities=dict(face.probabilities),
            )
            for index, face in enumerate(analysis.faces)
        )
        upload = photo.upload.name
        if upload:
            photo.width, photo.height = analysis.width, analysis.height
            photo.display.save("display", ContentFile(renditions.display), save=False)
            photo.thumbnail.save("thumbnail", ContentFile(renditions.thumbnail), save=False)
            photo.upload = ""
            photo.save()
            transaction.on_commit(lambda: _delete_files([upload]))
    return True


def fail(prediction: Prediction, code: str, detail: str) -> bool:
    """End a running prediction with a stable code and one sentence for its owner."""
    return _finish(prediction, Status.FAILED, error_code=code, error_detail=detail[:300])


def cancel(prediction: Prediction) -> None:
    """Cancel what has not finished. Raises NotAllowed (already_finished)."""
    canceled = Prediction.objects.filter(pk=prediction.pk, status__in=UNFINISHED).update(
        status=Status.CANCELED, finished_at=timezone.now()
    )
    if not canceled:
        raise NotAllowed("already_finished", "This prediction has already finished.")
    prediction.refresh_from_db()


def rerun(prediction: Prediction) -> None:
    """Queue a finished prediction again. Raises NotAllowed (not_finished, photo_missing)."""
    if not prediction.photo.source:
        raise NotAllowed("photo_missing", "The photo of this prediction is not kept.")
    with transaction.atomic():
        queued = (
            Prediction.objects.filter(pk=prediction.pk)
            .exclude(status__in=UNFINISHED)
            .update(
                status=Status.QUEUED,
                attempts=0,
                sent_at=None,
                started_at=None,
                finished_at=None,
                error_code="",
                error_detail="",
            )
        )
        if not queued:
            raise NotAllowed("not_finished", "This prediction has not finished yet.")
        _send_on_commit(prediction.pk)
    prediction.refresh_from_db()


def delete(prediction: Prediction) -> None:
    """Remove the record, its faces, its photo and every file of it."""
    with transaction.atomic():
        prediction.delete()


@receiver(post_delete, sender=Prediction)
def _delete_photo(instance: Prediction, **_kwargs) -> None:
    """A photo goes with its prediction, also where the owner's account was deleted."""
    Photo.objects.filter(pk=instance.photo_id).delete()


@receiver(post_delete, sender=Photo)
def _delete_photo_files(instance: Photo, **_kwargs) -> None:
    names = instance.file_names()
    transaction.on_commit(lambda: _delete_files(names))


def _delete_files(names: list[str]) -> None:
    """Remove files of one photo; a file that is not there is no error."""
    for name in names:
        try:
            default_storage.delete(name)
        except OSError:
            log.exception("file not deleted", name=name)
    # A file system keeps an empty folder; an object store has no folders to keep.
    with contextlib.suppress(NotImplementedError, OSError):
        Path(default_storage.path(names[0])).parent.rmdir()


def sweep() -> None:
    """Bring back what was lost between database, broker and workers.

    Rows that run past the limit are queued again, or fail after MAX_ATTEMPTS. Queued rows that
    the broker never took are sent; so are those it took long ago while no worker started
    anything since, which is what a broker that lost its memory looks like.
    """
    now = timezone.now()
    lost = Prediction.objects.filter(status=Status.RUNNING, started_at__lt=now - RUNNING_LIMIT)
    lost.filter(attempts__gte=MAX_ATTEMPTS).update(
        status=Status.FAILED,
        finished_at=now,
        error_code="worker_lost",
        error_detail="The analysis stopped three times without an answer.",
    )
    lost.update(status=Status.QUEUED, sent_at=None)

    waiting = Prediction.objects.filter(status=Status.QUEUED)
    due = Q(sent_at=None, created_at__lt=now - timedelta(seconds=1))
    if not Prediction.objects.filter(started_at__gt=now - RESEND_AFTER).exists():
        due |= Q(sent_at__lt=now - RESEND_AFTER)
    for prediction_id in (
        waiting.filter(due).order_by("created_at").values_list("pk", flat=True)[:500]
    ):
        if not _send(prediction_id):
            return


def remove_orphans() -> int:
    """Remove files older than a day that no photo owns, and return how many there were.

    A process that is killed between writing a file and its row's commit leaves such a file.
    """
    removed = 0
    limit = timezone.now() - ORPHAN_AGE
    for shard in _list("photos")[0]:
        for folder in _list(f"photos/{shard}")[0]:
            names = [
                f"photos/{shard}/{folder}/{name}" for name in _list(f"photos/{shard}/{folder}")[1]
            ]
            if not names or Photo.objects.filter(pk=uuid.UUID(folder)).exists():
                continue
            if all(default_storage.get_modified_time(name) < limit for name in names):
                _delete_files(names)
                removed += len(names)
    return removed


def _list(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of folders and files in a storage folder that may not exist."""
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []
