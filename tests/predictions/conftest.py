"""What tests of the rules share: an owner, photos in a storage of the test's own."""

from collections.abc import Callable

import pytest

# Django's models can only be imported once a test runs.


@pytest.fixture
def owner(db):
    from emotionsite.accounts.models import User

    return User.objects.create_user("ada", "ada@example.org")


@pytest.fixture(autouse=True)
def nobody_else_works(_worker) -> None:
    """End the worker of earlier tests: here the tests themselves do its work, step by step."""
    _worker.stop()


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
