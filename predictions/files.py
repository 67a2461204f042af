"""Removing stored files of photos. Every file lies in a folder of its photo's own."""

import contextlib
import random
import time
import uuid
from datetime import timedelta
from pathlib import Path

import structlog
from django.core.files.storage import default_storage
from django.utils import timezone

from predictions.models import Photo

log = structlog.get_logger(__name__)

ORPHAN_AGE = timedelta(days=1)
SECONDS = 10


def delete_files(names: list[str]) -> None:
    """Remove files of one photo; a file that is not there is no error."""
    for name in names:
        try:
            default_storage.delete(name)
        except Exception:  # Each storage has errors of its own; remove_orphans tries again.
            log.exception("file not deleted", name=name)
    # A file system keeps an empty folder; an object store has no folders to keep.
    with contextlib.suppress(NotImplementedError, OSError):
        Path(default_storage.path(names[0])).parent.rmdir()


def remove_orphans() -> int:
    """Remove files older than a day that no photo refers to, and return how many there were.

    A process that is killed between a file and the commit that belongs to it leaves such a file.
    Photos wait meanwhile, so that a large store is looked through over several days: each run
    takes the folders in another order and ends after SECONDS.
    """
    removed = 0
    limit = timezone.now() - ORPHAN_AGE
    shards = _list("photos")[0]
    random.shuffle(shards)
    end = time.monotonic() + SECONDS
    for shard in shards:
        if time.monotonic() > end:
            break
        folders = {name: _as_uuid(name) for name in _list(f"photos/{shard}")[0]}
        photos = Photo.objects.in_bulk([key for key in folders.values() if key])
        for folder, key in folders.items():
            photo = photos.get(key)
            kept = {photo.upload.name, photo.display.name, photo.thumbnail.name} if photo else ()
            for file in _list(f"photos/{shard}/{folder}")[1] if key else ():
                name = f"photos/{shard}/{folder}/{file}"
                with contextlib.suppress(FileNotFoundError):
                    if name not in kept and default_storage.get_modified_time(name) < limit:
                        delete_files([name])
                        removed += 1
    return removed


def _as_uuid(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None


def _list(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of folders and files in a storage folder that may not exist."""
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []
