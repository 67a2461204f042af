"""Bringing back what was lost between database, broker and workers; maintenance's worker does it.

The monitors live as long as the process: what they have not watched, they do not judge.
"""

import threading

import structlog
from celery import current_app
from kombu.exceptions import ChannelError, OperationalError

from predictions import explanations, services, turns
from predictions.leases import LeaseMonitor
from predictions.models import ExplanationRequest, Prediction, QueueEntry

log = structlog.get_logger(__name__)

MAX_WAKEUPS = 500
"""Tasks that one sweep puts into the broker at most; each claims whatever is next by then."""

_monitors = {Prediction: LeaseMonitor(), ExplanationRequest: LeaseMonitor()}
_sweeping = threading.Lock()


def sweep() -> None:
    """Free what dead workers held, and see to it that there is a task for all that waits."""
    if not _sweeping.acquire(blocking=False):
        return
    try:
        services.place_unplaced()
        for prediction in _monitors[Prediction].lapsed(Prediction):
            log.warning("lease lapsed", prediction=str(prediction.pk), attempt=prediction.attempts)
            services.handle_lease_lapsed(prediction)
        for request in _monitors[ExplanationRequest].lapsed(ExplanationRequest):
            explanations.handle_lease_lapsed(request)
        _wake_workers(Prediction, services.ANALYSE)
        _wake_workers(ExplanationRequest, explanations.DRAW)
    finally:
        _sweeping.release()


def _wake_workers(model: type[QueueEntry], task: str) -> None:
    """Top up the broker's queue to one task for each entry that is ready."""
    ready = min(turns.ready(model).count(), MAX_WAKEUPS)
    if not ready:
        return
    try:
        missing = ready - _tasks_in_broker(task)
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable", error=str(error))
        return
    for _entry in range(missing):
        if not services.wake_worker(task):
            return


def _tasks_in_broker(task: str) -> int:
    route = current_app.amqp.router.route({}, task)
    with current_app.connection_for_write() as connection:
        try:
            declared = connection.default_channel.queue_declare(route["queue"].name, passive=True)
        except ChannelError:  # Redis knows no empty list.
            return 0
    return declared.message_count
