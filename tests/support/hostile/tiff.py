"""TIFF and EXIF."""

import struct
from collections.abc import Iterable

SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7
Entry = tuple[int, int, int, int]
"""Tag, type, number of values, and the value itself or its offset."""


def tiff(entries: Iterable[Entry], rest: bytes = b"", big: bool = False) -> bytes:
    """Return a little-endian TIFF of one directory, followed by ``rest``.

    Offsets in ``entries`` are those of the file; ``tiff_rest(number of entries)`` is where
    ``rest`` starts. ``big`` makes it a BigTIFF.
    """
    entries = list(entries)
    if big:
        head = b"II" + struct.pack("<HHHQ", 43, 8, 0, 16) + struct.pack("<Q", len(entries))
        body = b"".join(struct.pack("<HHQQ", *entry) for entry in entries)
        return head + body + bytes(8) + rest
    head = b"II" + struct.pack("<HIH", 42, 8, len(entries))
    return head + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4) + rest


def tiff_rest(entries: int, big: bool = False) -> int:
    """Return the offset of what follows the directory in a file by ``tiff``."""
    return 16 + 8 + 20 * entries + 8 if big else 10 + 12 * entries + 4


def tiff_page(width: int, height: int, strips_at: int) -> list[Entry]:
    """Return the entries of an uncompressed grey page in one strip."""
    return [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, 1, 8),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, 1),
        (273, LONG, 1, strips_at),
        (277, SHORT, 1, 1),
        (278, LONG, 1, height),
        (279, LONG, 1, width * height),
    ]


def tiff_of_shared_bytes(tags: int = 40, size: int = 19_000_000, big: bool = False) -> bytes:
    """Return a TIFF whose private tags all name the same bytes."""
    at = tiff_rest(9 + tags, big)
    shared = [(40_000 + n, UNDEFINED, size, at) for n in range(tags)]
    return tiff([*tiff_page(16, 16, at), *shared], bytes(size), big)


def tiff_of_many_tags(tags: int = 65_535, big: bool = False) -> bytes:
    """Return a TIFF with a directory of many small tags."""
    page = tiff_page(16, 16, tiff_rest(tags, big))
    small = [(1 + n % 65_535, SHORT, 1, 7) for n in range(tags - len(page))]
    return tiff([*small, *page], bytes(256), big)


def tiff_of_many_numbers(values: int = 2_000_000) -> bytes:
    """Return a TIFF with a resolution of millions of fractions."""
    at = tiff_rest(10)
    page = [*tiff_page(16, 16, at), (282, RATIONAL, values, at)]
    return tiff(page, b"\1\0\0\0" * 2 * values)


def tiff_of_many_strips(strips: int = 2_000_000, height: int = 2_000_000) -> bytes:
    """Return a TIFF that is one pixel wide, with a strip for each row."""
    at = tiff_rest(9)
    page = tiff_page(1, height, at)
    page[5] = (273, LONG, strips, at)
    page[7] = (278, LONG, 1, 1)
    return tiff(page, struct.pack("<I", at) * strips)


def tiff_of_covering_strips(strips: int = 1_000, side: int = 8_000) -> bytes:
    """Return a TIFF whose strips each cover all but the last row of a large picture."""
    at = tiff_rest(9)
    page = tiff_page(side, side, at)
    page[5] = (273, LONG, strips, at)
    page[7] = (278, LONG, 1, side - 1)
    return tiff(page, struct.pack("<I", at) * strips + bytes(1_000))


def tiff_of_rereading_strips(strips: int = 8_000, size: int = 8_000_000) -> bytes:
    """Return a compressed TIFF whose strips all name the same megabytes."""
    entries = 9
    at = tiff_rest(entries)
    data = at + 8 * strips
    page = tiff_page(8_000, strips, at)
    page[3] = (259, SHORT, 1, 8)
    page[5] = (273, LONG, strips, at)
    page[7] = (278, LONG, 1, 1)
    page[8] = (279, LONG, strips, at + 4 * strips)
    offsets = struct.pack("<I", data) * strips
    return tiff(page, offsets + struct.pack("<I", size) * strips + bytes(size))


def tiff_of_huge_tile(side: int = 32_768) -> bytes:
    """Return a compressed TIFF of 16 × 16 pixels in one tile of a gigapixel."""
    at = tiff_rest(11)
    page = [entry for entry in tiff_page(16, 16, at) if entry[0] not in (259, 273, 278, 279)]
    page += [
        (259, SHORT, 1, 5),
        (322, LONG, 1, side),
        (323, LONG, 1, side),
        (324, LONG, 1, at),
        (325, LONG, 1, 64),
        (339, SHORT, 1, 1),
    ]
    return tiff(sorted(page), bytes(64))


def exif_of_shared_bytes(tags: int = 40, size: int = 19_000_000) -> bytes:
    """Return an EXIF block, with its prefix, whose tags all name the same bytes."""
    at = tiff_rest(tags)
    shared = [(40_000 + n, UNDEFINED, size, at) for n in range(tags)]
    return b"Exif\0\0" + tiff(shared, bytes(size))


def exif_of_many_numbers(values: int = 2_000_000) -> bytes:
    """Return an EXIF block with one tag of millions of fractions in its second directory."""
    second = tiff_rest(1)
    at = second + 2 + 12 + 4
    numbers = struct.pack("<HHHII", 1, 0x9999, RATIONAL, values, at) + bytes(4)
    rest = numbers + b"\1\0\0\0" * 2 * values
    return b"Exif\0\0" + tiff([(0x8769, LONG, 1, second)], rest)


def exif_of_many_prefixes(prefixes: int = 1_000_000) -> bytes:
    """Return an EXIF block that says "Exif" again and again."""
    return b"Exif\0\0" * prefixes + tiff([(274, SHORT, 1, 1)])
