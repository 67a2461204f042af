"""TIFF, and EXIF, which is a TIFF inside another file.

Of a file with several pages, decoders read the first directory and those that it points to, so
the chain of further pages is not followed: it costs nobody anything.
"""

import array
import struct
import sys

from mlcore.structure.icc import check_icc
from mlcore.structure.refusal import leaves_damage, too_complex

MAX_TAGS = 4_096
"""Tags of one directory, each read several times; libtiff refuses more too, cameras write 100."""

MAX_ENTRIES = 70_000
"""The same with those of unknown types, which are skipped: a damaged offset makes a directory of
whatever is there."""

MAX_ENTRIES_IN_ALL = 400_000
"""Entries of all directories in one file: a series of 100 pictures has some 20,000."""

MAX_BYTES_NAMED_TWICE = 1 << 20
"""Values may share their bytes, as equal resolutions do. In all, they may name as many bytes as
the file has, twice over, and this much more in a small file."""

MAX_NUMBERS = 500_000
"""Numbers that become Python objects of 30 to 60 bytes; a palette of 16 bits has 196,608."""

MAX_RAW_STRIPS = 300_000
"""Uncompressed strips and tiles are decoded one by one, in some 10 µs each; 64 megapixels in
tiles of 16 by 16 have 250,000."""

MAX_REREAD = 4
"""How often strips may cover the picture, or read the file: tiles reach beyond its edges, and
blank tiles may share their bytes."""

