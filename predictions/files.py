"""Writing, reading and removing the stored files of photos."""

import re
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path, PurePosixPath

import structlog
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext_lazy

from predictions.listing import Page, pages
from predictions.models import Photo

log = structlog.get_logger(__name__)

ORPHAN_AGE = timedelta(minutes=30)
"""A younger file may belong to an upload or an analysis that has not committed its row yet."""
CONFIRM_AFTER = timedelta(seconds=45)
"""A file without a row is removed if it still has none after this time. A clock that was set, or
a file that keeps the time at which a slow upload began, makes a new file look old."""
PASS_INTERVAL = timedelta(minutes=10)
"""How often the whole store is looked through."""
TIME_BUDGET = timedelta(seconds=20)
"""How long one run takes at most; the next run continues where it ended."""
TEMPORARY_AGE = timedelta(hours=1)
MAX_SUSPECTS = 20_000
LOOKUP_SIZE = 500
"""Photos that are looked up in one query, and files that are removed at once."""
BULK_SIZE = 10
"""So many objects are worth a request of the kind that not every store knows."""

_OBJECT_STORE_PACKAGES = {"botocore", "boto3", "s3transfer", "urllib3"}
_PHOTO_FOLDER = re.compile(r"photos/[0-9a-f]{2}(/[0-9a-f]{32})?")


class StorageUnavailable(Exception):
    """Files cannot be stored or read at the moment; ``retry_after`` in seconds."""

    code = "storage_unavailable"
    retry_after = 30
    detail = gettext_lazy(
        "The site's storage is not available at the moment. Please try again in half a minute."
    )


def is_storage_error(error: BaseException) -> bool:
    """Return whether an exception means that a storage failed, not that our code is wrong."""
    if isinstance(error, OSError):
        return True
    # Only sites with an object store have these packages, and only they need to import them.
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(packages & _OBJECT_STORE_PACKAGES)


@contextmanager
def storage_errors(doing: str, *, missing_ok: bool = False, **context) -> Iterator[None]:
    """Turn any error of a storage into StorageUnavailable, and log its cause.

    With ``missing_ok`` a FileNotFoundError stays one: the file is gone, the storage is well.
    """
    try:
        yield
    except Exception as error:
        if not is_storage_error(error):
            raise
        if missing_ok and isinstance(error, FileNotFoundError):
            raise
        log.exception("storage failed", doing=doing, **context)
        raise StorageUnavailable from error


def save(field_file: FieldFile, name: str, content: File) -> None:
    """Store ``content`` as the file of a model's field, without saving the model.

    ``name`` goes through the field's ``upload_to``. Raises StorageUnavailable; nothing is left of
    the file then, and the field is as it was before.
    """
    field, storage = field_file.field, field_file.storage
    name = field.generate_filename(field_file.instance, name)
    with storage_errors("saving", name=name):
        try:
            stored = _save(storage, name, content, field.max_length)
        except BaseException:
            delete_files([name])
            raise
    setattr(field_file.instance, field.attname, stored)


def _save(storage, name: str, content: File, max_length: int) -> str:
    try:
        content.seek(0)
        return storage.save(name, content, max_length=max_length)
    except FileNotFoundError:
        # Somebody removed the folder, empty until now, between its making and its first file.
        content.seek(0)
        return storage.save(name, content, max_length=max_length)


def open_file(field_file: FieldFile | None) -> File:
    """Open a stored file, ready to be read.

    Raises FileNotFoundError where there is none, and StorageUnavailable. An object store sends the
    whole file here and not at the first read, so that its errors are known before anything is
    answered.
    """
    if not field_file:
        raise FileNotFoundError("the row names no file")
    with storage_errors("reading", missing_ok=True, name=field_file.name):
        opened = field_file.storage.open(field_file.name, "rb")
        try:
            opened.read(1)
            opened.seek(0)
        except BaseException:
            opened.close()
            raise
    return opened


def delete_files(names: Iterable[str]) -> None:
    """Remove stored files with their empty folders. Never fails: remove_orphans tries again."""
    folders = set()
    names = list(filter(None, names))
    if len(names) >= BULK_SIZE and _delete_in_bulk(names):
        return
    for name in names:
        try:
            default_storage.delete(name)
            folders.add(str(PurePosixPath(name).parent))
        except Exception:  # Each storage has errors of its own.
            log.exception("file not deleted", name=name)
    for folder in folders:
        _remove_folder(folder)


def _delete_in_bulk(names: list[str]) -> bool:
    """Remove up to 1,000 objects by one request; return whether the store could do that."""
    if not hasattr(default_storage, "bucket"):
        return False
    root = _root_of_bucket()
    try:
        answer = default_storage.bucket.delete_objects(
            Delete={"Objects": [{"Key": root + name} for name in names], "Quiet": True}
        )
    except Exception as error:
        if not is_storage_error(error):
            raise
        log.warning("files not deleted in bulk", error=str(error))  # Not every store knows how.
        return False
    for error in answer.get("Errors", ()):
        log.error("file not deleted", name=error.get("Key"), error=error.get("Message"))
    return True


def _root_of_bucket() -> str:
    return f"{default_storage.location.strip('/')}/".lstrip("/")


