"""The two copies of a photo that are kept: upright, without metadata, as JPEG."""

import io
from dataclasses import dataclass

from PIL import Image

DISPLAY_SIDE = 2048
THUMBNAIL_SIDE = 480


@dataclass(frozen=True)
class Renditions:
    """JPEG bytes of the display copy and of the thumbnail."""

    display: bytes
    thumbnail: bytes


def render(image: Image.Image) -> Renditions:
    """Make both copies of an upright RGB picture (long sides at most 2048 and 480 pixels)."""
    return Renditions(
        display=jpeg(image, DISPLAY_SIDE, 92), thumbnail=jpeg(image, THUMBNAIL_SIDE, 82)
    )


def jpeg(image: Image.Image, side: int, quality: int) -> bytes:
    """Encode a picture with its long side at most ``side`` pixels and nothing but its pixels."""
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    stream = io.BytesIO()
    # A fresh Image carries no EXIF, comment or colour profile of the original.
    clean = Image.new("RGB", image.size)
    clean.paste(image)
    clean.save(stream, "JPEG", quality=quality, optimize=True, progressive=True)
    return stream.getvalue()
