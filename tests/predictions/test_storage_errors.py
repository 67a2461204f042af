"""A storage that fails: nothing is half stored, and everybody hears storage_unavailable."""

import errno
import os
from pathlib import Path

import psycopg
import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError, InternalError, OperationalError, connection
from django.test import Client

from emotionsite.cache import FailOpenFileCache
from predictions import gallery
from predictions.files import StorageUnavailable, open_file, save
from predictions.models import DemoImage, Photo
from predictions.unavailable import DatabaseUnavailable, unavailable
from tests.support.api import PREDICTIONS, assert_problem, photo, token_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

DISK_ERRORS = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EROFS, "Read-only file system"),
    OSError(errno.EIO, "Input/output error"),
    PermissionError(errno.EACCES, "Permission denied"),
    TimeoutError("timed out"),
]


class Failing(ContentFile):
    """Content of which only the first piece can be written."""

    def __init__(self, error: Exception) -> None:
        super().__init__(b"pixels")
        self.error = error

    def chunks(self, chunk_size=None):
        yield b"pix"
        raise self.error


@pytest.fixture
def row() -> Photo:
    return Photo(name="a.jpg", sha256="0" * 64, bytes=6, width=60, height=60)


@pytest.fixture
def browser(owner) -> Client:
    owner.accept_notice()
    browser = Client()
    browser.force_login(owner)
    return browser


@pytest.mark.parametrize("error", DISK_ERRORS, ids=lambda error: type(error).__name__)
def test_a_file_that_cannot_be_stored_leaves_nothing(row, stored_files, capfd, error):
    with pytest.raises(StorageUnavailable):
        save(row.upload, "upload", Failing(error))
    assert stored_files() == []
    assert not row.upload
    assert str(error) in capfd.readouterr().err


def test_a_fault_of_ours_is_not_called_one_of_the_storage(row, stored_files):
    with pytest.raises(ZeroDivisionError):
        save(row.upload, "upload", Failing(ZeroDivisionError()))
    assert stored_files() == []


def test_a_stored_file_is_named_by_the_row(row, stored_files):
    save(row.upload, "upload", ContentFile(b"pixels"))
    row.save()
    row = Photo.objects.get()
    assert stored_files() == [row.upload.name]
    with open_file(row.upload) as file:
        assert file.read() == b"pixels"


def test_a_folder_that_is_removed_at_the_same_time_is_made_again(row, monkeypatch):
    real, calls = FileSystemStorage._save, []

    def interrupted(self, name, content):
        calls.append(name)
        if len(calls) == 1:
            raise FileNotFoundError(name)
        return real(self, name, content)

    monkeypatch.setattr(FileSystemStorage, "_save", interrupted)
    save(row.upload, "upload", ContentFile(b"pixels"))
    assert default_storage.size(row.upload.name) == 6


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("database or disk is full"), StorageUnavailable),
        (OperationalError("attempt to write a readonly database"), StorageUnavailable),
        (OperationalError("unable to open database file"), StorageUnavailable),
        (OperationalError("disk I/O error"), StorageUnavailable),
        (OperationalError("database is locked"), DatabaseUnavailable),
        (DatabaseError("database disk image is malformed"), type(None)),
        (OSError(errno.ENOSPC, "full"), StorageUnavailable),
        (ConnectionResetError(errno.ECONNRESET, "a client left"), type(None)),
        (KeyError("ours"), type(None)),
    ],
    ids=str,
)
def test_what_an_error_means(error, expected):
    assert type(unavailable(error)) is expected


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (OperationalError, psycopg.errors.DiskFull("could not extend file")),
        (InternalError, psycopg.errors.ReadOnlySqlTransaction("read-only transaction")),
    ],
)
def test_what_postgresql_calls_a_full_or_read_only_disk(kind, cause):
    error = kind(*cause.args)
    error.__cause__ = cause
    assert isinstance(unavailable(error), StorageUnavailable)


