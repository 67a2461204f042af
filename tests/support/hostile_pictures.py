"""Small files that are expensive or dangerous to read, made in memory."""

import io
import random
import struct
import zlib

from PIL import Image


def _picture(format: str, size: tuple[int, int] = (320, 240), **options) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, format, **options)
    return file.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png_with_many_chunks(count: int = 200_000) -> bytes:
    """A PNG with empty chunks before its pixels."""
    good = _picture("PNG")
    header, rest = good[:33], good[33:]
    return header + _chunk(b"teSt", b"") * count + rest


def png_with_many_notes(count: int = 40, size: int = 200_000) -> bytes:
    """A PNG with as many blocks of EXIF."""
    good = _picture("PNG")
    return good[:33] + _chunk(b"eXIf", b"MM\0*\0\0\0\x08" + bytes(size)) * count + good[33:]


def jpeg_with_many_markers(count: int = 400_000) -> bytes:
    """A JPEG with empty application markers."""
    good = _picture("JPEG")
    return good[:2] + b"\xff\xe5\x00\x02" * count + good[2:]


def jpeg_with_many_scans(count: int = 1500) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    good = _picture("JPEG", (1600, 1600), progressive=True, quality=30)
    start = good.rindex(b"\xff\xda")
    scan = good[start:-2]
    return good[:start] + scan * count + b"\xff\xd9"


def tiff_with_many_tags(count: int = 40, size: int = 4_000_000) -> bytes:
    """A TIFF with many tags that all point at the same bytes."""
    entries = [(256, 4, 1, 100), (257, 4, 1, 100), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 100), (279, 4, 1, 10_000)]
    entries += [(40_000 + number, 7, size, 8) for number in range(count)]
    directory = struct.pack("<H", len(entries))
    for tag, kind, number, value in entries:
        directory += struct.pack("<HHII", tag, kind, number, value)
    data = bytes(size)
    header = b"II*\0" + struct.pack("<I", 8 + len(data))
    return header + data + directory + bytes(4)


def gif_with_a_long_comment(size: int = 1_000_000) -> bytes:
    """A GIF with a comment of so many bytes, in blocks of 255."""
    good = _picture("GIF")
    blocks = (b"\xff" + b"x" * 255) * (size // 255)
    end = 13 + (2 << (good[10] & 7)) * 3  # Behind the header and its palette.
    return good[:end] + b"!\xfe" + blocks + b"\0" + good[end:]


def png_of_many_pixels(side: int = 60_000) -> bytes:
    """A PNG that claims more pixels than are allowed, and has none."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", pixels)
        + _chunk(b"IEND", b"")
    )


def webp_of_many_pixels(side: int = 7900) -> bytes:
    """A WebP of few bytes that needs much memory."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), "green").save(file, "WEBP", lossless=True, method=0)
    return file.getvalue()


def damaged_jpeg() -> bytes:
    chance = random.Random(3)  # noqa: S311
    bad = bytearray(_picture("JPEG"))
    for _time in range(60):
        bad[chance.randrange(20, len(bad))] = chance.randrange(256)
    return bytes(bad)


def half_a_png() -> bytes:
    good = _picture("PNG")
    return good[: len(good) // 2]


def no_picture() -> bytes:
    return b"%PDF-1.7\n" + bytes(1000)


ALL = (
    *(png_with_many_chunks, png_with_many_notes, jpeg_with_many_markers, jpeg_with_many_scans),
    *(tiff_with_many_tags, gif_with_a_long_comment, png_of_many_pixels, webp_of_many_pixels),
    *(damaged_jpeg, half_a_png, no_picture),
)
