"""What is tidied up of accounts from time to time."""

from importlib import import_module

from celery import shared_task
from django.conf import settings


@shared_task(name="accounts.forget_sessions")
def forget_sessions() -> None:
    """Delete the sessions that have expired: of whoever just closes the browser, they stay."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