MAX_EXIF_PREFIXES = 8
"""Each repeated prefix copies the block; a real one has one or two."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_SIZES_IN_LIBTIFF_ONLY = {17: 8, 18: 8}
_BYTES = (1, 2, 7)
_RATIONALS = (5, 10)
_RATIONAL_WEIGHT = 8  # A fraction is an object that holds others.

_EXIF, _GPS, _INTEROP = 0x8769, 0x8825, 0xA005
_WIDTH, _HEIGHT, _COMPRESSION, _PLANAR = 256, 257, 259, 284
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_ICC = 34675
# The tags of a page that are turned into numbers while the file is opened.
_DECODED = {
    *(_WIDTH, _HEIGHT, _COMPRESSION, _PLANAR, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT, _ICC),
    *(258, 262, 266, 274, 277, 282, 283, 296, 320, 338, 339, 530, 700, _EXIF, _GPS, _INTEROP),
}


class TagBudget:
    """How many entries the directories of one file may still have."""

    def __init__(self) -> None:
        self.left = MAX_ENTRIES_IN_ALL

    def spend(self, tags: int) -> None:
        self.left -= tags
        if self.left < 0:
            raise too_complex("too many tags")


def check_tiff(view: memoryview, max_pixels: int) -> None:
    walk = _Walk(view, TagBudget())
    for first in _first_directories(view):
        page = walk.page(*first)
        _check_strips(walk, page, max_pixels)
        if _ICC in page:
            check_icc(walk.bytes_of(page[_ICC]))


@leaves_damage
def check_exif(block: memoryview, budget: TagBudget) -> None:
    """Check an EXIF block, with or without its prefix "Exif"."""
    prefixes = 0
    while block[6 * prefixes : 6 * prefixes + 6] == b"Exif\0\0":
        prefixes += 1
        if prefixes > MAX_EXIF_PREFIXES:
            raise too_complex("too many prefixes before its EXIF data")
    check_directories(block[6 * prefixes :], budget)


@leaves_damage
def check_directories(block: memoryview, budget: TagBudget) -> None:
    """Check a TIFF structure without pixels, all of whose values may be decoded."""
    if len(block) < 8:
        return
    walk = _Walk(block, budget)
    for first in _first_directories(block):
        walk.page(*first, decoded=None)


def _first_directories(view: memoryview) -> list[tuple[int, str, bool]]:
    """Return the offset, byte order and width of the directory that each reader would start at."""
    order = "<" if view[:2] == b"II" else ">" if view[:2] == b"MM" else ""
    if not order or len(view) < 8:
        return []
    starts = []
    if view[2] != 43:
        # Pillow takes a big-endian BigTIFF for this, whatever its version says.
        starts.append((struct.unpack_from(order + "I", view, 4)[0], order, False))
    if 43 in (view[2], view[3]) and len(view) >= 16:
        starts.append((struct.unpack_from(order + "Q", view, 8)[0], order, True))
    return starts


class _Walk:
    """What the directories of one file may still cost."""

    def __init__(self, view: memoryview, budget: TagBudget) -> None:
        self.view = view
        self.budget = budget
        self.bytes_left = 2 * len(view) + MAX_BYTES_NAMED_TWICE
        self.numbers_left = MAX_NUMBERS

    def page(self, offset: int, order: str, big: bool, decoded: set[int] | None = _DECODED) -> dict:
        """Walk a page's directory and those it points to; return the page's own entries."""
        self.order, self.big = order, big
        page = self.directory(offset, decoded)
        notes = self.directory(self.pointer(page, _EXIF), None)
        self.directory(self.pointer(page, _GPS), None)
        self.directory(self.pointer(page, _INTEROP), None)
        self.directory(self.pointer(notes, _INTEROP), None)
        return page

    def directory(self, offset: int | None, decoded: set[int] | None) -> dict:
        """Return tag -> (type, number of values, offset of the first value).

        ``decoded`` names the tags whose values become Python numbers; None stands for all.
        """
        head, entry = (8, "HHQ") if self.big else (2, "HHI")
        length, inline = (20, 8) if self.big else (12, 4)
        if offset is None or offset + head > len(self.view):
            return {}
        (count,) = struct.unpack_from(self.order + ("Q" if self.big else "H"), self.view, offset)
        count = min(count, (len(self.view) - offset - head) // length)
        if count > MAX_ENTRIES:
            raise too_complex("a directory with too many tags")
        self.budget.spend(count)
        entries, tags = {}, 0
        for start in range(offset + head, offset + head + count * length, length):
            tag, kind, values = struct.unpack_from(self.order + entry, self.view, start)
            size = values * (_SIZES.get(kind) or _SIZES_IN_LIBTIFF_ONLY.get(kind, 0))
            if not size:
                continue
            tags += 1
            if tags > MAX_TAGS:
                raise too_complex("a directory with too many tags")
            where = start + length - inline
            if size > inline:
                where = self.number("Q" if self.big else "I", where)
                if where + size > len(self.view):
                    continue  # Nothing is read beyond the end.
                self.bytes_left -= size
                if self.bytes_left < 0:
                    raise too_complex("tags that name the same bytes again and again")
            if kind not in _BYTES and (decoded is None or tag in decoded):
                self.numbers_left -= values * (_RATIONAL_WEIGHT if kind in _RATIONALS else 1)
                if self.numbers_left < 0:
                    raise too_complex("tags with too many values")
            entries[tag] = kind, values, where
        return entries

    def number(self, code: str, offset: int) -> int:
        return struct.unpack_from(self.order + code, self.view, offset)[0]

    def pointer(self, entries: dict, tag: int, default: int | None = None) -> int | None:
        """Return the first value of an integer tag."""
        kind, _, where = entries.get(tag, (0, 0, 0))
        code = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(kind)
        return default if code is None else self.number(code, where)

    def bytes_of(self, entry: tuple[int, int, int]) -> memoryview:
        kind, values, where = entry
        return self.view[where : where + values * _SIZES.get(kind, 0)]

    def sum_of(self, entry: tuple[int, int, int]) -> int:
        kind, values, where = entry
        code = {3: "H", 4: "I", 13: "I", 16: "Q"}.get(kind)
        if code is None:
            return 0
        total, step = 0, 1 << 16
        numbers = array.array({2: "H", 4: "I", 8: "Q"}[_SIZES[kind]])
        end = where + values * numbers.itemsize
        for start in range(where, end, step * numbers.itemsize):
            numbers = array.array(numbers.typecode)
            numbers.frombytes(self.view[start : min(end, start + step * numbers.itemsize)])
            if (self.order == "<") != (sys.byteorder == "little"):
                numbers.byteswap()
            total += sum(numbers)
        return total


def _check_strips(walk: _Walk, page: dict, max_pixels: int) -> None:
    width = walk.pointer(page, _WIDTH, 0)
    height = walk.pointer(page, _HEIGHT, 0)
    planes = 8 if walk.pointer(page, _PLANAR, 1) == 2 else 1
    tile_width = walk.pointer(page, _TILE_WIDTH, 0)
    tile_height = walk.pointer(page, _TILE_HEIGHT, 0)
    if tile_width * tile_height > max(max_pixels, 1 << 20):
        raise too_complex("tiles of too many pixels")
    if walk.pointer(page, _COMPRESSION, 1) != 1:
        for tag in (_STRIP_BYTES, _TILE_BYTES):
            if tag in page and walk.sum_of(page[tag]) > MAX_REREAD * len(walk.view) + (16 << 20):
                raise too_complex("strips that name the same bytes again and again")
        return
    tag = _STRIP_OFFSETS if _STRIP_OFFSETS in page else _TILE_OFFSETS
    if tag not in page:
        return
    strips = page[tag][1]
    if tag == _STRIP_OFFSETS:
        tile_width, tile_height = width, walk.pointer(page, _ROWS_PER_STRIP, height)
    if strips > MAX_RAW_STRIPS:
        raise too_complex("too many strips")
    covered = strips * min(tile_width, width) * min(tile_height, height)
    # Of strips that each hold the whole picture, only the last one is decoded.
    several = tile_height < height or tile_width < width or planes > 1
    if several and covered > MAX_REREAD * planes * max_pixels:
        raise too_complex("strips that cover the picture again and again")
