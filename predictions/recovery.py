"""Bringing back what was lost between database, broker and workers; maintenance's worker does it.

The monitors live as long as the process: what they have not watched, they do not judge.
"""

from collections.abc import Callable

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


def sweep() -> None:
    """Free what dead workers held, and see to it that there is a task for all that waits."""
    _free_lapsed(Prediction, services.handle_lease_lapsed)
    _free_lapsed(ExplanationRequest, explanations.handle_lease_lapsed)
    _wake_workers(Prediction, services.ANALYSE)
    _wake_workers(ExplanationRequest, explanations.DRAW)


def _free_lapsed(model: type[QueueEntry], free: Callable[[QueueEntry], None]) -> None:
    """Free what has lost its holder; an entry that cannot be freed keeps no other waiting."""
    for entry in _monitors[model].lapsed(model):
        log.warning("lease lapsed", entry=str(entry.pk), attempt=entry.attempts)
        try:
            free(entry)
        except Exception:
            log.exception("entry not freed", entry=str(entry.pk))


def _wake_workers(model: type[QueueEntry], task: str) -> None:
    """Top up the broker's queue to one task for each entry that is ready."""
    ready = turns.ready(model)[:MAX_WAKEUPS].count()
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
