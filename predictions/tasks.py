"""Celery tasks: claim what is next, call a service. Their names are what ``services`` sends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import structlog
from celery import shared_task
from celery.exceptions import TimeLimitExceeded
from celery.signals import task_failure, worker_process_init
from django.conf import settings
from django.db import connection
from django.db.models.fields.files import FieldFile
from django.utils.translation import override

from emotionsite.celery import one_at_a_time
from mlcore.errors import MLCoreError, ModelMismatch, UnreadableImage
from predictions import explanations, files, leases, recovery, removal, services
from predictions.files import StorageUnavailable
from predictions.models import ExplanationRequest, Face, Prediction
from predictions.uploads import explain

if TYPE_CHECKING:
    from mlcore.images import Photo

log = structlog.get_logger(__name__)

ANALYSIS_CPU_LIMIT = 120.0
"""Seconds of CPU time that the network may take for one photo; 64 faces take 5 to 50."""


class CpuTimeExceeded(Exception):
    """The work took more CPU time than it may."""


@contextmanager
def cpu_time_limit(seconds: float) -> Iterator[None]:
    """Raise CpuTimeExceeded once this process has used so much CPU time in the block.

    A busy machine makes nothing time out. Only a main thread can be interrupted: elsewhere the
    block runs to its end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    is_armed = True

    def stop(_signal, _frame):
        if is_armed:
            raise CpuTimeExceeded

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        is_armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@cache
def analyser():
    """Return the process's analyser; the first call loads the network."""
    from mlcore import EmotionAnalyser

    return EmotionAnalyser(settings.MODEL_PATH, threads=settings.WORKER_THREADS or 1)


@worker_process_init.connect
def load_network(**_kwargs) -> None:
    """Load what a photo needs when a worker process starts: the first one need not wait."""
    from PIL import Image

    from mlcore.decoder import shared_decoder

    try:
        shared_decoder().start()
        for faces_are_cropped in (False, True):
            analyser().analyse(Image.new("RGB", (640, 480)), faces_are_cropped)
    except MLCoreError:
        log.exception("the network could not be loaded")


@shared_task(name=services.ANALYSE, bind=True)
def analyse(self, _prediction_id: str | None = None) -> None:
    """Analyse the photo whose turn it is; where nothing waits, there is nothing to do.

    Tasks of an older version name a photo, which is not looked at.
    """
    prediction = services.claim(self.request.id or "")
    if prediction is None:
        return
    with leases.hold(prediction):
        _analyse(prediction)


def _analyse(prediction: Prediction) -> None:
    from predictions.renditions import render

    try:
        photo = _decode(prediction.photo.source)
        with cpu_time_limit(ANALYSIS_CPU_LIMIT):
            analysis = analyser().analyse(photo)
        renditions = render(photo.image)
        _drop_broken_connection()
        services.complete(prediction, analysis, renditions)
    except UnreadableImage as error:
        with override("en"):
            detail = explain(error.code)
        # A slow machine runs out of time where another one does not.
        keep_upload = error.code == "timed_out"
        services.fail(prediction, error.code, detail, keep_upload=keep_upload)
    except CpuTimeExceeded:
        services.fail(prediction, "timed_out", services.INTERNAL_ERRORS["timed_out"])
    except Exception as error:
        code = _internal_code(error)
        log.exception("analysis failed", prediction=str(prediction.pk), code=code)
        _drop_broken_connection()
        services.fail_or_requeue(prediction, code)


def _drop_broken_connection() -> None:
    """Let the next statement open a new database connection where this one broke.

    It may have been cut while this process computed, or waited, for long.
    """
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def _internal_code(error: Exception) -> str:
    """Return the stable code of a fault that is not the photo's."""
    if isinstance(error, (MLCoreError, StorageUnavailable)):
        return error.code
    if isinstance(error, FileNotFoundError):
        return "photo_missing"
    return "storage_unavailable" if isinstance(error, OSError) else "internal_error"


def _decode(source: FieldFile) -> "Photo":
    """Read a stored picture in the decoder process; these bytes are never parsed here."""
    from mlcore.decoder import shared_decoder

    with files.open_file(source) as file:
        content = file.read()
    return shared_decoder().decode(content, max_pixels=settings.MAX_UPLOAD_MEGAPIXELS * 1_000_000)


@task_failure.connect(sender=analyse)
def handle_analysis_lost(task_id=None, exception=None, **_kwargs) -> None:
    """Hear, in the worker's main process, that the process at work was killed or hung."""
    _drop_broken_connection()
    if isinstance(exception, TimeLimitExceeded):
        services.handle_time_limit(task_id)
    else:
        services.handle_worker_lost(task_id)


@shared_task(name=explanations.DRAW, bind=True)
def draw_explanation(self, _face_id: int | None = None) -> None:
    """Draw where the network looked on the face whose turn it is."""
    claimed = explanations.claim(self.request.id or "")
    if claimed is None:
        return
    request, face = claimed
    with leases.hold(request):
        _draw(request, face)


def _draw(request: ExplanationRequest, face: Face) -> None:
    from mlcore.detection import Box
    from mlcore.images import Photo
    from predictions.renditions import jpeg

    photo = face.prediction.photo
    try:
        if face.prediction.model_sha256 != analyser().model.sha256:
            raise ModelMismatch("this worker has another network")
        copy = Photo(_decode(photo.display).image, photo.width, photo.height)
        with cpu_time_limit(ANALYSIS_CPU_LIMIT):
            box = Box(face.x, face.y, face.width, face.height)
            picture = analyser().explain(copy, box, face.label)
        content = jpeg(picture, max(picture.size), 85)
        _drop_broken_connection()
        explanations.keep(request, face, content)
    except (UnreadableImage, ModelMismatch, CpuTimeExceeded):
        log.exception("no explanation", face=face.pk)
        explanations.fail(request, face)
    except Exception:
        log.exception("no explanation", face=face.pk)
        _drop_broken_connection()
        if not explanations.requeue(request):
            explanations.fail(request, face)


@task_failure.connect(sender=draw_explanation)
def handle_explanation_lost(task_id=None, **_kwargs) -> None:
    _drop_broken_connection()
    explanations.handle_worker_lost(task_id)


@shared_task(name=services.SWEEP)
@one_at_a_time
def sweep() -> None:
    """Bring back what was lost."""
    recovery.sweep()


@shared_task(name="predictions.purge")
@one_at_a_time
def purge() -> None:
    """Delete what was removed."""
    removal.purge()


@shared_task(name=services.FORGET)
@one_at_a_time
def forget() -> None:
    """Delete what is older than the operator keeps it."""
    removal.forget()


@shared_task(name=services.REMOVE_ORPHANS)
@one_at_a_time
def remove_orphans() -> None:
    """Remove stored files that no photo owns, and temporary files."""
    files.remove_orphans()
