"""The Django project. Importing it binds the Celery app that web code sends tasks through."""

from emotionsite.celery import app as celery_app

__all__ = ["celery_app"]
