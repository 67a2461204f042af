"""What tests share: an environment of their own, real Redis, worker and browser, and pictures.

Every pytest process (there are several under xdist) works in a folder of its own, with its own
database file, Redis and stored photos. The environment is set before Django reads its settings,
and children such as the worker inherit it.
"""

import io
import ipaddress
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import django
import pytest
from django.conf import settings
from PIL import Image

from emotionsite.processes import free_port
from mlcore.model_info import MODEL_PATH
from tests.support.servers import RedisServer, Worker
from tests.support.tiny_model import build_tiny_model

if settings.configured:
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: the tests bring their own settings.")
DATA_DIR = Path(tempfile.mkdtemp(prefix="emotionsite-")).resolve()

# Without the shipped network a tiny one of the same signature answers.
model_path = MODEL_PATH if MODEL_PATH.is_file() else build_tiny_model(DATA_DIR)

os.environ.update(
    DJANGO_SETTINGS_MODULE="emotionsite.settings",
    ALLOWED_HOSTS="localhost,127.0.0.1,[::1]",
    DATA_DIR=str(DATA_DIR),
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", ""),
    DEBUG="false",
    EMAIL_URL="",
    LOG_JSON="false",
    MODEL_PATH=str(model_path),
    REDIS_URL=f"redis://:only-for-tests@127.0.0.1:{free_port()}/0",
    SECRET_KEY="only-for-tests-" + "0123456789" * 4,
    SITE_TLS="false",
    STORAGE_URL="",
    WORKER_PROCESSES="1",
)


def pytest_configure(config: pytest.Config) -> None:
    # The manifest makes a missing static file an error, as on a real site. The compressed copies
    # that a real site has beside it would only take time.
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    )
    django.setup()
    # Left in place, it would make the processes that xdist starts read their settings before
    # this file gives each of them an environment of its own.
    del os.environ["DJANGO_SETTINGS_MODULE"]
    sys.addaudithook(refuse_other_machines)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(DATA_DIR, ignore_errors=True)


class OtherMachineError(RuntimeError):
    """A test tried to reach another machine."""


def refuse_other_machines(event: str, args: tuple) -> None:
    """Keep sockets on this machine (an audit hook; see `sys.addaudithook`)."""
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if host in (None, "", "localhost"):
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if not (address and (address.is_loopback or address.is_unspecified)):
        raise OtherMachineError(f"Tests stay on this machine, and {host} is another one.")


@pytest.fixture(scope="session", autouse=True)
def static_files(django_test_environment) -> None:
    """Collect the static files, without which no page renders."""
    from django.core.management import call_command

    call_command("collectstatic", verbosity=0, interactive=False)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Name the test database: the file that the environment names, so that children find it."""
    settings.DATABASES["default"]["TEST"]["NAME"] = settings.DATABASES["default"]["NAME"]


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Let no test meet the rate limits that another one used up."""
    from django.core.cache import cache

    cache.clear()


@pytest.fixture(scope="session")
def _redis() -> Iterator[RedisServer]:
    server = RedisServer(os.environ["REDIS_URL"], DATA_DIR / "redis")
    yield server
    server.stop()


@pytest.fixture
def redis_server(_redis: RedisServer) -> RedisServer:
    """A real Redis server, answering; a test may ``stop``, ``kill`` and ``start`` it."""
    _redis.start()
    return _redis


@pytest.fixture(scope="session")
def _worker(django_db_setup) -> Iterator[Worker]:
    worker = Worker(DATA_DIR / "worker.log")
    yield worker
    worker.stop()


@pytest.fixture
def nobody_else_works(_worker: Worker) -> None:
    """End the worker of earlier tests: here a test itself does its work, step by step."""
    _worker.stop()


@pytest.fixture
def worker(transactional_db, redis_server: RedisServer, _worker: Worker) -> Iterator[Worker]:
    """Real workers for photos and maintenance, and beat, on the test database.

    They may be stopped and started, and are the same processes for all tests. After each test the
    queues are emptied and they finish what they are at, so that nothing reaches into the next
    test's database.
    """
    _worker.start()
    yield _worker
    redis_server.start()
    _worker.finish()


@pytest.fixture(scope="session")
def make_image() -> Callable[..., bytes]:
    """A function that encodes a picture in memory.

    ``make_image("JPEG", size=(width, height), mode="RGB", **options of PIL's save)`` returns the
    bytes of a picture with a diagonal gradient, so that no two regions look alike.
    """

    from pillow_heif import register_heif_opener

    register_heif_opener()

    def make(
        format: str = "JPEG", *, size: tuple[int, int] = (320, 240), mode: str = "RGB", **options
    ) -> bytes:
        gradient = Image.linear_gradient("L").rotate(30).resize(size)
        turned = gradient.transpose(Image.Transpose.ROTATE_180)
        file = io.BytesIO()
        Image.merge("RGB", (gradient, turned, gradient)).convert(mode).save(file, format, **options)
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    """The bytes of a PNG with one smiling face: NASA's portrait of Eileen Collins."""
    from skimage import data

    return (Path(data.__file__).parent / "astronaut.png").read_bytes()


@pytest.fixture
def storage(settings, tmp_path) -> Path:
    """The folder of a storage that is empty at first, so that a test can count files."""
    media = {**settings.STORAGES["default"]}
    media["OPTIONS"] = {**media["OPTIONS"], "location": str(tmp_path)}
    settings.STORAGES = {**settings.STORAGES, "default": media}
    return tmp_path
