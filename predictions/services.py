"""The rules of a prediction's life, and the only writers of its status.

queued -> running -> succeeded | failed | canceled. The database is the queue of record: a task
tells a worker only that something waits, so the broker may lose, repeat or delay tasks without
harm. ``predictions.turns`` decides what is next, ``predictions.leases`` who still works on it.
"""

import random
import uuid
from dataclasses import asdict
from datetime import timedelta

import structlog
from celery import current_app
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from kombu.exceptions import OperationalError

from mlcore.labels import LABELS
from predictions import files, quotas, turns
from predictions.files import StorageUnavailable, delete_files
from predictions.leases import leased, new_lease
from predictions.models import (
    UNFINISHED,
    EarlierAnswer,
    Face,
    IdempotencyKey,
    Photo,
    Prediction,
    Status,
    name_key,
)
from predictions.quotas import QueueFull, QuotaExceeded
from predictions.signals import ended, finished
from predictions.uploads import Upload

log = structlog.get_logger(__name__)

ANALYSE = "predictions.analyse"
SWEEP = "predictions.sweep"
FORGET = "predictions.forget"
REMOVE_ORPHANS = "predictions.remove_orphans"

MAX_ATTEMPTS = 4

RETRY_DELAYS = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=15))
"""Between an attempt that failed through no fault of the photo and the next one."""

RETRY_JITTER = 0.2
"""Share by which a delay varies, so that what failed together does not return together."""

INTERNAL_ERRORS = {
    "model_unavailable": gettext_noop("The network is not available at the moment."),
    "model_mismatch": gettext_noop("The network is not available at the moment."),
    "decoder_unavailable": gettext_noop("Pictures cannot be read at the moment."),
    "storage_unavailable": gettext_noop("Photos cannot be stored or read at the moment."),
    "photo_missing": gettext_noop("The stored photo is gone."),
    "timed_out": gettext_noop("The analysis took too long."),
    "worker_lost": gettext_noop("The analysis stopped several times without an answer."),
    "internal_error": gettext_noop("Something went wrong on our side."),
}
"""What may fail through no fault of the photo: stable code -> a sentence, in English."""


