"""A storage that is slow or fails when a test says so.

The test writes a `Trouble` into a file, which every operation reads first.
"""

import errno
import json
import os
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage


@dataclass(frozen=True)
class Trouble:
    """``delay`` seconds before every operation, and ``share`` (0...1) of them fail.

    They fail with ``error``, the name of an errno. Only writes fail where ``writes_only``.
    """

    delay: float = 0.0
    share: float = 0.0
    error: str = "EIO"
    writes_only: bool = False

    def write(self, file: Path) -> None:
        replacement = file.with_suffix(".new")
        replacement.write_text(json.dumps(asdict(self)))
        replacement.replace(file)


class FaultyStorage(FileSystemStorage):
    """The usual storage in the trouble that the file ``trouble`` describes, if there is one."""

    def __init__(self, *args, trouble: str, **options) -> None:
        super().__init__(*args, **options)
        self._trouble = Path(trouble)

    def _fails(self, is_write: bool) -> OSError | None:
        try:
            trouble = Trouble(**json.loads(self._trouble.read_text()))
        except FileNotFoundError:
            return None
        time.sleep(trouble.delay)
        if random.random() >= trouble.share or (trouble.writes_only and not is_write):  # noqa: S311
            return None
        number = getattr(errno, trouble.error)
        return OSError(number, os.strerror(number))

    def _meet(self, is_write: bool = False) -> None:
        if error := self._fails(is_write):
            raise error

    def _save(self, name, content):
        if error := self._fails(is_write=True):
            # A disk that fills up has taken the beginning of the file.
            content.seek(0)
            super()._save(name, ContentFile(content.read(content.size // 2)))
            raise error
        return super()._save(name, content)

    def _open(self, name, mode="rb"):
        self._meet(is_write="w" in mode)
        return super()._open(name, mode)

    def delete(self, name):
        self._meet(is_write=True)
        super().delete(name)

    def exists(self, name):
        self._meet()
        return super().exists(name)

    def size(self, name):
        self._meet()
        return super().size(name)

    def listdir(self, path):
        self._meet()
        return super().listdir(path)
