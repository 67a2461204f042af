"""What an acceptable photo is. Only the header is read: nothing is decoded in the web process."""

import hashlib
import re
import warnings
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings
from django.core.files import File
from PIL import ExifTags, Image, UnidentifiedImageError
from pillow_heif import register_heif_opener

register_heif_opener()

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")
FORMAT_NAMES = "JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF"
ACCEPT = "image/*,.heic,.heif"
MIN_SIDE = 24
"""Pixels. A face below half of the network's input size carries no readable expression."""


class UploadError(Exception):
    """The file is refused; ``code`` is a stable word, ``detail`` one sentence for its sender."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


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


def validate(file: File, name: str | None = None) -> Upload:
    """Accept a file or raise UploadError.

    Codes: empty_file, file_too_large, unsupported_format, unreadable_image, too_many_pixels,
    too_small. The format is told by content, never by name.
    """
    size = file.size
    if not size:
        raise UploadError("empty_file", "This file is empty.")
    if size > settings.MAX_UPLOAD_MB * 1024 * 1024:
        raise UploadError(
            "file_too_large", f"This file is larger than {settings.MAX_UPLOAD_MB} MB."
        )
    width, height = _dimensions(file)
    if width * height > settings.MAX_UPLOAD_MEGAPIXELS * 1_000_000:
        raise _too_many_pixels()
    if min(width, height) < MIN_SIDE:
        raise UploadError(
            "too_small",
            f"This picture is {width} × {height} pixels; each side needs at least {MIN_SIDE}.",
        )
    return Upload(
        file=file,
        name=clean_name(name or file.name or ""),
        sha256=_sha256(file),
        bytes=size,
        width=width,
        height=height,
    )


def _too_many_pixels() -> UploadError:
    return UploadError(
        "too_many_pixels",
        f"This picture has more than {settings.MAX_UPLOAD_MEGAPIXELS} megapixels.",
    )


def _dimensions(file: File) -> tuple[int, int]:
    """Read width and height of the upright picture from the header."""
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                turned = _orientation(image) >= 5
    except UnidentifiedImageError as error:
        raise UploadError(
            "unsupported_format", f"This is not a picture we can read. Send {FORMAT_NAMES}."
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except Exception as error:  # A damaged header makes Pillow's readers raise almost anything.
        raise UploadError("unreadable_image", "This picture is damaged.") from error
    finally:
        file.seek(0)
    return (height, width) if turned else (width, height)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Broken EXIF is no reason to refuse a photo.
        return 1


def _sha256(file: File) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