def _remove_folder(name: str) -> None:
    """Remove a folder if it is empty. An object store has no folders."""
    with suppress(NotImplementedError, OSError):
        Path(default_storage.path(name)).rmdir()


class OrphanRemover:
    """Removes the stored files of photos that no row names, a part of the store in each run."""

    def __init__(
        self,
        *,
        age: timedelta = ORPHAN_AGE,
        confirm_after: timedelta = CONFIRM_AFTER,
        pass_interval: timedelta = PASS_INTERVAL,
        time_budget: timedelta = TIME_BUDGET,
    ) -> None:
        self._age = age.total_seconds()
        self._confirm_after = confirm_after.total_seconds()
        self._pass_interval = pass_interval.total_seconds()
        self._time_budget = time_budget.total_seconds()
        self._lock = threading.Lock()
        self._cursor: str | None = None  # None: between two passes.
        self._pass_began: float | None = None
        self._suspects: dict[str, float] = {}  # Names, and when they were first seen without a row.

    @property
    def is_between_passes(self) -> bool:
        """Whether the last run reached the end of the store."""
        return self._cursor is None

    def run(self) -> int:
        """Work for the time budget at most, and return how many files were removed.

        A run that begins while another one is at work in this process does nothing.
        """
        if not self._lock.acquire(blocking=False):
            return 0
        try:
            end = time.monotonic() + self._time_budget
            removed = self._remove_confirmed(end)
            self._look_for_suspects(end)
            return removed
        finally:
            self._lock.release()

    def _look_for_suspects(self, end: float) -> None:
        now = time.monotonic()
        if self._cursor is None:
            if self._pass_began is not None and now - self._pass_began < self._pass_interval:
                return
            self._cursor, self._pass_began = "", now
        for page in pages(default_storage, "photos", self._cursor):
            self._suspect(page)
            self._cursor = page.cursor
            if time.monotonic() > end or len(self._suspects) >= MAX_SUSPECTS:
                return
        self._cursor = None

    def _suspect(self, page: Page) -> None:
        limit = time.time() - self._age
        old = [name for name, changed in page.files.items() if changed < limit]
        for name in _without_row(old):
            self._suspects.setdefault(name, time.monotonic())
        for folder, changed in page.empty_folders.items():
            if changed < limit and _PHOTO_FOLDER.fullmatch(folder):
                _remove_folder(folder)

    def _remove_confirmed(self, end: float) -> int:
        limit = time.monotonic() - self._confirm_after
        names = [name for name, seen in self._suspects.items() if seen <= limit]
        removed = 0
        for start in range(0, len(names), LOOKUP_SIZE):
            chunk = names[start : start + LOOKUP_SIZE]
            orphans = _without_row(chunk)
            delete_files(orphans)
            if orphans:
                log.info("orphans removed", count=len(orphans), names=orphans[:3])
            removed += len(orphans)
            for name in chunk:
                del self._suspects[name]
            if time.monotonic() > end:
                break
        return removed


def _without_row(names: list[str]) -> list[str]:
    """Return those files of photos that no row names; files of other kinds are not ours."""
    photos = {name: photo for name in names if (photo := _photo_of(name))}
    keys, named = list(set(photos.values())), set()
    for start in range(0, len(keys), LOOKUP_SIZE):
        rows = Photo.objects.filter(pk__in=keys[start : start + LOOKUP_SIZE])
        for files in rows.values_list("upload", "display", "thumbnail"):
            named.update(files)
    return [name for name in photos if name not in named]


def _photo_of(name: str) -> uuid.UUID | None:
    folder, _, _file = name.rpartition("/")
    match = _PHOTO_FOLDER.fullmatch(folder)
    return uuid.UUID(match[1].lstrip("/")) if match and match[1] else None


_remover = OrphanRemover()


def remove_orphans() -> int:
    """Remove files without a row, and temporary files; return how many files of photos went.

    Call it every minute in a process that lives on: most calls find nothing to do, and each ends
    after TIME_BUDGET. A file is gone at most an hour after its last change.
    """
    remove_temporary_files()
    return _remover.run()


def remove_temporary_files() -> int:
    """Remove what killed processes left behind: uploads, cache entries, parts in a bucket.

    Returns how many there were.
    """
    removed = 0
    limit = time.time() - TEMPORARY_AGE.total_seconds()
    uploads = Path(settings.FILE_UPLOAD_TEMP_DIR)
    with suppress(OSError):
        uploads.mkdir(mode=0o700, exist_ok=True)
    for path in (*uploads.glob("*"), *(Path(settings.DATA_DIR) / "cache").glob("tmp*")):
        with suppress(OSError):
            if path.is_file() and path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
    return removed + _abort_old_parts(limit)


def _abort_old_parts(limit: float) -> int:
    """Abort uploads of several parts that a bucket still waits for; it hides and charges them."""
    if not hasattr(default_storage, "bucket"):
        return 0
    aborted = 0
    bucket = default_storage.bucket
    try:
        for upload in bucket.multipart_uploads.filter(Prefix=f"{_root_of_bucket()}photos/"):
            if upload.initiated.timestamp() < limit:
                upload.abort()
                aborted += 1
    except Exception as error:
        if not is_storage_error(error):
            raise
        log.warning("old parts were not aborted", error=str(error))
    return aborted
