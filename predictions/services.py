"""The rules of a prediction's life, and the only writers of its status.

queued -> running -> succeeded | failed | canceled. The database is the queue of record: a task is
a hint to a worker that a row waits, so the broker may lose, repeat or delay tasks without harm.
"""

import uuid
from dataclasses import asdict

import structlog
from celery import current_app
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop
from kombu.exceptions import OperationalError

from mlcore.labels import LABELS
from predictions.files import delete_files
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
from predictions.signals import ended, finished
from predictions.uploads import Upload

log = structlog.get_logger(__name__)

ANALYSE = "predictions.analyse"
SWEEP = "predictions.sweep"
FORGET = "predictions.forget"
REMOVE_ORPHANS = "predictions.remove_orphans"

MAX_ATTEMPTS = 3


class QueueFull(Exception):
    """More photos wait than the operator allows; ``retry_after`` in seconds."""

    code = "queue_full"
    retry_after = 30
    detail = gettext_lazy(
        "Too many photos are waiting at the moment. Please try again in half a minute."
    )


class BrokerUnavailable(Exception):
    """No worker can be asked at the moment; ``retry_after`` in seconds."""

    code = "broker_unavailable"
    retry_after = 10
    detail = gettext_lazy(
        "This cannot be worked on at the moment. Please try again in a few seconds."
    )


class NotAllowed(Exception):
    """The prediction is not in a state that allows this; ``code`` and ``detail`` say why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


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
    key: IdempotencyKey | None = None,
) -> tuple[Prediction, bool]:
    """Store a photo with its queued prediction; return it and whether it is new.

    A byte-identical photo of the same owner returns the existing record unless ``force``. What is
    new is tied to ``key``, the request's, in the same transaction. Without ``keep_photo`` the
    pixels go as soon as the prediction ends.
    ``owner`` None is the gallery, whose few pictures find room always. Raises QueueFull, and
    NotAllowed (account_deleted) where the owner goes at this moment.
    """
    if owner is not None:
        existing = None if force else find_duplicate(owner, upload.sha256, keep_photo)
        if existing is not None:
            return existing, False
        _check_queue()
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
        photo.upload.save("upload", upload.file, save=False)
        with transaction.atomic():
            existing = None
            if owner is not None:
                # Two requests with the same photo take turns, and the second finds the first.
                if not get_user_model().objects.select_for_update().filter(pk=owner.pk).first():
                    raise NotAllowed("account_deleted", _("This account is deleted."))
                existing = None if force else find_duplicate(owner, upload.sha256, keep_photo)
            if existing is None:
                photo.save(force_insert=True)
                prediction = Prediction.objects.create(
                    owner=owner, photo=photo, name_key=name_key(photo.name)
                )
                if key is not None:
                    key.predictions.add(prediction)
    except BaseException:
        delete_files(photo.file_names())
        raise
    if existing is not None:
        delete_files(photo.file_names())
        return existing, False
    send_on_commit(prediction.pk)
    return prediction, True


def _check_queue() -> None:
    if Prediction.objects.filter(status=Status.QUEUED).count() >= settings.QUEUE_LIMIT:
        raise QueueFull


def send_on_commit(prediction_id: uuid.UUID) -> None:
    transaction.on_commit(lambda: send(prediction_id), robust=True)


def send(prediction_id: uuid.UUID) -> bool:
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
    now = timezone.now()
    Prediction.objects.filter(pk=prediction_id, status=Status.QUEUED).update(
        status=Status.RUNNING, attempts=F("attempts") + 1, started_at=now, finished_at=None
    )
    return (
        Prediction.objects.select_related("photo")
        .filter(pk=prediction_id, status=Status.RUNNING, started_at=now)
        .first()
    )


def _held(prediction: Prediction) -> QuerySet:
    """Return the row if this attempt still holds it: a late worker must not win."""
    return Prediction.objects.filter(
        pk=prediction.pk, status=Status.RUNNING, started_at=prediction.started_at
    )


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
    if not row.update(**fields):
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
    prediction was deleted or canceled, or timed out, in the meantime; nothing is kept then.
    """
    photo = prediction.photo
    main = analysis.faces[0] if analysis.faces else None
    with transaction.atomic():
        held = _held(prediction).update(
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
        )
        if not held:
            return False
        announce(prediction.pk)
        upload = photo.upload.name
        if upload:
            photo.width, photo.height = analysis.width, analysis.height
            photo.stored_bytes = 0
            if photo.is_kept:
                photo.stored_bytes = len(renditions.display) + len(renditions.thumbnail)
                photo.display.save("display", ContentFile(renditions.display), save=False)
                photo.thumbnail.save("thumbnail", ContentFile(renditions.thumbnail), save=False)
            photo.upload = ""
            columns = ["width", "height", "stored_bytes", "upload", "display", "thumbnail"]
            photo.save(update_fields=columns)
            transaction.on_commit(lambda: delete_files([upload]))
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
        held = _end(_held(prediction), prediction.pk, Status.FAILED, code, detail)
        if held and not (keep_upload and prediction.photo.is_kept):
            _drop_upload(prediction.photo)
    return held


def _drop_upload(photo: Photo) -> None:
    upload = photo.upload.name
    if upload:
        Photo.objects.filter(pk=photo.pk).update(upload="", stored_bytes=0)
        transaction.on_commit(lambda: delete_files([upload]))


def lose(prediction_id: str) -> None:
    """Take a running prediction from a worker that died: to the queue, or to its end."""
    with transaction.atomic():
        give_up_or_queue(Prediction.objects.filter(pk=prediction_id, status=Status.RUNNING))
        send_on_commit(prediction_id)


def give_up_or_queue(lost) -> None:
    """Queue running predictions that lost their worker, or end them after MAX_ATTEMPTS."""
    tired = lost.filter(attempts__gte=MAX_ATTEMPTS)
    for prediction_id in list(tired.values_list("pk", flat=True)):
        why = gettext_noop("The analysis stopped three times without an answer.")
        row = tired.filter(pk=prediction_id)
        if _end(row, prediction_id, Status.FAILED, "worker_lost", why):
            for photo in Photo.objects.filter(prediction=prediction_id, is_kept=False):
                _drop_upload(photo)
    lost.update(status=Status.QUEUED, sent_at=None)


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


def rerun(prediction: Prediction) -> None:
    """Queue a finished prediction again.

    Raises NotAllowed (not_finished, photo_missing), and QueueFull, except for the gallery. The old
    answer is taken back at once; its faces and advice stay behind, unseen, until there is a new
    one, and what it said is kept for a comparison with what another network says.
    """
    with transaction.atomic():
        # A worker that ends it just now drops a photo that is not kept: it is waited for.
        list(Prediction.objects.select_for_update().filter(pk=prediction.pk).values_list("pk"))
        photo = Photo.objects.filter(prediction=prediction.pk).first()
        if photo is None or not photo.source:
            raise NotAllowed("photo_missing", _("The photo of this prediction is not kept."))
        if prediction.owner_id is not None:
            _check_queue()
        answered = Prediction.objects.filter(pk=prediction.pk, status=Status.SUCCEEDED)
        for answer in answered.prefetch_related("faces"):
            EarlierAnswer.keep(answer)
        queued = (
            Prediction.objects.filter(pk=prediction.pk)
            .exclude(status__in=UNFINISHED)
            .update(
                status=Status.QUEUED,
                attempts=0,
                sent_at=None,
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
        send_on_commit(prediction.pk)
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
