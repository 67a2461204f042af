"""Celery tasks: fetch by id, call a service. Their names are what ``services`` sends."""

from functools import cache

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import task_failure, worker_process_init
from django.conf import settings
from django.utils.translation import gettext_noop, override

from mlcore.errors import MLCoreError, UnreadableImage
from predictions import explanations, files, recovery, removal, services
from predictions.models import Face
from predictions.uploads import explain

log = structlog.get_logger(__name__)

OUR_FAULT = {
    "model_unavailable": gettext_noop("The network is not available at the moment."),
    "model_mismatch": gettext_noop("The network is not available at the moment."),
    "photo_missing": gettext_noop("The stored photo is gone."),
    "timed_out": gettext_noop("The analysis took too long."),
    "internal_error": gettext_noop("Something went wrong on our side."),
}


@cache
def analyser():
    """Return the process's analyser; the first call loads the network."""
    from mlcore import EmotionAnalyser

    return EmotionAnalyser(settings.MODEL_PATH, threads=settings.WORKER_THREADS or None)


@worker_process_init.connect
def load_network(**_kwargs) -> None:
    """Load network and detector when a worker process starts: the first photo need not wait."""
    from PIL import Image

    try:
        for faces_are_cropped in (False, True):
            analyser().analyse(Image.new("RGB", (640, 480)), faces_are_cropped)
    except MLCoreError:
        log.exception("the network could not be loaded")


@shared_task(name=services.ANALYSE)
def analyse(prediction_id: str) -> None:
    """Analyse one photo. A repeated delivery finds nothing to claim and ends."""
    prediction = services.claim(prediction_id)
    if prediction is None:
        return
    from mlcore.images import load_photo
    from predictions.renditions import render

    def fail(code: str) -> None:
        services.fail(prediction, code, OUR_FAULT[code])

    try:
        with prediction.photo.source.open("rb") as file:
            photo = load_photo(file.read(), max_pixels=settings.MAX_UPLOAD_MEGAPIXELS * 1_000_000)
        services.complete(prediction, analyser().analyse(photo), render(photo.image))
    except UnreadableImage as error:
        # The time limit is an exception that may be raised in the middle of a decoder.
        if isinstance(error.__cause__, SoftTimeLimitExceeded):
            fail("timed_out")
        else:
            with override("en"):
                detail = explain(error.code)
            services.fail(prediction, error.code, detail, keep_upload=False)
    except MLCoreError as error:
        log.exception("the network could not be used", prediction=prediction_id)
        fail(error.code)
    except FileNotFoundError:
        fail("photo_missing")
    except SoftTimeLimitExceeded:
        fail("timed_out")
    except Exception:
        log.exception("analysis failed", prediction=prediction_id)
        fail("internal_error")


@task_failure.connect(sender=analyse)
def lose(args=(), **_kwargs) -> None:
    """Hear, in the worker's main process, that the process at work was killed or hung."""
    services.lose(*args)


@shared_task(name=explanations.DRAW)
def draw_explanation(face_id: int) -> None:
    """Draw where the network looked on one face. A face that is gone needs nothing."""
    from mlcore.detection import Box
    from mlcore.images import Photo, load_photo
    from predictions.renditions import jpeg

    face = Face.objects.filter(pk=face_id).select_related("prediction__photo").first()
    if face is None or face.prediction.explanations.filter(index=face.index).exists():
        return
    photo = face.prediction.photo
    try:
        if face.prediction.model_sha256 != analyser().model.sha256:
            raise LookupError("this worker has another network")
        with photo.display.open("rb") as file:
            copy = Photo(load_photo(file.read()).image, photo.width, photo.height)
        box = Box(face.x, face.y, face.width, face.height)
        picture = analyser().explain(copy, box, face.label)
    except Exception:
        log.exception("no explanation", face=face_id)
        explanations.give_up(face)
    else:
        explanations.keep(face, jpeg(picture, max(picture.size), 85))


@shared_task(name=services.SWEEP)
def sweep() -> None:
    """Bring back what was lost, and delete what was removed."""
    recovery.sweep()
    removal.purge()


@shared_task(name=services.FORGET)
def forget() -> None:
    """Delete what is older than the operator keeps it."""
    removal.forget()


@shared_task(name=services.REMOVE_ORPHANS)
def remove_orphans() -> None:
    """Remove stored files that no photo owns."""
    files.remove_orphans()
