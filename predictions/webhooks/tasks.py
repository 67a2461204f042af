"""Celery tasks: deliveries have a queue and a worker of their own."""

from celery import shared_task

from emotionsite.celery import one_at_a_time
from predictions.webhooks import services


@shared_task(name=services.DELIVER)
def deliver() -> None:
    """Make one attempt, and see to it that the next one is made."""
    if services.deliver_next():
        services.wake()


@shared_task(name=services.FORGET)
@one_at_a_time
def forget() -> None:
    """Remove what the log need not hold any more."""
    services.forget()
