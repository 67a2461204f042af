"""What an operator wants to know first: does it work, what waits, what failed, what is stored."""

import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import redis
import structlog
from celery import current_app
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Count, Max, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from emotionsite import heartbeats
from mlcore.errors import MLCoreError
from mlcore.model_info import read_model_info
from predictions import turns
from predictions.admin.filters import is_queue_moving, stuck
from predictions.admin.wording import why_failed
from predictions.models import Photo, Prediction, Status

log = structlog.get_logger(__name__)

BROKER_SECONDS = 0.5
"""How long the broker may take for each answer; one that takes longer counts as away."""
WORKER_SECONDS = 1.0
"""How long workers are listened for. All who are there answer within, and it always takes as long,
because nobody knows how many there are."""

CARRIED = {
    "celery": _("photos"),
    "explanations": _("drawings"),
    "maintenance": _("maintenance"),
    "deliveries": _("webhooks"),
}


PROCESSES = {"maintenance": _("Maintenance"), "beat": _("Schedule (beat)")}
HEARTBEATS = {
    "ok": _("working"),
    "late": _("does not respond"),
    "missing": _("has never run"),
}


@dataclass
class Queue:
    """Tasks that wait in the broker, and the names of the workers that take them.

    A task for photos or drawings only tells a worker that something waits: their number says
    nothing about how many do.
    """

    name: str
    tasks: int
    workers: list[str] = field(default_factory=list)

    @property
    def carries(self) -> str:
        return CARRIED.get(self.name, self.name)


def figures() -> dict:
    """Return everything that the panel shows; ``queues`` is None where the broker is away."""
    return {
        **_records(),
        **_stored(),
        "model": _model(),
        "processes": _processes(),
        "queues": _queues(),
    }


def _records() -> dict:
    """What the database, which is the queue of record, knows of the work."""
    now = timezone.now()
    records = Prediction.objects.filter(removed_at=None)
    queued = records.filter(status=Status.QUEUED).count()
    ended = records.filter(finished_at__gte=now - timedelta(hours=1))
    failed = records.filter(status=Status.FAILED, finished_at__gte=now - timedelta(days=1))
    kinds = failed.order_by().values_list("error_code").annotate(Max("error_detail"), n=Count("pk"))
    return {
        "queued": queued,
        # Of a queue that stands still nobody can say how long it takes.
        "seconds_left": turns.seconds_until(queued - 1) if queued and is_queue_moving() else None,
        "running": records.filter(status=Status.RUNNING).count(),
        "stuck": stuck(records).count(),
        **ended.aggregate(
            succeeded=Count("pk", filter=Q(status=Status.SUCCEEDED)),
            failed=Count("pk", filter=Q(status=Status.FAILED)),
        ),
        "failures": [
            (code, why_failed(Prediction(error_code=code, error_detail=detail)), count)
            for code, detail, count in kinds.order_by("-n")
        ],
    }


def _stored() -> dict:
    """How many photos are stored, how large they are and were, and what room the disk has left."""
    stored = Photo.objects.exclude(upload="", display="")
    free = None
    # An object store has no path and no end; a folder that nobody wrote to may not exist yet.
    with suppress(NotImplementedError, OSError):
        free = shutil.disk_usage(default_storage.path("")).free
    sums = {"size": Sum("stored_bytes", default=0), "uploaded": Sum("bytes", default=0)}
    return {**stored.aggregate(photos=Count("pk"), **sums), "free": free}


def _model() -> dict | None:
    try:
        model = read_model_info(settings.MODEL_PATH)
    except MLCoreError:
        return None
    measured = model.metrics.get("PrivateTest") or {}
    return {"name": model.name, "version": model.version, "accuracy": measured.get("accuracy")}


def _processes() -> list[tuple[str, str, bool]]:
    """Return name, state in words, and whether that is as it should be, of what beats."""
    return [
        (PROCESSES[name], HEARTBEATS[status], status == "ok")
        for name, status in heartbeats.statuses().items()
    ]


def _queues() -> list[Queue] | None:
    """Ask the broker, and through it the workers; None where it does not answer."""
    routes = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    names = [current_app.conf.task_default_queue, *sorted(routes)]
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            socket_connect_timeout=BROKER_SECONDS,
            socket_timeout=BROKER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            queues = {name: Queue(name, client.llen(name)) for name in names}
        # A connection of its own: one of the pool may be from before the broker's last start.
        with current_app.connection_for_write() as connection:
            workers = current_app.control.inspect(timeout=WORKER_SECONDS, connection=connection)
            answers = workers.active_queues() or {}
    except (redis.RedisError, OperationalError, OSError) as error:
        log.warning("broker unreachable", error=str(error))
        return None
    for worker, served in sorted(answers.items()):
        for taken in served:
            if taken["name"] in queues:
                queues[taken["name"]].workers.append(worker)
    return list(queues.values())
