"""What tests of the rules share: an owner, photos in a storage of the test's own."""

from collections.abc import Callable

import pytest

# Django's models can only be imported once a test runs.


@pytest.fixture
def owner(db):
    from emotionsite.accounts.models import User

    return User.objects.create_user("ada", "ada@example.org")


@pytest.fixture
def admin_client(client):
    """The browser of somebody who may do everything."""
    from emotionsite.accounts.models import User

    client.force_login(User.objects.create_superuser("root", "root@example.org"))
    return client


@pytest.fixture
def staff_client() -> Callable:
    """``staff_client(*permissions)``, such as view_prediction, is the browser of such staff."""
    from django.contrib.auth.models import Permission
    from django.test import Client

    from emotionsite.accounts.models import User

    def log_in(*permissions: str, is_staff: bool = True) -> Client:
        user = User.objects.create_user(f"user{User.objects.count()}", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        assert user.user_permissions.count() == len(permissions)
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture(autouse=True)
def _stepwise(nobody_else_works) -> None:
    """What a worker does is done by these tests."""


@pytest.fixture(autouse=True)
def own_storage(storage) -> None:
    """Keep the files of each of these tests apart."""


@pytest.fixture
def stored_files(storage) -> Callable[[], list[str]]:
    """A function that lists the names of all stored files."""

    def names() -> list[str]:
        files = (path for path in storage.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(storage)) for path in files)

    return names


@pytest.fixture
def submit() -> Callable:
    """``submit(owner, content, **options of services.submit)`` returns a new prediction."""
    from django.core.files.base import ContentFile

    from predictions import services
    from predictions.uploads import validate

    def submit(owner, content: bytes, **options):
        upload = validate(ContentFile(content, "photo.jpg"))
        prediction, is_new = services.submit(owner, upload, **options)
        assert is_new
        return prediction

    return submit
