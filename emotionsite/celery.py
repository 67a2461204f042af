"""The Celery app. https://docs.celeryq.dev/en/stable/django/first-steps-with-django.html"""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import wraps

import kombu
from celery import Celery, bootsteps
from celery.app.amqp import AMQP
from celery.signals import worker_process_init

from emotionsite.processes import end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emotionsite.settings")


class Connection(kombu.Connection):
    """Where the broker is away, worker and beat look for it every second.

    Celery's own pause grows to half a minute, during which people would wait for nothing.
    """

    def ensure_connection(self, *args, **options):
        pause = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
        return super().ensure_connection(*args, **{**pause, **options})


class BrokerProtocol(AMQP):
    Connection = Connection


MAX_TASK_SECONDS = 300
"""No task of maintenance takes longer: what is much is done some of it at a time."""

_busy_since: dict[str, float] = {}
"""When the tasks began that are at work in this process, on its monotonic clock."""


class MaintenanceHeartbeat(bootsteps.StartStopStep):
    """Lets the worker of the queue ``maintenance`` beat for as long as it takes tasks."""

    requires = {"celery.worker.consumer.tasks:Tasks"}

    def __init__(self, consumer, **options) -> None:
        from emotionsite.heartbeats import Pulse

        self._pulse = Pulse("maintenance")
        self._timer = None
        super().__init__(consumer, **options)

    def include_if(self, consumer) -> bool:
        return "maintenance" in consumer.app.amqp.queues.consume_from

    def start(self, consumer) -> None:
        self._timer = consumer.timer.call_repeatedly(1.0, self._turn)

    def _turn(self) -> None:
        # A task that hangs leaves the loop turning, and yet nothing is maintained any more.
        if not any(time.monotonic() - since > MAX_TASK_SECONDS for since in _busy_since.values()):
            self._pulse.turn()

    def stop(self, consumer) -> None:
        if self._timer is not None:
            self._timer.cancel()


def one_at_a_time(function: Callable[..., None]) -> Callable[..., None]:
    """Skip a call that begins while another one is at work in this process."""
    lock = threading.Lock()
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def call(*args, **options) -> None:
        if lock.acquire(blocking=False):
            _busy_since[name] = time.monotonic()
            try:
                function(*args, **options)
            finally:
                del _busy_since[name]
                lock.release()

    return call


@worker_process_init.connect
def end_with_worker(**_kwargs) -> None:
    """Let no process of the pool outlive its worker, not even one that is killed."""
    end_with_parent(signal.SIGKILL)


app = Celery("emotionsite", amqp=BrokerProtocol)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.steps["consumer"].add(MaintenanceHeartbeat)
app.autodiscover_tasks()
