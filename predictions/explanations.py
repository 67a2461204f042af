"""Where the network looked on a face: asked for by its owner, drawn by a worker, kept.

Drawings have a queue of their own, which takes turns with the photos: neither waits for all of
the other.
"""

import structlog
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from mlcore.model_info import read_model_info
from predictions.models import Explanation, Face, Prediction
from predictions.notices import announce, wait
from predictions.services import BrokerUnavailable, NotAllowed

log = structlog.get_logger(__name__)

DRAW = "predictions.draw_explanation"
ASKED_AGAIN_AFTER = 60
"""Seconds in which a drawing is not asked for again, and after which nobody draws it any more."""


def picture(face: Face, seconds: float) -> bytes | None:
    """Return the JPEG; where it is not drawn yet, ask for it and wait, at most ``seconds``.

    None: it is still being drawn. Raises NotAllowed (photo_missing, model_changed,
    not_explained), MLCoreError where no network is installed, and BrokerUnavailable.
    """
    drawn = Explanation.objects.filter(prediction=face.prediction_id, index=face.index)
    if not drawn.exists():
        _ask(face)
        wait(_key(face), lambda: drawn.exists() or _has_failed(face), seconds)
    if explanation := drawn.first():
        return bytes(explanation.picture)
    if _has_failed(face):
        raise NotAllowed("not_explained", _("This face could not be drawn; see the site's log."))
    return None


def _ask(face: Face) -> None:
    if not face.prediction.photo.display:
        raise NotAllowed("photo_missing", _("The photo of this prediction is not kept."))
    if face.prediction.model_sha256 != read_model_info(settings.MODEL_PATH).sha256:
        detail = _(
            "Another network answers now, which cannot explain this answer. Analyse it again."
        )
        raise NotAllowed("model_changed", detail)
    if not cache.add(_key(face), "asked", timeout=ASKED_AGAIN_AFTER):
        return
    try:
        current_app.send_task(DRAW, [face.pk], retry=False, expires=ASKED_AGAIN_AFTER)
    except (OperationalError, OSError) as error:
        cache.delete(_key(face))
        log.warning("broker unreachable", face=face.pk, error=str(error))
        raise BrokerUnavailable from error


def _key(face: Face) -> str:
    return f"explanation:{face.pk}"


def _has_failed(face: Face) -> bool:
    return cache.get(_key(face)) == "failed"


def is_under_way(face: Face) -> bool:
    """Return whether the picture is drawn or was asked for: to look for it costs nothing."""
    drawn = Explanation.objects.filter(prediction=face.prediction_id, index=face.index)
    return cache.get(_key(face)) is not None or drawn.exists()


def forget_failure(face: Face) -> None:
    """Let a face that could not be drawn be asked for again at once."""
    if _has_failed(face):
        cache.delete(_key(face))


def keep(face: Face, jpeg: bytes) -> None:
    """Store the picture and wake up whoever waits for it; a face that is gone is no error."""
    with transaction.atomic():
        # A new analysis or a delete takes turns with this one.
        list(Prediction.objects.select_for_update().filter(pk=face.prediction_id).values_list("pk"))
        if Face.objects.filter(pk=face.pk).exists():
            Explanation.objects.get_or_create(
                prediction_id=face.prediction_id, index=face.index, defaults={"picture": jpeg}
            )
    announce(_key(face))


def give_up(face: Face) -> None:
    """Tell whoever waits that there will be no picture; after a while it may be asked for again."""
    cache.set(_key(face), "failed", timeout=ASKED_AGAIN_AFTER)
    announce(_key(face))
