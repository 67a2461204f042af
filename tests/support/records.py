"""Predictions for tests, made by the way that every photo takes.

Import this where a test runs: it needs Django to be set up.
"""

from django.core.files.base import ContentFile

from predictions import services
from predictions.models import DemoImage, Prediction, Status
from predictions.uploads import validate
from tests.support import steps


def queue(user, content: bytes, name: str = "photo.jpg") -> Prediction:
    """Submit a photo and leave it queued; ``user`` None is the gallery."""
    return services.submit(user, validate(ContentFile(content, name)), force=True)[0]


def finish(prediction: Prediction) -> Prediction:
    """Analyse what waits in this process."""
    steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    return prediction


def finish_all() -> None:
    """Do the worker's work in this process, which saves the seconds of its start."""
    for prediction in Prediction.objects.filter(status=Status.QUEUED):
        finish(prediction)


def analyse(user, content: bytes, name: str = "photo.jpg") -> Prediction:
    """Submit a photo and analyse it in this process."""
    return finish(queue(user, content, name))


def publish(content: bytes, **fields) -> DemoImage:
    """Add a picture to the gallery."""
    values = {
        "slug": "a-smile",
        "title": "A smile",
        "caption": "Teeth help.",
        "expected": "happy",
        "credit": "NASA",
        "licence": "Public domain",
        "is_published": True,
    }
    return DemoImage.objects.create(prediction=analyse(None, content), **(values | fields))
