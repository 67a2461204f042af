"""Where the network looked on a face: asked for by its owner, drawn by a worker, kept.

Requests wait in a queue of their own in the database, where owners take turns as they do with
photos. Workers alternate between the two queues: neither waits for all of the other.
"""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from mlcore.model_info import read_model_info
from predictions import turns
from predictions.leases import leased, new_lease
from predictions.models import Explanation, ExplanationRequest, Face, Prediction, Status
from predictions.notices import announce, wait
from predictions.services import NotAllowed, wake_worker

log = structlog.get_logger(__name__)

DRAW = "predictions.draw_explanation"

MAX_ATTEMPTS = 3

RETRY_DELAY = timedelta(seconds=1)

FAILURE_TTL = timedelta(minutes=1)
"""How long a face that could not be drawn is not tried again."""


def picture(face: Face, seconds: float) -> bytes | None:
    """Return the JPEG; where it is not drawn yet, ask for it and wait, at most ``seconds``.

    None: it is still being drawn. Raises NotAllowed (photo_missing, model_changed,
    not_explained), and MLCoreError where no network is installed.
    """
    drawn = Explanation.objects.filter(prediction=face.prediction_id, index=face.index)
    if not drawn.exists():
        _request(face)
        wait(_key(face), lambda: drawn.exists() or _has_failed(face), seconds)
    if explanation := drawn.first():
        return bytes(explanation.picture)
    if _has_failed(face):
        raise NotAllowed("not_explained", _("This face could not be drawn; see the site's log."))
    return None


def _request(face: Face) -> None:
    prediction = face.prediction
    if not prediction.photo.display:
        raise NotAllowed("photo_missing", _("The photo of this prediction is not kept."))
    if prediction.model_sha256 != read_model_info(settings.MODEL_PATH).sha256:
        detail = _(
            "Another network answers now, which cannot explain this answer. Analyse it again."
        )
        raise NotAllowed("model_changed", detail)
    with transaction.atomic():
        # A delete or a new analysis takes turns with this, and takes the new row along.
        list(Prediction.objects.select_for_update().filter(pk=prediction.pk).values_list("pk"))
        _requests(face).filter(_expired()).delete()
        if not Face.objects.filter(pk=face.pk).exists():
            return
        place = turns.place(ExplanationRequest, prediction.owner_id, urgent=True)
        _row, is_new = ExplanationRequest.objects.get_or_create(
            prediction_id=prediction.pk,
            index=face.index,
            defaults={"owner_id": prediction.owner_id, **place},
        )
    if is_new:
        wake_worker(DRAW)


def _requests(face: Face):
    return ExplanationRequest.objects.filter(prediction=face.prediction_id, index=face.index)


def _expired() -> Q:
    return Q(status=Status.FAILED, finished_at__lt=timezone.now() - FAILURE_TTL)


def _key(face: Face) -> str:
    return f"explanation:{face.prediction_id}:{face.index}"


def _has_failed(face: Face) -> bool:
    return _requests(face).filter(status=Status.FAILED).exists()


def is_under_way(face: Face) -> bool:
    """Return whether the picture is drawn or was asked for: to look for it costs nothing."""
    drawn = Explanation.objects.filter(prediction=face.prediction_id, index=face.index)
    return _requests(face).exclude(_expired()).exists() or drawn.exists()


def forget_failure(face: Face) -> None:
    """Let a face that could not be drawn be asked for again at once."""
    _requests(face).filter(status=Status.FAILED).delete()


def claim(task_id: str) -> tuple[ExplanationRequest, Face] | None:
    """Take the request whose turn it is, with its face; None: nothing waits.

    A request whose face is gone is dropped, and the next one taken.
    """
    while request := turns.claim(ExplanationRequest, new_lease(task_id)):
        face = (
            Face.objects.filter(prediction=request.prediction_id, index=request.index)
            .select_related("prediction__photo")
            .first()
        )
        if face is not None:
            return request, face
        leased(request).delete()
    return None


def keep(request: ExplanationRequest, face: Face, jpeg: bytes) -> None:
    """Store the picture and wake up who waits for it; a face that is gone is no error."""
    with transaction.atomic():
        # A new analysis or a delete takes turns with this one.
        list(Prediction.objects.select_for_update().filter(pk=face.prediction_id).values_list("pk"))
        held, _deleted = leased(request).delete()
        if held and Face.objects.filter(pk=face.pk).exists():
            Explanation.objects.get_or_create(
                prediction_id=face.prediction_id, index=face.index, defaults={"picture": jpeg}
            )
    announce(_key(face))


def requeue(request: ExplanationRequest) -> bool:
    """Repeat an attempt that failed through no fault of the face, unless it was the last one."""
    if request.attempts >= MAX_ATTEMPTS:
        return False
    place = turns.place(ExplanationRequest, request.owner_id, urgent=True)
    not_before = timezone.now() + RETRY_DELAY
    return bool(leased(request).update(**{**place, "not_before": not_before}))


def fail(request: ExplanationRequest, face: Face) -> None:
    """Tell who waits that there will be no picture; after FAILURE_TTL it may be asked for again."""
    leased(request).update(status=Status.FAILED, finished_at=timezone.now(), **turns.FREE)
    announce(_key(face))


def handle_worker_lost(task_id: str) -> None:
    """Take the request that a killed worker process held: to the queue, or to its end."""
    for request in ExplanationRequest.objects.filter(
        status=Status.RUNNING, lease__startswith=f"{task_id}:"
    ):
        handle_lease_lapsed(request)


def handle_lease_lapsed(request: ExplanationRequest) -> None:
    """Queue a running request whose holder is gone, or end it after MAX_ATTEMPTS."""
    row = leased(request).filter(lease_count=request.lease_count)
    if request.attempts >= MAX_ATTEMPTS:
        row.update(status=Status.FAILED, finished_at=timezone.now(), **turns.FREE)
    elif row.update(**turns.place(ExplanationRequest, request.owner_id, urgent=True)):
        wake_worker(DRAW)
