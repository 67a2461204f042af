"""Every stored file, a page at a time, so that a store of a million files can be looked through.

An object store is listed flat: one request for up to 1,000 objects, with the times of all of them.
A file system is walked folder by folder.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.core.files.storage import Storage

PAGE_SIZE = 1000
"""Entries of a page; a page of a file system ends with a whole folder."""


@dataclass
class Page:
    """Some files with the time of their last change (seconds since 1970), in order of their names.

    ``empty_folders`` are those of a file system; an object store has none. The listing continues
    after ``cursor``.
    """

    files: dict[str, float] = field(default_factory=dict)
    empty_folders: dict[str, float] = field(default_factory=dict)
    cursor: str = ""

    def __len__(self) -> int:
        return len(self.files) + len(self.empty_folders)


def pages(storage: Storage, prefix: str, cursor: str = "") -> Iterator[Page]:
    """Yield what lies below the folder ``prefix``, from the start or after a page's cursor."""
    if hasattr(storage, "bucket"):
        return _bucket_pages(storage, prefix, cursor)
    return _folder_pages(Path(storage.path("")), prefix, cursor)


def _bucket_pages(storage: Storage, prefix: str, cursor: str) -> Iterator[Page]:
    root = f"{storage.location.strip('/')}/".lstrip("/")
    start = {"Marker": root + cursor} if cursor else {}
    for objects in storage.bucket.objects.filter(Prefix=f"{root}{prefix}/", **start).pages():
        found = {item.key.removeprefix(root): item.last_modified.timestamp() for item in objects}
        if found:
            yield Page(found, cursor=max(found))


def _folder_pages(root: Path, prefix: str, cursor: str) -> Iterator[Page]:
    page = Page()
    for shard in _folders(root, prefix):
        # All folders of an earlier shard sort before the cursor, which lies in a later one.
        if shard < cursor and not cursor.startswith(f"{shard}/"):
            continue
        folders = _folders(root, shard)
        if not folders:
            _add(page, root, shard)
        for folder in folders:
            if folder > cursor:
                _add(page, root, folder)
            if len(page) >= PAGE_SIZE:
                yield page
                page = Page()
    if page:
        yield page


def _folders(root: Path, name: str) -> list[str]:
    """Return the names of the folders in a folder, in order; none where it is gone."""
    try:
        with os.scandir(root / name) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [f"{name}/{folder}" for folder in sorted(found)]


def _add(page: Page, root: Path, folder: str) -> None:
    page.cursor = folder
    try:
        changed = (root / folder).stat().st_mtime
        with os.scandir(root / folder) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_file(follow_symlinks=False):
                page.files[f"{folder}/{entry.name}"] = entry.stat().st_mtime
    except FileNotFoundError:
        return  # It was deleted meanwhile.
    if not found:
        page.empty_folders[folder] = changed
