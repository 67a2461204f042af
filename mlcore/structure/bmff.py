"""HEIF and AVIF: boxes within boxes, items made of extents and of other items."""

import struct

from mlcore.structure.icc import check_icc
from mlcore.structure.refusal import leaves_damage, too_complex
from mlcore.structure.tiff import TagBudget, check_exif

MAX_BOXES = 50_000
"""Boxes of all depths; each takes memory in the decoder. A rich photo has about a thousand."""

MAX_DEPTH = 16
"""Boxes within boxes, which readers enter by recursion; real files reach eight."""

MAX_ITEMS = 10_000
"""Items, their properties and references: readers look each one up in the list of all. A photo
of 64 megapixels in tiles of 512 has about 300 items."""

MAX_PROFILES = 100
"""Colour profiles, of which a file has one, or one for each of a few pictures."""

MAX_EXTENTS = 50_000
"""Pieces that an item's bytes are joined from; nearly all items have one."""

MAX_REREAD = 2
"""How often extents may name as many bytes as the file has."""

MAX_COPIED_BYTES = 256 << 20
"""Notes and colour profiles that several pictures share, copied for each of them."""

MAX_DERIVED = 50_000
"""Pictures decoded for one: overlays of overlays multiply. A grid has up to 65,536 tiles, of which
an item can name no more than its references allow."""

MAX_FRAMES = 100_000
"""Frames of an image sequence, listed before the first one is decoded."""

