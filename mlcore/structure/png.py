"""PNG and APNG: chunks."""

import re
import struct
import zlib

from mlcore.structure.icc import check_icc
from mlcore.structure.refusal import check_pixels, too_complex
from mlcore.structure.tiff import TagBudget, check_exif

MAX_CHUNKS = 100_000
"""Each chunk is read in Python; 20 MB of pixels in chunks of 1 kB are 20,000."""

MAX_SIDE_CHUNKS = 10_000
"""Chunks other than pixels and frames are kept or parsed; rich files have hundreds."""

MAX_PROFILES = 8
"""Colour profiles and EXIF blocks, of which a file may have one each; the last one counts."""

MAX_INFLATED = 1 << 20
"""The decoder inflates no text or profile further."""

MAX_INFLATED_TEXT = 512 << 20
"""Bytes that all compressed text could become, at a thousandfold each and up to 1 MiB."""

MAX_FIXED_CHUNK_BYTES = 64 * 1024
"""Chunks of a known small size: they become Python numbers, or a palette. It has 768 bytes."""

MAX_EXIF_TEXT_BYTES = 8 << 20
"""EXIF data written as text is split into lines and digits."""

_NAME = re.compile(rb"\w\w\w\w")
_ZERO = re.compile(rb"\0")
_PIXELS = {b"IDAT", b"fdAT", b"fcTL"}
_FIXED = {b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"acTL", b"IHDR"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_RAW_EXIF = b"Raw profile type exif"


def check_png(view: memoryview, max_pixels: int) -> None:
    chunks = side_chunks = 0
    size, animated = (0, 0), False
    tags = TagBudget()
    text, profiles = _Text(tags), 0
    pos = 8
    while pos + 8 <= len(view):
        length, name = struct.unpack_from(">I4s", view, pos)
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise too_complex("too many chunks")
        if name in _PIXELS:
            # The canvas of an animation is made before anybody can ask for the size.
            if animated:
                check_pixels(*size, max_pixels)
            pos += 12 + length
            continue
        if name == b"IEND" or not _NAME.match(name) or pos + 8 + length > len(view):
            return
        body = view[pos + 8 : pos + 8 + length]
        pos += 12 + length
        side_chunks += 1
        if side_chunks > MAX_SIDE_CHUNKS:
            raise too_complex("too many chunks")
        if name in _FIXED and length > MAX_FIXED_CHUNK_BYTES:
            raise too_complex("a chunk that is too long")
        if name == b"IHDR" and length >= 8:
            size = struct.unpack_from(">II", body)
        elif name == b"acTL":
            animated = True
        elif name in _TEXTS:
            text.check(name, body)
        elif name in (b"iCCP", b"eXIf"):
            profiles += 1
            if profiles > MAX_PROFILES:
                raise too_complex("too many colour profiles or EXIF blocks")
            if name == b"eXIf":
                check_exif(body, tags)
            else:
                check_icc(memoryview(_inflated(_after_zero(body)[1:])))


class _Text:
    """The text chunks of a file, some of them compressed, some of them EXIF data."""

    def __init__(self, tags: TagBudget) -> None:
        self.tags = tags
        self.inflated = self.exif_blocks = 0

    def check(self, name: bytes, body: memoryview) -> None:
        value = _after_zero(body)
        key = body[: len(body) - len(value) - 1]
        compressed = name == b"zTXt" or (name == b"iTXt" and len(value) > 1 and value[0] != 0)
        if compressed:
            self.inflated += min(MAX_INFLATED, 1032 * len(value))
            if self.inflated > MAX_INFLATED_TEXT:
                raise too_complex("too much compressed text")
        if name == b"tEXt" and key == b"exif":
            self.count_exif()
            check_exif(value, self.tags)
        if key != _RAW_EXIF:
            return
        self.count_exif()
        if name == b"iTXt":
            value = _after_zero(_after_zero(value[2:]))
        elif name == b"zTXt":
            value = value[1:]
        if len(value) > MAX_EXIF_TEXT_BYTES:
            raise too_complex("EXIF data that are too long")
        raw = _inflated(value) if compressed else bytes(value)
        digits = raw.split(b"\n", 3)[-1].translate(None, b" \n\r\t\f\v")
        try:
            check_exif(memoryview(bytes.fromhex(digits.decode("ascii"))), self.tags)
        except ValueError:  # No hexadecimal digits: the decoder drops the text.
            return

    def count_exif(self) -> None:
        self.exif_blocks += 1
        if self.exif_blocks > MAX_PROFILES:
            raise too_complex("too many EXIF blocks")


def _after_zero(body: memoryview) -> memoryview:
    zero = _ZERO.search(body)
    return body[zero.end() :] if zero else body[:0]


def _inflated(data: memoryview) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_INFLATED)
    except zlib.error:
        return b""
