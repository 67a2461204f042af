"""The header of a WebP file. To learn it, Pillow makes two full canvases."""

import re
import struct
from collections.abc import Iterator
from contextlib import suppress

from PIL import Image

from mlcore.errors import UnreadableImage

_HAS_EXIF, _HAS_XMP = 0x08, 0x04
_ORIENTATION = 0x0112
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([0-9])")


def is_webp(start: bytes) -> bool:
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def read_webp_header(content: bytes) -> tuple[int, int, Image.Exif]:
    """Return width and height of the canvas, and the EXIF data, of a whole file.

    The format is that of RFC 9649. Raises UnreadableImage where the file is cut or damaged.
    """
    exif = Image.Exif()
    try:
        if struct.unpack_from("<I", content, 4)[0] + 8 > len(content):
            raise UnreadableImage("the picture is damaged or incomplete: it breaks off")
        kind = content[12:16]
        if kind == b"VP8X":
            width = int.from_bytes(content[24:27], "little") + 1
            height = int.from_bytes(content[27:30], "little") + 1
            if content[20] & (_HAS_EXIF | _HAS_XMP):
                for name, start, size in _chunks(content):
                    if name == b"XMP " and _ORIENTATION not in exif:
                        _read_xmp(content[start : start + size], exif)
                    if name == b"EXIF":
                        # A photo with damaged notes is still a photo.
                        with suppress(Exception):
                            exif.load(content[start : start + size])
        elif kind == b"VP8L" and content[20] == 0x2F:
            (bits,) = struct.unpack_from("<I", content, 21)
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
        else:
            raise UnreadableImage("the picture's header is damaged")
    except (struct.error, IndexError) as error:
        raise UnreadableImage("the picture's header is damaged") from error
    return width, height, exif


def _read_xmp(text: bytes, exif: Image.Exif) -> None:
    """Take the orientation from XMP, where some programs write it instead of EXIF."""
    if found := _XMP_ORIENTATION.search(text):
        exif[_ORIENTATION] = int(found[1])


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and size of each chunk."""
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        yield name, position + 8, size
        position += 8 + size + size % 2
