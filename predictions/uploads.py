"""What an acceptable photo is. A process without rights reads its header; nothing is read here."""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings
from django.core.files import File
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mlcore.decoder import Header, shared_decoder
from mlcore.errors import DecoderUnavailable, UnreadableImage
from mlcore.structure import sniff

FORMAT_NAMES = gettext_lazy("JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF")
ACCEPT = "image/*,.heic,.heif"
MAX_READERS_PER_OWNER = 2
"""Uploads of one user whose headers a web process reads at the same time."""

READING_TIMEOUT = 2.0
"""Seconds that an upload waits until it is read; an ordinary one takes a hundredth of it."""

MIN_SIDE = 24
"""Pixels. A face below half of the network's input size carries no readable expression."""


def explain(code: str) -> str:
    """Return one sentence for the sender of a picture that is wrong in this way.

    Raises KeyError for a code of another kind.
    """
    return {
        "empty_file": _("This file is empty."),
        "file_too_large": _("This file is larger than %s MB.") % settings.MAX_UPLOAD_MB,
        "unsupported_format": _("This is not a picture we can read. Send %s.") % FORMAT_NAMES,
        "unreadable_image": _("This picture is damaged or incomplete."),
        "too_many_pixels": _("This picture has more than %s megapixels.")
        % settings.MAX_UPLOAD_MEGAPIXELS,
        "too_complex": _(
            "Reading this picture takes too much memory. Save it again, for example as JPEG, and "
            "send that."
        ),
        "timed_out": _(
            "Reading this picture takes too long. Save it again, for example as JPEG, and send "
            "that."
        ),
        "too_small": _("Each side of a picture needs at least %s pixels.") % MIN_SIDE,
    }[code]


class UploadError(Exception):
    """The file is refused; ``code`` is a stable word, ``detail`` one sentence for its sender."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.detail = explain(code)
        super().__init__(self.detail)


@dataclass(frozen=True)
class Upload:
    """An accepted file: its content and what its header says (pixels of the upright picture)."""

    file: File
    name: str
    sha256: str
    bytes: int
    width: int
    height: int


def clean_name(name: str) -> str:
    """Return a file name that is safe to show and to offer for download."""
    name = PurePosixPath(name.replace("\\", "/")).name
    name = re.sub(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", "", name).strip()
    return name[-200:] or "photo"


def validate(file: File, name: str | None = None, *, owner=None) -> Upload:
    """Accept a file or raise UploadError. One ``owner`` keeps no other waiting; None is the staff.

    Codes: empty_file, file_too_large, unsupported_format, unreadable_image, too_many_pixels,
    too_small, too_complex, timed_out. The format is told by content, never by name. Raises
    DecoderUnavailable where no picture can be read at the moment.
    """
    size = file.size
    if not size:
        raise UploadError("empty_file")
    if size > settings.MAX_UPLOAD_MB * 1024 * 1024:
        raise UploadError("file_too_large")
    file.seek(0)
    # Most of what is no picture needs no process to tell.
    if sniff(file.read(32)) is None:
        raise UploadError("unsupported_format")
    header = _header(file, owner)
    if min(header.width, header.height) < MIN_SIDE:
        raise UploadError("too_small")
    return Upload(
        file=file,
        name=clean_name(name or file.name or ""),
        sha256=_sha256(file),
        bytes=size,
        width=header.width,
        height=header.height,
    )


class _Readers:
    """The uploads whose headers this process reads, of each owner and together.

    Who waits for the decoder holds a thread of the web process; the others must go on serving.
    """

    def __init__(self) -> None:
        self._owners: Counter[int | None] = Counter()
        self._changed = threading.Condition()

    def _has_room(self, owner_id: int | None) -> bool:
        is_full = self._owners.total() >= settings.READING_THREADS
        return not is_full and self._owners[owner_id] < MAX_READERS_PER_OWNER

    @contextmanager
    def place(self, owner_id: int | None) -> Iterator[None]:
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(owner_id), READING_TIMEOUT):
                raise DecoderUnavailable("too many uploads are read at the same time")
            self._owners[owner_id] += 1
        try:
            yield
        finally:
            with self._changed:
                self._owners[owner_id] -= 1
                self._changed.notify_all()


_readers = _Readers()


def _header(file: File, owner) -> Header:
    """Read format and size in the decoder's process; leave the file wound back."""
    with _readers.place(owner and owner.pk):
        return _read_header(file)


def _read_header(file: File) -> Header:
    try:
        return shared_decoder().read_header(
            file, max_pixels=settings.MAX_UPLOAD_MEGAPIXELS * 1_000_000
        )
    except UnreadableImage as error:
        raise UploadError(error.code) from error
    finally:
        file.seek(0)


def _sha256(file: File) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
