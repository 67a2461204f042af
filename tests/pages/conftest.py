"""Two users with their browsers, and predictions of theirs in a storage of the test's own.

Models are imported where they are used: this file is read before Django is set up.
"""

from collections.abc import Callable

import pytest
from django.test import Client

PASSWORD = "correct horse battery"

ACCOUNTS = ("login", "signup", "inactive", "confirm-email", "confirm-email/nonsense")
RESETS = ("", "done/", "key/done/", "key/1-nonsense/")
VISITOR_PAGES = [
    *("/", "/gallery/", "/gallery/a-smile/", "/about/"),
    *(f"/accounts/{page}/" for page in ACCOUNTS),
    *(f"/accounts/password/reset/{page}" for page in RESETS),
]
OWNER_PAGES = [
    *("/", "/predictions/", "/predictions/?emotion=fear", "/insights/"),
    "/predictions/?select=all&name=a&sort=size",
    *(f"/account/{page}" for page in ("", "tokens/", "privacy/", "erase/", "delete/", "webhooks/")),
    *(f"/accounts/{page}/" for page in ("2fa", "email", "password/change", "password/reset")),
    *("/accounts/logout/", "/accounts/reauthenticate/"),
]


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
def stranger(db):
    return make_user("mallory")


@pytest.fixture
def stranger_client(stranger) -> Client:
    return browser_of(stranger)


@pytest.fixture
def anonymous_client(db) -> Client:
    return Client()


@pytest.fixture(autouse=True)
def own_storage(storage) -> None:
    """Keep the files of each of these tests apart."""


@pytest.fixture
def queue(owner, make_image) -> Callable:
    """A function that submits a photo of the owner, or of ``user``, and leaves it queued."""
    from tests.support import records

    def queue(content: bytes | None = None, *, user=owner, name: str = "photo.jpg"):
        return records.queue(user, content or make_image(), name)

    return queue


@pytest.fixture
def analyse(owner, astronaut: bytes) -> Callable:
    """A function that submits a photo and analyses it in this process."""
    from tests.support import records

    def analyse(content: bytes = astronaut, *, user=owner, name: str = "photo.jpg"):
        return records.analyse(user, content, name)

    return analyse


@pytest.fixture
def demo(db, astronaut: bytes):
    """A published picture of the gallery."""
    from tests.support import records

    return records.publish(astronaut)
