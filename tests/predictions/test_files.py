"""Stored files that nothing refers to."""

import os
import time
import uuid
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from predictions.files import ORPHAN_AGE, delete_files, remove_orphans

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def age(storage: Path, name: str) -> None:
    then = time.time() - ORPHAN_AGE.total_seconds() - 60
    os.utime(storage / name, (then, then))


def put(storage: Path, folder: uuid.UUID, kind: str, *, old: bool) -> str:
    name = default_storage.save(
        f"photos/{folder.hex[:2]}/{folder.hex}/{kind}", ContentFile(b"pixels")
    )
    if old:
        age(storage, name)
    return name


def test_old_files_without_a_photo_go(storage, stored_files):
    put(storage, uuid.uuid4(), "upload", old=True)
    young = put(storage, uuid.uuid4(), "upload", old=False)
    assert remove_orphans() == 1
    assert stored_files() == [young]
    assert len(list(storage.glob("photos/*/*"))) == 1


def test_files_in_use_stay_and_forgotten_ones_beside_them_go(
    owner, submit, make_image, storage, stored_files
):
    photo = submit(owner, make_image()).photo
    age(storage, photo.upload.name)
    put(storage, photo.pk, "display.jpg", old=True)
    assert remove_orphans() == 1
    assert stored_files() == [photo.upload.name]


def test_foreign_files_are_left_alone(storage, stored_files):
    for name in ("photos/aa/notes/todo.txt", "photos/readme.txt"):
        default_storage.save(name, ContentFile(b"not ours"))
        age(storage, name)
    assert remove_orphans() == 0
    assert len(stored_files()) == 2


def test_empty_storage_has_no_orphans():
    assert remove_orphans() == 0


def test_missing_file_is_no_error(storage):
    delete_files(["photos/aa/00/upload"])
