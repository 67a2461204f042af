"""``/readyz`` tells what does not work, and asks it of nothing too often."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError, connection, connections

from emotionsite import health, heartbeats
from tests.support.tiny_model import build_tiny_model

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_else_works")]


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch) -> None:
    monkeypatch.setattr(health, "CACHE_TTL", 0.0)


@pytest.fixture
def ready(client, redis_server, storage):
    """A site of which everything works; the function returns what does not."""
    for name in heartbeats.NAMES:
        heartbeats.beat(name)

    def ready() -> dict[str, str]:
        response = client.get("/readyz")
        wrong = {name: answer for name, answer in response.json().items() if answer != "ok"}
        assert response.status_code == (503 if wrong else 200)
        return wrong

    return ready


def use_storage(settings, name: str, **options) -> None:
    media = {"BACKEND": f"{__name__}.{name}", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": media}


class ForgetfulStorage(FileSystemStorage):
    """Takes everything and keeps nothing of it."""

    def _save(self, name, content):
        super()._save(name, content)
        Path(self.path(name)).write_bytes(b"")
        return name


class CutStorage(FileSystemStorage):
    """Fails after it has made the file, as a full disk does."""

    def _save(self, name, content):
        super()._save(name, content)
        raise OSError(28, "No space left on device")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_site_of_which_everything_works(ready, client, storage):
    assert ready() == {}
    expected = {"database", "broker", "storage", "model", "maintenance", "beat"}
    assert set(client.get("/readyz").json()) == expected
    assert files_in(storage) == []


def test_a_process_that_does_not_beat_is_named(ready):
    from predictions.models import Heartbeat

    Heartbeat.objects.filter(name="beat").delete()
    assert ready() == {"beat": "missing"}


def test_a_storage_that_takes_nothing(ready, settings, tmp_path):
    (tmp_path / "file").touch()
    use_storage(settings, "FileSystemStorage", location=tmp_path / "file")
    assert ready() == {"storage": "unavailable"}


@pytest.mark.parametrize("broken", ["ForgetfulStorage", "CutStorage"])
def test_a_storage_that_does_not_keep_what_it_takes(ready, settings, tmp_path, broken):
    folder = tmp_path / broken
    use_storage(settings, broken, location=folder)
    assert ready() == {"storage": "unavailable"}
    assert files_in(folder) == []


def test_a_folder_for_uploads_that_is_gone(ready, settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "gone"
    assert ready() == {"storage": "unavailable"}


@pytest.mark.django_db(transaction=True)
def test_a_database_that_can_only_be_read(ready):
    if connection.vendor != "sqlite":
        pytest.skip("other databases have other words for it")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        try:
            assert ready() == {"database": "unavailable"}
        finally:
            cursor.execute("PRAGMA query_only = OFF")
    assert ready() == {}


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_locked_holds_up_no_crowd_of_probes(ready, monkeypatch):
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one lock for all that writes")
    assert ready() == {}
    monkeypatch.setattr(health, "CACHE_TTL", 60.0)
    monkeypatch.setattr(health, "WRITE_TIMEOUT", 0.5)
    attempts = []
    beat = heartbeats.beat
    monkeypatch.setattr(heartbeats, "beat", lambda name: attempts.append(name) or beat(name))
    check = health._Database()

    def probe(_number: int) -> str:
        try:
            check()
        except OperationalError as error:
            return str(error)
        finally:
            connections.close_all()
        return "ok"

    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(probe, range(8)))
        took = time.monotonic() - started
    assert answers == {"database is locked"}
    assert attempts == ["web"]
    assert took < 15, "less than what people who write may wait"


@pytest.mark.django_db(transaction=True)
def test_people_wait_as_long_as_ever_after_a_probe(ready):
    if connection.vendor != "sqlite":
        pytest.skip("elsewhere the limit ends with its transaction")
    assert ready() == {}
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (20_000,)


def test_a_model_file_that_is_empty_or_another_one(ready, settings, tmp_path):
    model = build_tiny_model(tmp_path)
    settings.MODEL_PATH = str(model)
    assert ready() == {}
    content = model.read_bytes()
    model.write_bytes(b"")
    assert ready() == {"model": "unavailable"}
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert ready() == {"model": "unavailable"}, "as long as the right one, but another one"
    model.write_bytes(content)
    assert ready() == {}
    model.unlink()
    assert ready() == {"model": "unavailable"}


def test_probes_at_once_are_one_check(monkeypatch):
    monkeypatch.setattr(health, "CACHE_TTL", 60.0)
    calls, barrier = [], threading.Barrier(8)

    def slow() -> None:
        calls.append(1)
        time.sleep(0.1)

    check = health.Throttled(slow)

    def probe() -> None:
        barrier.wait(10)
        check()

    probes = [threading.Thread(target=probe) for _ in range(8)]
    for thread in probes:
        thread.start()
    for thread in probes:
        thread.join()
    check()
    assert len(calls) == 1


def test_a_storage_that_hangs_is_unavailable_and_is_asked_once(ready, monkeypatch):
    answer, calls = threading.Event(), []

    def hang() -> None:
        calls.append(1)
        answer.wait(60)

    monkeypatch.setitem(health.CHECKS, "storage", health.Throttled(hang, timeout=0.1))
    assert ready() == {"storage": "unavailable"}
    assert ready() == {"storage": "unavailable"}
    assert len(calls) == 1
    answer.set()
    deadline = time.monotonic() + 30
    while ready():
        assert time.monotonic() < deadline


def test_what_is_wrong_is_logged_once_with_its_reason(ready, monkeypatch, caplog):
    def fail() -> None:
        raise OSError("the disk has gone")

    assert ready() == {}
    caplog.clear()
    with monkeypatch.context() as patch:
        patch.setitem(health.CHECKS, "storage", fail)
        for _ in range(3):
            assert ready() == {"storage": "unavailable"}
    assert ready() == {}
    messages = [record.getMessage() for record in caplog.records]
    assert len([text for text in messages if "the disk has gone" in text]) == 1
    assert len([text for text in messages if "ready again" in text]) == 1
    assert len(messages) == 2
