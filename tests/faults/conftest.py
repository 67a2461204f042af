"""A photo on its way, and how to see where it is."""

from collections.abc import Callable

import pytest


@pytest.fixture
def owner(transactional_db):
    from emotionsite.accounts.models import User

    return User.objects.create_user("ada", "ada@example.org")


@pytest.fixture
def submit(owner) -> Callable:
    """``submit(content)`` hands a photo in, as page and API do, and returns its prediction."""
    from django.core.files.base import ContentFile

    from predictions import services
    from predictions.uploads import validate

    def submit(content: bytes):
        return services.submit(owner, validate(ContentFile(content, "photo.jpg")))[0]

    return submit


@pytest.fixture(scope="session")
def status() -> Callable:
    """``status(prediction)`` reads its present status from the database."""
    from predictions.models import Prediction

    return lambda prediction: Prediction.objects.values_list("status", flat=True).get(
        pk=prediction.pk
    )