_CONTAINERS = {
    *(b"meta", b"iprp", b"ipco", b"iref", b"iinf", b"grpl"),
    *(b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf"),
}
# How many bytes a container has before its first child.
_SKIPPED = {b"meta": 4, b"iref": 4}


def check_bmff(view: memoryview, max_pixels: int) -> None:
    walk = _Walk(view)
    walk.boxes(0, len(view), b"")
    walk.check_derived()
    walk.check_copies()
    walk.check_exif()


class _Walk:
    """What the boxes of one file hold, and what they may still cost."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.boxes_left = MAX_BOXES
        self.items = self.located = 0
        self.properties = self.associations = self.references = self.extents = 0
        self.bytes_left = MAX_REREAD * len(view) + (1 << 20)
        self.profiles = self.profile_bytes = 0
        self.exif_items: set[int] = set()
        self.idat = 0
        self.pieces: dict[int, list[tuple[int, int, int]]] = {}
        self.described: dict[int, int] = {}
        self.parts: dict[int, list[int]] = {}

    @leaves_damage
    def boxes(self, pos: int, end: int, parent: bytes, depth: int = 0) -> None:
        """Walk the boxes between two offsets, and those inside them."""
        if depth > MAX_DEPTH:
            raise too_complex("boxes that are nested too deep")
        # Version and flags lead the references; the number decides how long their IDs are.
        wide = parent == b"iref" and self.view[pos - 4] != 0
        frames = _Frames()
        while pos + 8 <= end:
            length, name = struct.unpack_from(">I4s", self.view, pos)
            start = pos + 8
            if length == 1:
                (length,) = struct.unpack_from(">Q", self.view, start)
                start += 8
            if length == 0:
                length = end - pos
            after = pos + length
            if after < start or after > end:
                return
            self.boxes_left -= 1
            if self.boxes_left < 0:
                raise too_complex("too many boxes")
            self.box(parent, name, start, after, frames, wide)
            if name in _CONTAINERS:
                self.boxes(start + self.skipped(name, start), after, name, depth + 1)
            pos = after
        frames.check()

    @leaves_damage
    def box(
        self, parent: bytes, name: bytes, start: int, end: int, frames: "_Frames", wide: bool
    ) -> None:
        if parent == b"iref":
            self.reference(name, start, end, wide)
        elif parent == b"ipco":
            self.property(name, start, end)
        elif parent == b"stbl":
            frames.read(self.view, name, start, end)
        elif parent == b"iinf":
            self.item(start, end)
        elif name == b"iloc":
            self.locations(start, end)
        elif name == b"idat":
            self.idat = start
        elif name == b"ipma":
            (entries,) = struct.unpack_from(">I", self.view, start + 4)
            entries = self.associations + min(entries, end - start)
            self.associations = self.counted(entries, "item properties")

    def skipped(self, name: bytes, start: int) -> int:
        if name == b"iinf":
            return 6 if self.view[start] == 0 else 8
        return _SKIPPED.get(name, 0)

    def counted(self, number: int, what: str) -> int:
        if number > MAX_ITEMS:
            raise too_complex(f"too many {what}")
        return number

    def item(self, start: int, end: int) -> None:
        self.items = self.counted(self.items + 1, "items")
        version = self.view[start]
        if version not in (2, 3):
            return
        form = ">HH4s" if version == 2 else ">IH4s"
        number, _, kind = struct.unpack_from(form, self.view[start:end], 4)
        if kind == b"Exif":
            self.exif_items.add(number)

    def property(self, name: bytes, start: int, end: int) -> None:
        self.properties = self.counted(self.properties + 1, "item properties")
        if name == b"colr" and self.view[start : start + 4] in (b"prof", b"rICC"):
            self.profiles += 1
            if self.profiles > MAX_PROFILES:
                raise too_complex("too many colour profiles")
            self.profile_bytes = max(self.profile_bytes, end - start)
            check_icc(self.view[start + 4 : end])

    def reference(self, name: bytes, start: int, end: int, wide: bool) -> None:
        size, code = (4, "I") if wide else (2, "H")
        source, count = struct.unpack_from(f">{code}H", self.view[start:end])
        count = min(count, (end - start - size - 2) // size)
        self.references = self.counted(self.references + count, "references")
        if name == b"cdsc":
            self.described[source] = self.described.get(source, 0) + count
        elif name == b"dimg":
            form = f">{count}{code}"
            targets = struct.unpack_from(form, self.view[start:end], size + 2)
            self.parts.setdefault(source, []).extend(targets)

    def locations(self, start: int, end: int) -> None:
        """Walk the table of the items' extents."""
        box = self.view[start:end]
        version = box[0]
        offset_size, length_size = box[4] >> 4, box[4] & 15
        base_size, index_size = box[5] >> 4, box[5] & 15 if version else 0
        wide = version == 2
        items = int.from_bytes(box[6 : 10 if wide else 8], "big")
        pos = 10 if wide else 8
        for _ in range(items):
            if pos >= len(box):
                return
            self.located = self.counted(self.located + 1, "items")
            number = int.from_bytes(box[pos : pos + (4 if wide else 2)], "big")
            pos += 4 if wide else 2
            method = 0
            if version:
                method = box[pos + 1] & 15
                pos += 2
            pos += 2
            base = int.from_bytes(box[pos : pos + base_size], "big")
            pos += base_size
            (count,) = struct.unpack_from(">H", box, pos)
            pos += 2
            for _ in range(count):
                self.extents += 1
                if self.extents > MAX_EXTENTS:
                    raise too_complex("too many pieces of items")
                pos += index_size
                offset = base + int.from_bytes(box[pos : pos + offset_size], "big")
                pos += offset_size
                length = int.from_bytes(box[pos : pos + length_size], "big")
                pos += length_size
                if pos > len(box):
                    return
                self.extent(number, method, offset, length)

    def extent(self, number: int, method: int, offset: int, length: int) -> None:
        if offset + length > len(self.view):
            return
        self.bytes_left -= length
        if self.bytes_left < 0:
            raise too_complex("items that name the same bytes again and again")
        self.pieces.setdefault(number, []).append((method, offset, length))

    def bytes_of(self, number: int) -> memoryview:
        """Return an item's bytes; its extents count from the file's start or that of ``idat``."""
        parts = []
        for method, offset, length in self.pieces.get(number, ()):
            start = offset + (self.idat if method == 1 else 0)
            parts.append(self.view[start : start + length])
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))

    def check_derived(self) -> None:
        """Refuse pictures that are composed of too many others, counted with all repetitions."""
        counts: dict[int, int] = {}

        def pictures(item: int, path: tuple[int, ...] = ()) -> int:
            if item in path or len(path) > MAX_DEPTH:
                raise too_complex("pictures that are composed in too many steps")
            if item not in counts:
                total = 1
                for part in self.parts.get(item, ()):
                    total += pictures(part, (*path, item))
                    if total > MAX_DERIVED:
                        raise too_complex("pictures composed of too many others")
                counts[item] = total
            return counts[item]

        for item in list(self.parts):
            pictures(item)

    def check_copies(self) -> None:
        """Refuse notes and profiles that become gigabytes once each picture has its own copy."""
        tiles = {part for parts in self.parts.values() for part in parts}
        copied = self.profile_bytes * max(0, self.items - len(tiles))
        for number, pictures in self.described.items():
            copied += pictures * sum(length for *_, length in self.pieces.get(number, ()))
        if copied > MAX_COPIED_BYTES:
            raise too_complex("too much data about too many pictures")

    def check_exif(self) -> None:
        tags = TagBudget()
        for number in self.exif_items:
            block = self.bytes_of(number)
            if len(block) > 4:
                skipped = 4 + int.from_bytes(block[:4], "big")
                check_exif(block[skipped:], tags)
                if skipped != 4:
                    check_exif(block[4:], tags)


class _Frames:
    """The sample tables of one track."""

    def __init__(self) -> None:
        self.chunks = 0
        self.runs: list[tuple[int, int]] = []

    def read(self, view: memoryview, name: bytes, start: int, end: int) -> None:
        if name not in (b"stsz", b"stco", b"co64", b"stsc", b"stts", b"stss", b"ctts"):
            return
        if name == b"stsz":
            (entries,) = struct.unpack_from(">I", view, start + 8)
        else:
            (entries,) = struct.unpack_from(">I", view, start + 4)
        if entries > MAX_FRAMES:
            raise too_complex("too many frames")
        if name in (b"stco", b"co64"):
            self.chunks = entries
        elif name == b"stsc":
            fitting = min(entries, (end - start - 8) // 12)
            for entry in range(fitting):
                self.runs.append(struct.unpack_from(">II", view, start + 8 + 12 * entry))

    def check(self) -> None:
        """Refuse chunks that hold more frames together than a sequence may have."""
        total = 0
        end = self.chunks + 1
        for first, samples in reversed(self.runs):
            total += max(0, end - first) * samples
            end = min(end, first)
            if total > MAX_FRAMES:
                raise too_complex("too many frames")
