"""``/healthz``: the process answers. ``/readyz``: everything that it needs works, too."""

import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import redis
import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from emotionsite import heartbeats
from mlcore.model_info import verify_model_file

log = structlog.get_logger(__name__)

CACHE_TTL = 2.0
"""Seconds for which a check that writes is not repeated, so that probes cost little."""
STORAGE_TIMEOUT = 5.0
"""Seconds after which a storage that does not answer counts as unavailable."""
WRITE_TIMEOUT = 5.0
"""Seconds after which a database that is locked counts as unavailable."""
PROBE_SIZE = 4096
STORAGE_FOLDER = f"photos/00/{'0' * 32}"
"""The folder of a photo that never exists. If a killed process leaves a file here, it is removed
with other files that have no row."""


class Throttled:
    """A check that runs at most once per CACHE_TTL, in a thread that nobody waits for too long."""

    def __init__(self, check: Callable[[], None], timeout: float = STORAGE_TIMEOUT) -> None:
        self._check = check
        self._timeout = timeout
        self._lock = threading.Lock()
        self._result: Future | None = None
        self._started = 0.0

    def __call__(self) -> None:
        """Raise what the check raised, or TimeoutError if it has not ended yet."""
        with self._lock:
            now = time.monotonic()
            ended = self._result is None or self._result.done()
            if ended and (self._result is None or now - self._started >= CACHE_TTL):
                self._result, self._started = Future(), now
                threading.Thread(target=self._run, args=(self._result,), daemon=True).start()
            result, left = self._result, self._started + self._timeout - now
        result.result(max(left, 0.0))

    def _run(self, result: Future) -> None:
        try:
            self._check()
        except Exception as error:
            result.set_exception(error)
        else:
            result.set_result(None)


def write_probe(folder: Path | str) -> None:
    """Write a page to a file without a name, which vanishes with this process at the latest."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(b"\0" * PROBE_SIZE)


@contextmanager
def brief_waits() -> Iterator[None]:
    """Let what is written in this block wait for WRITE_TIMEOUT at most, not as long as usual."""
    milliseconds = int(WRITE_TIMEOUT * 1000)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA busy_timeout")
            (usual,) = cursor.fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
            try:
                yield
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {usual}")
        else:
            with transaction.atomic():
                cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
                yield


class _Database:
    """A database that can be written to, not only read.

    Probes share one attempt to write. A database that is locked would otherwise keep one thread
    for each probe, until none is left for anybody else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tried_at: float | None = None
        self._error: Exception | None = None

    def __call__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        with self._lock:
            if self._tried_at is None or time.monotonic() - self._tried_at >= CACHE_TTL:
                self._error = self._write()
                self._tried_at = time.monotonic()
            error = self._error
        if error is not None:
            raise error

    def _write(self) -> Exception | None:
        try:
            with brief_waits():
                heartbeats.beat("web")
            # SQLite writes to what its log already occupies, even where the disk has no room left.
            file = Path(str(connection.settings_dict["NAME"]))
            if connection.vendor == "sqlite" and file.is_file():
                write_probe(file.parent)
        except (Error, OSError) as error:
            return error
        return None


def _broker() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2
    ) as client:
        client.ping()


def _storage() -> None:
    write_probe(settings.FILE_UPLOAD_TEMP_DIR)
    name = f"{STORAGE_FOLDER}/{uuid.uuid4().hex}"
    try:
        default_storage.save(name, ContentFile(b"1"))
        with default_storage.open(name) as file:
            if file.read() != b"1":
                raise OSError("the storage returns other bytes than were written")
    finally:
        default_storage.delete(name)


def _model() -> None:
    verify_model_file(settings.MODEL_PATH)


CHECKS = {
    "database": _Database(),
    "broker": _broker,
    "storage": Throttled(_storage),
    "model": _model,
}


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


class _Readiness:
    """Runs all checks, and logs what fails once instead of with every probe."""

    def __init__(self) -> None:
        self._logged: dict[str, str] = {}

    def __call__(self) -> tuple[bool, dict[str, str]]:
        """Return whether the site is ready, and the answer to each check by its name."""
        answers, errors = {}, {}
        for name, check in CHECKS.items():
            try:
                check()
                answers[name] = "ok"
            except Exception as error:  # Whatever is broken, the answer is the same: not ready.
                answers[name] = "unavailable"
                errors[name] = f"{type(error).__name__}: {error}"
        try:
            answers |= heartbeats.statuses()
        except Exception:
            answers |= dict.fromkeys(heartbeats.NAMES, "unavailable")
        failing = {name: answer for name, answer in answers.items() if answer != "ok"}
        if failing != self._logged:
            if failing:
                log.error("not ready", **failing | errors)
            else:
                log.info("ready again")
            self._logged = failing
        return not failing, answers


_readiness = _Readiness()


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200, or 503 with the names of what is missing; no detail leaves the machine."""
    ready, answers = _readiness()
    response = JsonResponse(answers, status=200 if ready else 503)
    response._has_been_logged = True  # Django would log each 503 of each probe as an error.
    return response
