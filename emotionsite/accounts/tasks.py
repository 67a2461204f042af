"""What is tidied up of accounts from time to time."""

from importlib import import_module

from celery import shared_task
from django.conf import settings

from emotionsite.celery import one_at_a_time


@shared_task(name="accounts.forget_sessions")
@one_at_a_time
def forget_sessions() -> None:
    """Delete the sessions that have expired: of whoever just closes the browser, they stay."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