class NotAllowed(Exception):
    """The prediction is not in a state that allows this; ``code`` and ``detail`` say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


REFUSALS = (NotAllowed, QueueFull, QuotaExceeded, StorageUnavailable)
"""What stands against a photo or a rerun at the moment; each has ``code`` and ``detail``."""


def find_duplicate(owner, sha256: str, keep_photo: bool = True) -> Prediction | None:
    """Return the owner's newest usable record of a byte-identical photo.

    A record without its photo is no substitute where the photo is to be kept.
    """
    # Joined, SQLite would walk through all that the owner has.
    photos = list(Photo.objects.filter(sha256=sha256).values_list("pk", flat=True))
    known = Prediction.objects.for_user(owner).filter(photo__in=photos)
    if keep_photo:
        known = known.filter(photo__is_kept=True)
    return known.exclude(status__in=[Status.FAILED, Status.CANCELED]).first()


def submit(
    owner,
    upload: Upload,
    *,
    force: bool = False,
    keep_photo: bool = True,
    urgent: bool = False,
    key: IdempotencyKey | None = None,
) -> tuple[Prediction, bool]:
    """Store a photo with its queued prediction; return it and whether it is new.

    A byte-identical photo of the same owner returns the existing record unless ``force``. What is
    new is tied to ``key``, the request's, in the same transaction. Without ``keep_photo`` the
    pixels go as soon as the prediction ends. An ``urgent`` photo, which a person waits for, goes
    before its owner's other ones.
    ``owner`` None is the gallery, whose few pictures find room always. Raises QueueFull,
    QuotaExceeded, StorageUnavailable, and NotAllowed (account_deleted) where the owner goes at
    this moment.
    """
    if owner is not None:
        existing = None if force else find_duplicate(owner, upload.sha256, keep_photo)
        if existing is not None:
            return existing, False
        quotas.check_queue(owner)
        quotas.check_storage(owner, upload.bytes)
    photo = Photo(
        name=upload.name,
        sha256=upload.sha256,
        bytes=upload.bytes,
        stored_bytes=upload.bytes,
        width=upload.width,
        height=upload.height,
        is_kept=keep_photo,
    )
    try:
        # The file comes first: a transaction that waits for storage would lock others out.
        upload.file.seek(0)
        files.save(photo.upload, "upload", upload.file)
        with transaction.atomic():
            existing = None
            if owner is not None:
                # Two requests with the same photo take turns, and the second finds the first.
                users = get_user_model().objects.select_for_update(no_key=True)
                if not users.filter(pk=owner.pk).first():
                    raise NotAllowed("account_deleted", _("This account is deleted."))
                existing = None if force else find_duplicate(owner, upload.sha256, keep_photo)
            if existing is None:
                if owner is not None:
                    # Asked again while no other request of this owner can be here.
                    quotas.check_queue(owner)
                photo.save(force_insert=True)
                prediction = Prediction.objects.create(
                    owner=owner,
                    photo=photo,
                    name_key=name_key(photo.name),
                    **turns.place(Prediction, owner and owner.pk, urgent=urgent),
                )
                if key is not None:
                    key.predictions.add(prediction)
    except BaseException:
        _delete_unless_named(photo, photo.file_names())
        raise
    if existing is not None:
        delete_files(photo.file_names())
        return existing, False
    wake_worker_on_commit()
    return prediction, True


def _delete_unless_named(photo: Photo, names: list[str]) -> None:
    """Remove files after a transaction that failed, except those that the photo's row names.

    A connection that breaks at a commit leaves open whether that took effect. Where the database
    cannot say, the files stay, and orphan removal decides later.
    """
    if not names:
        return
    try:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        stored = Photo.objects.filter(pk=photo.pk).first()
    except DatabaseError:
        return
    delete_files([name for name in names if stored is None or name not in stored.file_names()])


def wake_worker_on_commit() -> None:
    transaction.on_commit(lambda: wake_worker(ANALYSE), robust=True)


def wake_worker(task: str) -> bool:
    """Tell one worker that something waits; without a broker, the sweep tells it later."""
    try:
        current_app.send_task(task, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable", task=task, error=str(error))
        return False
    return True


def claim(task_id: str) -> Prediction | None:
    """Take the prediction whose turn it is for the worker of this task; None: nothing waits."""
    prediction = turns.claim(Prediction, new_lease(task_id))
    if prediction is not None:
        prediction.photo = Photo.objects.get(pk=prediction.photo_id)
    return prediction


def prioritise(prediction: Prediction) -> None:
    """Let a queued prediction go before its owner's others, since a person waits for it.

    Nothing happens where the database cannot be written: its page is shown all the same.
    """
    row = turns.waiting(Prediction).filter(pk=prediction.pk, is_urgent=False)
    try:
        with transaction.atomic():
            row.update(is_urgent=True)
    except DatabaseError as error:
        log.warning("not prioritised", prediction=str(prediction.pk), error=str(error))


def _end(row: QuerySet, prediction_id: uuid.UUID, status: Status, code: str, why: str) -> bool:
    """End an unfinished prediction without an answer, inside a transaction.

    A new analysis that ends so leaves the answer from before in its place: the faces are still
    there, and so is the advice. The error then says what became of the new one.
    """
    error = {"error_code": code, "error_detail": why[:300]}
    before = EarlierAnswer.objects.filter(prediction=prediction_id).first()
    if before is not None:
        fields = {"status": Status.SUCCEEDED, "started_at": None, **before.fields(), **error}
    else:
        fields = {"status": status, "finished_at": timezone.now()}
        fields |= error if status == Status.FAILED else {}
    if not row.update(**fields, **turns.FREE):
        return False
    if before is not None:
        before.delete()
    announce(prediction_id)
    return True


def announce(prediction_id: uuid.UUID) -> None:
    """Tell of an end in the transaction that makes it one, and again once it is committed."""
    ended.send(Prediction, prediction_id=prediction_id)
    transaction.on_commit(lambda: finished.send_robust(Prediction, prediction_id=prediction_id))


def complete(prediction: Prediction, analysis, renditions) -> bool:
    """Store the answer and, of a photo that is kept, the clean copies; drop the upload.

    ``analysis`` is mlcore's Analysis, ``renditions`` a Renditions. Returns False where the
    prediction was deleted or canceled, or given to another worker, in the meantime; nothing is
    kept then. Raises StorageUnavailable.
    """
    photo = prediction.photo
    upload = photo.upload.name
    # The files come first, in names of their own: nobody waits in a transaction for storage.
    stored: list[str] = []
    try:
        if upload and photo.is_kept and leased(prediction).exists():
            for kind in ("display", "thumbnail"):
                content = ContentFile(getattr(renditions, kind))
                files.save(getattr(photo, kind), kind, content)
                stored.append(getattr(photo, kind).name)
        copies = (renditions.display, renditions.thumbnail) if stored else ()
        held = _complete(prediction, analysis, stored_bytes=sum(map(len, copies)))
    except BaseException:
        _delete_unless_named(photo, stored)
        raise
    if not held:
        delete_files(stored)
    elif upload:
        delete_files([upload])
    return held


@transaction.atomic
def _complete(prediction: Prediction, analysis, stored_bytes: int) -> bool:
    photo = prediction.photo
    main = analysis.faces[0] if analysis.faces else None
    held = leased(prediction).update(
        status=Status.SUCCEEDED,
        finished_at=timezone.now(),
        label=main.label if main else "",
        confidence=main.confidence if main else None,
        unsure=main.unsure if main else None,
        advice=list(analysis.advice),
        timings=asdict(analysis.timings),
        model_name=analysis.model.name,
        model_version=analysis.model.version,
        model_sha256=analysis.model.sha256,
        error_code="",
        error_detail="",
        **turns.FREE,
    )
    if not held:
        return False
    announce(prediction.pk)
    if photo.upload:
        photo.width, photo.height = analysis.width, analysis.height
        photo.stored_bytes = stored_bytes
        photo.upload = ""
        columns = ["width", "height", "stored_bytes", "upload", "display", "thumbnail"]
        photo.save(update_fields=columns)
    # An analysis of the display copy is measured in that copy's pixels.
    scale_x, scale_y = photo.width / analysis.width, photo.height / analysis.height
    faces = [
        Face(
            prediction=prediction,
            index=index,
            x=round(face.box.x * scale_x),
            y=round(face.box.y * scale_y),
            width=round(face.box.width * scale_x),
            height=round(face.box.height * scale_y),
            detection_confidence=face.detection_confidence,
            label=face.label,
            confidence=face.confidence,
            unsure=face.unsure,
            probabilities=dict(face.probabilities),
        )
        for index, face in enumerate(analysis.faces)
    ]
    _keep_corrections(list(prediction.faces.exclude(correction="")), faces)
    prediction.explanations.all().delete()
    # What this same network said before is repeated now.
    prediction.earlier_answers.filter(model_sha256=analysis.model.sha256).delete()
    prediction.faces.all().delete()
    Face.objects.bulk_create(faces)
    return True


def _keep_corrections(old: list[Face], new: list[Face]) -> None:
    """Carry what the owner said of a face over to the same face of a new analysis."""
    for face in new:
        for other in old:
            if face.overlap(other) > 0.5:
                face.correction, face.corrected_at = other.correction, other.corrected_at


def fail(prediction: Prediction, code: str, detail: str, *, keep_upload: bool = True) -> bool:
    """End a running prediction with a stable code and one sentence, in English, for its owner.

    An answer from before holds on. Where the picture itself is at fault nothing can come of it
    any more: ``keep_upload`` False removes its bytes, which may hold more than pixels (a place, a
    camera's owner).
    """
    with transaction.atomic():
        held = _end(leased(prediction), prediction.pk, Status.FAILED, code, detail)
        if held and not (keep_upload and prediction.photo.is_kept):
            _drop_upload(prediction.photo)
    return held


def _drop_upload(photo: Photo) -> None:
    upload = photo.upload.name
    if upload:
        Photo.objects.filter(pk=photo.pk).update(upload="", stored_bytes=0)
        transaction.on_commit(lambda: delete_files([upload]))


def fail_or_requeue(prediction: Prediction, code: str) -> bool:
    """Repeat an attempt that failed through no fault of the photo, a little later.

    ``code`` is one of INTERNAL_ERRORS, with which the prediction fails after MAX_ATTEMPTS; the
    upload stays then, so that its owner can repeat it. Returns False where another worker holds
    the prediction by now.
    """
    if prediction.attempts >= MAX_ATTEMPTS:
        return fail(prediction, code, INTERNAL_ERRORS[code])
    delay = RETRY_DELAYS[min(prediction.attempts, len(RETRY_DELAYS)) - 1]
    delay *= random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311
    return _requeue(leased(prediction), prediction, not_before=timezone.now() + delay)


def _requeue(row: QuerySet, prediction: Prediction, **fields) -> bool:
    """Put a running prediction back, before its owner's younger ones."""
    with transaction.atomic():
        place = turns.place(Prediction, prediction.owner_id, urgent=prediction.is_urgent)
        requeued = row.update(**{**place, "queued_at": prediction.queued_at, **fields})
        if requeued and not fields:
            wake_worker_on_commit()
    return bool(requeued)


def handle_worker_lost(task_id: str) -> None:
    """Take what a worker process held that was killed: to the queue, or to its end."""
    for prediction in Prediction.objects.filter(
        status=Status.RUNNING, lease__startswith=f"{task_id}:"
    ):
        handle_lease_lapsed(prediction)


def handle_time_limit(task_id: str) -> None:
    """End what a worker process held that hung until Celery killed it; it is not tried again."""
    for prediction in Prediction.objects.filter(
        status=Status.RUNNING, lease__startswith=f"{task_id}:"
    ):
        fail(prediction, "timed_out", INTERNAL_ERRORS["timed_out"])


def handle_lease_lapsed(prediction: Prediction) -> None:
    """Queue a running prediction whose holder is gone, or end it after MAX_ATTEMPTS.

    Nothing happens where the holder has counted on, or has finished, since it was read.
    """
    row = leased(prediction).filter(lease_count=prediction.lease_count)
    if prediction.attempts < MAX_ATTEMPTS:
        _requeue(row, prediction)
        return
    with transaction.atomic():
        why = INTERNAL_ERRORS["worker_lost"]
        lost = _end(row, prediction.pk, Status.FAILED, "worker_lost", why)
        if lost and not prediction.photo.is_kept:
            _drop_upload(prediction.photo)


def cancel(prediction: Prediction) -> None:
    """Cancel what has not finished; an answer from before holds on.

    Raises NotAllowed (already_finished).
    """
    with transaction.atomic():
        # A worker that ends it just now is waited for.
        list(Prediction.objects.select_for_update().filter(pk=prediction.pk).values_list("pk"))
        row = Prediction.objects.filter(pk=prediction.pk, status__in=UNFINISHED)
        why = "The new analysis was canceled."
        if not _end(row, prediction.pk, Status.CANCELED, "canceled", why):
            raise NotAllowed("already_finished", _("This prediction has already finished."))
        if not prediction.photo.is_kept:
            _drop_upload(prediction.photo)
    prediction.refresh_from_db()


def rerun(prediction: Prediction, *, urgent: bool = False) -> None:
    """Queue a finished prediction again; ``urgent`` is that of ``submit``.

    Raises NotAllowed (not_finished, photo_missing), and QueueFull and QuotaExceeded, except for
    the gallery. The old
    answer is taken back at once; its faces and advice stay behind, unseen, until there is a new
    one, and what it said is kept for a comparison with what another network says.
    """
    with transaction.atomic():
        # An owner's requests take turns, so that none slips past the quota.
        list(get_user_model().objects.select_for_update(no_key=True).filter(pk=prediction.owner_id))
        # A worker that ends it just now drops a photo that is not kept: it is waited for.
        list(Prediction.objects.select_for_update().filter(pk=prediction.pk).values_list("pk"))
        photo = Photo.objects.filter(prediction=prediction.pk).first()
        if photo is None or not photo.source:
            raise NotAllowed("photo_missing", _("The photo of this prediction is not kept."))
        if prediction.owner_id is not None:
            quotas.check_queue(prediction.owner)
        answered = Prediction.objects.filter(pk=prediction.pk, status=Status.SUCCEEDED)
        for answer in answered.prefetch_related("faces"):
            EarlierAnswer.keep(answer)
        queued = (
            Prediction.objects.filter(pk=prediction.pk)
            .exclude(status__in=UNFINISHED)
            .update(
                **turns.place(Prediction, prediction.owner_id, urgent=urgent),
                attempts=0,
                started_at=None,
                finished_at=None,
                label="",
                confidence=None,
                unsure=None,
                model_name="",
                model_version="",
                model_sha256="",
                error_code="",
                error_detail="",
            )
        )
        if not queued:
            raise NotAllowed("not_finished", _("This prediction has not finished yet."))
        wake_worker_on_commit()
    prediction.refresh_from_db()


def correct(face: Face, label: str) -> None:
    """Keep what the owner would call this face, beside the answer; "" takes it back.

    Raises ValueError for a label that is none of the seven, and NotAllowed (not_finished) where
    the answer that the face belongs to was taken back.
    """
    if label and label not in LABELS:
        raise ValueError(f"{label!r} is no emotion of this network")
    face.correction = label
    face.corrected_at = timezone.now() if label else None
    with transaction.atomic():
        # A worker that replaces the faces is waited for, or waits.
        answered = Prediction.objects.select_for_update().filter(
            pk=face.prediction_id, status=Status.SUCCEEDED
        )
        kept = answered.first() and Face.objects.filter(pk=face.pk).update(
            correction=face.correction, corrected_at=face.corrected_at
        )
    if not kept:
        raise NotAllowed("not_finished", _("This face is being analysed anew."))