class TestUploads:
    @pytest.fixture(autouse=True)
    def full(self, monkeypatch) -> None:
        def fail(self, name, content):
            path = Path(self.path(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(FileSystemStorage, "_save", fail)

    @pytest.fixture(autouse=True)
    def _nothing_is_stored(self, full, stored_files):
        yield
        assert stored_files() == []
        assert not Photo.objects.exists()

    def test_the_api_says_when_to_come_back(self, owner, make_image):
        response = token_client(owner).post(PREDICTIONS, {"image": photo(make_image())})
        assert_problem(response, 503, "storage_unavailable")
        assert int(response["Retry-After"]) > 0

    def test_each_photo_of_a_batch_says_so_and_the_batch_may_be_sent_again(
        self, owner, make_image, monkeypatch
    ):
        client = token_client(owner)
        images = [photo(make_image()), photo(b"text"), photo(make_image("PNG"))]

        def send():
            for image in images:
                image.seek(0)
            return client.post(
                f"{PREDICTIONS}batch/", {"image": images}, headers={"idempotency-key": "a"}
            )

        for _ in range(2):
            response = send()
            assert response.status_code == 207
            assert [outcome["status"] for outcome in response.json()] == [503, 415, 503]
            codes = [outcome["error"]["code"] for outcome in response.json()]
            assert codes == ["storage_unavailable", "unsupported_format", "storage_unavailable"]
            assert "Idempotency-Replayed" not in response
            assert int(response["Retry-After"]) > 0

    @pytest.mark.parametrize("address", ["/", "/uploads/"])
    def test_the_page_names_the_photo_and_the_reason(self, browser, make_image, address):
        response = browser.post(address, {"photos": photo(make_image(), "beach.jpg")})
        assert response.status_code == 503
        assert int(response["Retry-After"]) > 0
        text = response.content.decode()
        assert "beach.jpg" in text
        assert "<code>storage_unavailable</code>" in text

    def test_the_admin_hears_it_too(self, admin_client, make_image):
        form = {"title": "A", "credit": "B", "licence": "C", "position": "1"}
        add = "/admin/predictions/demoimage/add/"
        response = admin_client.post(add, form | {"picture": photo(make_image())})
        assert response.status_code == 503
        assert "<code>storage_unavailable</code>" in response.content.decode()
        several = "/admin/predictions/demoimage/several/"
        response = admin_client.post(several, form | {"pictures": [photo(make_image(), "x.png")]})
        assert "x.png" in response.content.decode()
        assert "storage_unavailable" in response.content.decode()
        assert not DemoImage.objects.exists()

    def test_the_starting_gallery_is_loaded_the_next_time(self, monkeypatch):
        added, refused = gallery.seed()
        assert added == []
        assert refused
        monkeypatch.undo()
        added, again = gallery.seed()
        assert set(added) == {Path(file).stem for file in refused}
        assert again == {}
        DemoImage.objects.all().delete()


@pytest.mark.parametrize("address", ["/", "/uploads/", PREDICTIONS, f"{PREDICTIONS}batch/"])
def test_an_upload_that_cannot_be_received_is_a_503(owner, browser, settings, tmp_path, address):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "gone")
    client = token_client(owner) if address.startswith("/api/") else browser
    field = "image" if address.startswith("/api/") else "photos"
    response = client.post(address, {field: photo(bytes(3 * 1024 * 1024))})
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert "storage_unavailable" in response.content.decode()


def test_no_transaction_waits_for_the_storage(
    owner, browser, admin_client, make_image, monkeypatch
):
    real, saved = FileSystemStorage._save, []

    def watched(self, name, content):
        saved.append(connection.in_atomic_block)
        return real(self, name, content)

    monkeypatch.setattr(FileSystemStorage, "_save", watched)
    sizes = iter(range(100, 200))

    def new() -> object:
        return photo(make_image(size=(next(sizes), 80)), f"{next(sizes)}.jpg")

    token_client(owner).post(PREDICTIONS, {"image": new()})
    token_client(owner).post(f"{PREDICTIONS}batch/", {"image": [new(), new()]})
    browser.post("/", {"photos": new()})
    browser.post("/uploads/", {"photos": new()})
    form = {"title": "A", "credit": "B", "licence": "C", "position": "1"}
    admin = "/admin/predictions/demoimage"
    admin_client.post(f"{admin}/add/", form | {"picture": new()})
    image = DemoImage.objects.get()
    admin_client.post(f"{admin}/{image.pk}/change/", form | {"picture": new()})
    admin_client.post(f"{admin}/several/", form | {"pictures": [new(), new()]})
    before = len(saved)
    assert before == 9
    gallery.seed()
    assert len(saved) > before
    assert not any(saved)


def test_a_replaced_picture_takes_its_old_file_along(admin_client, make_image, stored_files):
    form = {"title": "A", "credit": "B", "licence": "C", "position": "1"}
    admin = "/admin/predictions/demoimage"
    admin_client.post(f"{admin}/add/", form | {"picture": photo(make_image())})
    image = DemoImage.objects.get()
    first = stored_files()
    picture = {"picture": photo(make_image("PNG"))}
    admin_client.post(f"{admin}/{image.pk}/change/", form | picture)
    image.refresh_from_db()
    assert stored_files() == [image.prediction.photo.upload.name] != first
    assert Photo.objects.count() == 1


def test_a_picture_that_cannot_be_saved_leaves_neither_file_nor_record(
    owner, make_image, stored_files, monkeypatch
):
    from predictions.uploads import validate

    image = DemoImage(title="A", credit="B", licence="C")

    def fail(*_args, **_kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(DemoImage, "save", fail)
    with pytest.raises(OperationalError):
        gallery.add(image, validate(photo(make_image())))
    assert stored_files() == []
    assert not Photo.objects.exists()


class TestPictures:
    @pytest.fixture
    def prediction(self, owner, submit, make_image):
        prediction = submit(owner, make_image())
        save(prediction.photo.display, "display", ContentFile(make_image()))
        prediction.photo.save()
        return prediction

    @pytest.fixture
    def addresses(self, prediction) -> list[str]:
        return [f"/predictions/{prediction.pk}/image/", f"{PREDICTIONS}{prediction.pk}/image/"]

    def test_one_that_is_gone_is_a_404(self, owner, browser, prediction, addresses):
        default_storage.delete(prediction.photo.display.name)
        page, api = addresses
        assert browser.get(page).status_code == 404
        assert_problem(token_client(owner).get(api), 404, "not_found")

    @pytest.mark.parametrize("error", DISK_ERRORS, ids=lambda error: type(error).__name__)
    def test_one_that_cannot_be_read_is_a_503(self, owner, browser, addresses, monkeypatch, error):
        real = FileSystemStorage._open

        def fail(self, name, mode="rb"):
            if name.startswith("photos/"):
                raise error
            return real(self, name, mode)

        monkeypatch.setattr(FileSystemStorage, "_open", fail)
        page, api = addresses
        response = browser.get(page)
        assert response.status_code == 503
        assert "storage_unavailable" in response.content.decode()
        assert_problem(token_client(owner).get(api), 503, "storage_unavailable")


class TestMiddleware:
    @pytest.fixture
    def unwritable_sessions(self, monkeypatch) -> None:
        from django.contrib.sessions.backends.db import SessionStore

        def fail(*_args, **_kwargs):
            raise OperationalError("database or disk is full")

        monkeypatch.setattr(SessionStore, "save", fail)
        monkeypatch.setattr(SessionStore, "create", fail)

    def test_a_session_that_cannot_be_stored_is_a_503(self, owner, unwritable_sessions):
        owner.set_password("correct horse battery")
        owner.save()
        visitor = Client(raise_request_exception=False)
        form = {"login": owner.username, "password": "correct horse battery"}
        response = visitor.post("/accounts/login/", form)
        assert response.status_code == 503
        assert "<code>storage_unavailable</code>" in response.content.decode()
        assert int(response["Retry-After"]) > 0

    def test_the_page_of_an_error_needs_no_database(self, browser, monkeypatch):
        def fail(*_args, **_kwargs):
            raise OperationalError("unable to open database file")

        browser.raise_request_exception = False
        monkeypatch.setattr("django.db.backends.utils.CursorWrapper.execute", fail)
        for address in ("/", "/predictions/", "/no/such/page/", "/account/"):
            response = browser.get(address)
            assert response.status_code == 503, address
            assert b"<code>storage_unavailable</code>" in response.content
            assert b"Traceback" not in response.content
        assert_problem(browser.get("/api/v1/predictions/"), 503, "storage_unavailable")

    def test_what_nobody_foresaw_stays_a_500(self, browser, monkeypatch):
        def fail(*_args, **_kwargs):
            raise KeyError("ours")

        browser.raise_request_exception = False
        monkeypatch.setattr("emotionsite.middleware.timezone.override", fail)
        assert browser.get("/about/").status_code == 500
        assert_problem(browser.get("/api/v1/predictions/"), 500, "internal_error")


class TestCache:
    @pytest.fixture
    def broken(self, tmp_path) -> FailOpenFileCache:
        """A cache in a folder that cannot be made, because a file has its name."""
        (tmp_path / "cache").write_text("no folder")
        return FailOpenFileCache(str(tmp_path / "cache"), {})

    def test_nothing_of_a_broken_cache_fails(self, broken):
        broken.set("key", 1)
        assert broken.get("key", "default") == "default"
        assert broken.add("key", 1)
        assert not broken.has_key("key")
        assert not broken.touch("key")
        assert not broken.delete("key")
        assert broken.get_or_set("key", 2) == 2
        broken.clear()

    def test_it_is_logged_once_in_a_while(self, broken, caplog, monkeypatch):
        monkeypatch.setattr(FailOpenFileCache, "_logged_at", None)
        for _ in range(10):
            broken.set("key", 1)
        assert caplog.text.count("cache failed") == 1

    def test_an_entry_that_was_cut_is_a_miss(self, tmp_path):
        cache = FailOpenFileCache(str(tmp_path), {})
        cache.set("key", list(range(1000)))
        (entry,) = tmp_path.glob("*.djcache")
        os.truncate(entry, entry.stat().st_size - 10)
        assert cache.get("key") is None
        cache.set("key", 3)
        assert cache.get("key") == 3

    def test_the_site_counts_with_this_cache(self):
        assert isinstance(caches["default"], FailOpenFileCache)
