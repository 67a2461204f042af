"""JPEG."""

import struct

from tests.support.hostile.chunks import picture
from tests.support.hostile.tiff import LONG, SHORT, UNDEFINED, tiff, tiff_rest


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """Return a JPEG marker with its length and body."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def jpeg_with(segments: bytes, size: tuple[int, int] = (64, 64)) -> bytes:
    """Return an ordinary JPEG with further bytes behind its first marker."""
    ordinary = picture("JPEG", size)
    return ordinary[:2] + segments + ordinary[2:]


def jpeg_of_empty_markers(markers: int = 5_000_000, marker: int = 0xD0) -> bytes:
    """Return a JPEG with millions of markers that have no body."""
    return jpeg_with(bytes([0xFF, marker]) * markers)


def jpeg_of_fill_bytes(count: int = 10_000_000, fill: bytes = b"\xff") -> bytes:
    """Return a JPEG with millions of bytes before its second marker."""
    return jpeg_with(fill * count)


def jpeg_of_comments(comments: int = 2_000_000) -> bytes:
    """Return a JPEG with millions of comments of one letter."""
    return jpeg_with(jpeg_segment(0xFE, b"c") * comments)


def jpeg_of_tables(tables: int = 250_000) -> bytes:
    """Return a JPEG that defines its first quantization table again and again."""
    table = b"\0" + bytes([16]) * 64
    return jpeg_with(jpeg_segment(0xDB, table * 1_000) * (tables // 1_000))


def jpeg_with_exif(exif: bytes, part: int = 65_527) -> bytes:
    """Return a JPEG with an EXIF block in as many segments as it needs."""
    body = exif.removeprefix(b"Exif\0\0")
    parts = [body[start : start + part] for start in range(0, len(body), part)]
    return jpeg_with(b"".join(jpeg_segment(0xE1, b"Exif\0\0" + part) for part in parts))


def jpeg_of_photoshop_resources(resources: int = 1_500_000) -> bytes:
    """Return a JPEG with millions of empty Photoshop resources."""
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, 0)
    body = b"Photoshop 3.0\0" + resource * 5_000
    return jpeg_with(jpeg_segment(0xED, body) * (resources // 5_000))


def jpeg_of_mpf(tags: int = 4_000, size: int = 60_000) -> bytes:
    """Return a JPEG whose index of further pictures has tags that name the same bytes."""
    size = 65_000 - tiff_rest(tags)
    at = tiff_rest(tags)
    index = tiff([(100 + n, UNDEFINED, size, at) for n in range(tags)], bytes(size))
    return jpeg_with(jpeg_segment(0xE2, b"MPF\0" + index))


def jpeg_of_indexes(indexes: int = 300) -> bytes:
    """Return a JPEG with hundreds of indexes of further pictures, each of thousands of tags."""
    pointers = [(tag, LONG, 1, 8) for tag in (0x8769, 0x8825, 0xA005)]
    index = tiff([*([(100, SHORT, 1, 7)] * 4_000), *pointers])
    return jpeg_with(jpeg_segment(0xE2, b"MPF\0" + index) * indexes)


def jpeg_of_scans(scans: int = 4_000, size: tuple[int, int] = (8_000, 8_000)) -> bytes:
    """Return a progressive grey JPEG with many scans that hold no data."""
    width, height = size
    tables = jpeg_segment(0xDB, b"\0" + bytes([1]) * 64)
    for kind in (0x00, 0x10):
        tables += jpeg_segment(0xC4, bytes([kind, 1]) + bytes(15) + b"\0")
    frame = jpeg_segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    first = jpeg_segment(0xDA, b"\1\1\0\0\0\0") + b"\0"
    further = jpeg_segment(0xDA, b"\1\1\0\1\x3f\0")
    return b"\xff\xd8" + tables + frame + first + further * (scans - 1) + b"\xff\xd9"


def jpeg_of_refinements(scans: int = 200, size: tuple[int, int] = (8_000, 8_000)) -> bytes:
    """Return a progressive grey JPEG whose scans refine every coefficient, in runs of blocks
    that take two bytes for 32,767 blocks."""
    width, height = size
    blocks = -(-width // 8) * -(-height // 8)
    bits = "0" + "1" * 14  # The only code, for a run of 16,384 blocks, and 14 bits more of it.
    bits *= -(-blocks // 32_767)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    tables = jpeg_segment(0xDB, b"\0" + bytes([1]) * 64)
    tables += jpeg_segment(0xC4, b"\0\1" + bytes(15) + b"\0")
    tables += jpeg_segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    frame = jpeg_segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    first = jpeg_segment(0xDA, b"\1\1\0\0\0\0") + b"\0"
    further = jpeg_segment(0xDA, b"\1\1\0\1\x3f\x10") + data
    return b"\xff\xd8" + tables + frame + first + further * (scans - 1) + b"\xff\xd9"


def jpeg_of_frame_headers(headers: int = 300, components: int = 21_000) -> bytes:
    """Return a JPEG with many frame headers of thousands of components."""
    header = struct.pack(">BHHB", 8, 64, 64, 1) + b"\1\x11\0" * components
    return jpeg_with(jpeg_segment(0xC0, header) * headers)
