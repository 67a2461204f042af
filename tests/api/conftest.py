"""Two users with clients of the API, and predictions of theirs.

Models are imported where they are used: this file is read before Django is set up.
"""

import socket
import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def owner(db):
    from emotionsite.accounts.models import User

    return User.objects.create(username="owner")


@pytest.fixture
def stranger(db):
    from emotionsite.accounts.models import User

    return User.objects.create(username="stranger")


@pytest.fixture
def client(owner):
    """The owner's client, with a token."""
    from tests.support.api import token_client

    return token_client(owner)


@pytest.fixture
def strangers_client(stranger):
    from tests.support.api import token_client

    return token_client(stranger)


@pytest.fixture
def queue(owner, make_image) -> Callable:
    """A function that submits a photo, for the owner or another ``user``, and leaves it queued."""
    from predictions import services, uploads
    from tests.support.api import photo

    def queue(content: bytes | None = None, *, user=owner):
        upload = uploads.validate(photo(content or make_image("PNG")))
        return services.submit(user, upload, force=True)[0]

    return queue


@pytest.fixture
def analyse(queue, astronaut: bytes) -> Callable:
    """A function that submits a photo and lets it be analysed."""
    from tests.support import steps
    from tests.support.waiting import wait_until

    def analyse(content: bytes = astronaut, **options):
        prediction = queue(content, **options)
        steps.analyse(prediction.pk)
        # Where a worker runs, it may have been the first to take it.
        done = type(prediction).objects.filter(pk=prediction.pk, finished_at__isnull=False)
        wait_until(done.exists, 30)
        prediction.refresh_from_db()
        assert prediction.status == "succeeded"
        return prediction

    return analyse


@pytest.fixture
def web(transactional_db, static_files):
    """Host and port of a gunicorn on the test database."""
    from emotionsite.processes import Processes
    from emotionsite.run import WEB

    processes = Processes()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # An address that is too long for gunicorn would never reach the site.
        command = [sys.executable, *WEB, "--limit-request-line", "0"]
        command += ["--bind", f"fd://{listener.fileno()}"]
        processes.start("web", command, pass_fds=[listener.fileno()])
        yield listener.getsockname()
        processes.stop("web")
