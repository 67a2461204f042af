"""Celery tasks of the queue ``deliveries``, which a worker of its own serves."""

from celery import shared_task

from predictions.webhooks import services


@shared_task(name=services.DELIVER)
def deliver() -> None:
    """Make one attempt, and see to it that the next one is made."""
    if services.deliver_next():
        services.wake()


@shared_task(name=services.FORGET)
def forget() -> None:
    """Remove what the log need not hold any more."""
    services.forget()
