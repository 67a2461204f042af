"""Stored files that nothing refers to."""

import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from predictions import files
from predictions.files import ORPHAN_AGE, TEMPORARY_AGE, OrphanRemover, delete_files
from predictions.models import Photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def age(storage: Path, name: str, by: timedelta = ORPHAN_AGE) -> None:
    then = time.time() - by.total_seconds() - 60
    os.utime(storage / name, (then, then))


def remover(**options) -> OrphanRemover:
    """Return one that does not wait between its runs."""
    options = {"confirm_after": timedelta(0), "pass_interval": timedelta(0), **options}
    return OrphanRemover(**options)


def remove_orphans() -> int:
    """Look for files without a row, and remove them in the next run."""
    runs = remover()
    assert runs.run() == 0
    return runs.run()


def put(storage: Path, folder: uuid.UUID, kind: str, *, old: bool) -> str:
    name = default_storage.save(
        f"photos/{folder.hex[:2]}/{folder.hex}/{kind}", ContentFile(b"pixels")
    )
    if old:
        age(storage, name)
    return name


def test_old_files_without_a_photo_go(storage, stored_files):
    orphan = put(storage, uuid.uuid4(), "upload", old=True)
    empty = Path("photos/ab") / uuid.uuid4().hex
    (storage / empty).mkdir(parents=True)
    age(storage, str(empty))
    young = put(storage, uuid.uuid4(), "upload", old=False)
    assert remove_orphans() == 1
    assert stored_files() == [young]
    assert not (storage / orphan).parent.exists()
    assert not (storage / empty).exists()
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


def test_a_file_that_gets_its_row_between_two_runs_stays(owner, submit, make_image, storage):
    photo = submit(owner, make_image()).photo
    name = photo.upload.name
    age(storage, name)
    Photo.objects.filter(pk=photo.pk).update(upload="")
    runs = remover()
    runs.run()
    Photo.objects.filter(pk=photo.pk).update(upload=name)
    assert runs.run() == 0
    assert default_storage.exists(name)


def test_a_file_is_not_removed_by_the_run_that_finds_it(storage):
    name = put(storage, uuid.uuid4(), "upload", old=True)
    runs = remover(confirm_after=timedelta(hours=1))
    assert [runs.run() for _ in range(3)] == [0, 0, 0]
    assert default_storage.exists(name)


def test_a_large_store_is_looked_through_over_several_runs(storage, stored_files, monkeypatch):
    monkeypatch.setattr("predictions.listing.PAGE_SIZE", 7)
    for _ in range(40):
        put(storage, uuid.uuid4(), "upload", old=True)
    runs = remover(time_budget=timedelta(0))
    seen = [runs.run()]
    while stored_files():
        seen.append(runs.run())
        assert len(seen) < 30
    assert sum(seen) == 40
    assert len(seen) > 5


def test_a_pass_begins_only_after_a_while(storage):
    runs = remover(pass_interval=timedelta(hours=1))
    runs.run()
    assert runs.is_between_passes
    put(storage, uuid.uuid4(), "upload", old=True)
    assert [runs.run(), runs.run()] == [0, 0]


def test_temporary_files_go_after_an_hour(storage, settings, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    settings.DATA_DIR = data
    settings.FILE_UPLOAD_TEMP_DIR = data / "incoming"
    (data / "cache").mkdir()
    assert files.remove_temporary_files() == 0
    assert settings.FILE_UPLOAD_TEMP_DIR.stat().st_mode & 0o777 == 0o700
    old = [data / "incoming/a.upload.jpg", data / "cache/tmpabc"]
    young = [data / "incoming/b.upload.jpg", data / "cache/key.djcache"]
    for path in (*old, *young):
        path.write_bytes(b"x")
    for path in (*old, young[1]):
        age(data, str(path.relative_to(data)), TEMPORARY_AGE)
    assert files.remove_temporary_files() == 2
    assert [path.exists() for path in (*old, *young)] == [False, False, True, True]


def test_all_files_of_a_deleted_photo_go_with_their_folder(storage):
    folder = uuid.uuid4()
    names = [put(storage, folder, kind, old=False) for kind in ("display.jpg", "thumbnail.jpg")]
    delete_files([names[0], "", "photos/aa/gone", names[1]])
    assert not (storage / names[0]).parent.exists()
    delete_files([])
