"""Bringing back what was lost between database, broker and workers."""

from datetime import datetime, timedelta

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError

from predictions.models import Prediction, Status
from predictions.services import give_up_or_queue, send

log = structlog.get_logger(__name__)

RUNNING_LIMIT = timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT + 10)
"""Longer than the worker's hard time limit: a row that runs longer has lost its worker."""
RESEND_AFTER = timedelta(seconds=10)


def sweep() -> None:
    """Bring back what was lost between database, broker and workers.

    Rows that run past the limit are queued again, or fail after MAX_ATTEMPTS. Queued rows that
    the broker never took are sent, and sent again are those that it took and lost.
    """
    now = timezone.now()
    with transaction.atomic():
        give_up_or_queue(
            Prediction.objects.filter(status=Status.RUNNING, started_at__lt=now - RUNNING_LIMIT)
        )
    waiting = Prediction.objects.filter(status=Status.QUEUED)
    due = Q(sent_at=None, created_at__lt=now - timedelta(seconds=1))
    if waiting.filter(sent_at__lt=now - RESEND_AFTER).exists():
        try:
            due |= _lost_by_broker(now)
        except (OperationalError, OSError) as error:
            log.warning("broker unreachable", error=str(error))
            return
    for prediction_id in (
        waiting.filter(due).order_by("created_at").values_list("pk", flat=True)[:500]
    ):
        if not send(prediction_id):
            return


def _lost_by_broker(now: datetime) -> Q:
    """Return which queued rows have no task any more, though the broker took it.

    An empty queue holds nobody's task. Otherwise tasks come out in the order they went in, so
    those that were sent well before one that runs now will not come any more.
    """
    with current_app.connection_for_write() as connection:
        try:
            queue = current_app.conf.task_default_queue
            tasks = connection.default_channel.queue_declare(queue, passive=True).message_count
        except ChannelError:  # Redis knows no empty list.
            tasks = 0
    if not tasks:
        return Q(sent_at__lt=now - RESEND_AFTER)
    running = Prediction.objects.filter(status=Status.RUNNING).aggregate(sent=Max("sent_at"))
    return Q(sent_at__lt=running["sent"] - RESEND_AFTER) if running["sent"] else Q(pk=None)
