"""Two users with their browsers, and predictions of theirs in a storage of the test's own.

Models are imported where they are used: this file is read before Django is set up.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

PASSWORD = "correct horse battery"


def make_user(username: str):
    from emotionsite.accounts.models import User

    user = User.objects.create_user(username, f"{username}@example.org", PASSWORD)
    user.accept_notice()
    return user


def browser_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def _quick_passwords(settings) -> None:
    """A strong hash is slow on purpose, and no test here is about it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def owner(db):
    return make_user("ada")


@pytest.fixture
def client(owner) -> Client:
    """The owner's browser."""
    return browser_of(owner)


@pytest.fixture
def stranger_client(db) -> Client:
    return browser_of(make_user("mallory"))


@pytest.fixture
def anonymous_client(db) -> Client:
    return Client()


@pytest.fixture(autouse=True)
def storage(settings, tmp_path) -> Path:
    """The folder of a storage that is empty at first, so that a test can count files."""
    media = {**settings.STORAGES["default"]}
    media["OPTIONS"] = {**media["OPTIONS"], "location": str(tmp_path)}
    settings.STORAGES = {**settings.STORAGES, "default": media}
    return tmp_path


@pytest.fixture
def queue(owner, make_image) -> Callable:
    """A function that submits a photo of the owner, or of ``user``, and leaves it queued."""
    from django.core.files.base import ContentFile

    from predictions import services
    from predictions.uploads import validate

    def queue(content: bytes | None = None, *, user=owner, name: str = "photo.jpg"):
        upload = validate(ContentFile(content or make_image(), name))
        return services.submit(user, upload, force=True)[0]

    return queue


@pytest.fixture
def analyse(queue, astronaut: bytes) -> Callable:
    """A function that submits a photo and analyses it in this process."""
    from predictions import tasks

    def analyse(content: bytes = astronaut, **options):
        prediction = queue(content, **options)
        tasks.analyse(str(prediction.pk))
        prediction.refresh_from_db()
        return prediction

    return analyse


@pytest.fixture
def demo(analyse):
    """A published picture of the gallery."""
    from predictions.models import DemoImage

    return DemoImage.objects.create(
        prediction=analyse(user=None),
        slug="a-smile",
        title="A smile",
        caption="Teeth help.",
        expected="happy",
        credit="NASA",
        licence="Public domain",
        is_published=True,
    )
