"""The Celery app. https://docs.celeryq.dev/en/stable/django/first-steps-with-django.html"""

import os

import kombu
from celery import Celery
from celery.app.amqp import AMQP

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


app = Celery("emotionsite", amqp=BrokerProtocol)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
