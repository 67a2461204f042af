"""Celery tasks: fetch by id, call a service. Their names are what ``services`` sends."""

from functools import cache

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_init
from django.conf import settings

from mlcore.errors import MLCoreError
from predictions import services

log = structlog.get_logger(__name__)


@cache
def analyser():
    """Return the process's analyser; the first call loads the network."""
    from mlcore import EmotionAnalyser

    return EmotionAnalyser(threads=settings.WORKER_THREADS or None)


@worker_process_init.connect
def load_network(**_kwargs) -> None:
    """Load the network when a worker process starts, so that the first photo need not wait."""
    try:
        analyser().warm_up()
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

    try:
        with prediction.photo.source.open("rb") as file:
            photo = load_photo(file.read(), max_pixels=settings.MAX_UPLOAD_MEGAPIXELS * 1_000_000)
        analysis = analyser().analyse(photo)
        services.complete(prediction, analysis, render(photo.image))
    except MLCoreError as error:
        services.fail(prediction, error.code, str(error))
    except FileNotFoundError:
        services.fail(prediction, "photo_missing", "The stored photo is gone.")
    except SoftTimeLimitExceeded:
        services.fail(prediction, "timed_out", "The analysis took too long.")
    except Exception:
        log.exception("analysis failed", prediction=prediction_id)
        services.fail(prediction, "internal_error", "Something went wrong on our side.")


@shared_task(name=services.SWEEP)
def sweep() -> None:
    """Send again what the broker lost, and give up on what failed too often."""
    services.sweep()


@shared_task(name=services.REMOVE_ORPHANS)
def remove_orphans() -> None:
    """Remove stored files that no photo owns."""
    services.remove_orphans()
