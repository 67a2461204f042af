"""HEIF and AVIF."""

import struct
from collections.abc import Iterable

from tests.support.hostile.tiff import SHORT, tiff


def box(name: bytes, *parts: bytes, version: int | None = None) -> bytes:
    """Return a box; ``version`` gives it the fields of a full box."""
    body = (b"" if version is None else bytes([version, 0, 0, 0])) + b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def heif_of(*boxes: bytes, brand: bytes = b"avif", rest: bytes = b"") -> bytes:
    """Return a file of a type, a ``meta`` box with ``boxes`` inside, and ``rest``."""
    kind = box(b"ftyp", brand, bytes(4), brand, b"mif1", b"miaf")
    handler = box(b"hdlr", bytes(4), b"pict", bytes(13), version=0)
    return kind + box(b"meta", handler, *boxes, version=0) + rest


def heif_item(number: int, kind: bytes = b"av01") -> bytes:
    """Return the entry of an item."""
    return box(b"infe", struct.pack(">IH4s", number, 0, kind), b"\0", version=3)


def heif_items(numbers: Iterable[int], kind: bytes = b"av01") -> bytes:
    """Return the table of items."""
    entries = [heif_item(number, kind) for number in numbers]
    return box(b"iinf", struct.pack(">I", len(entries)), *entries, version=1)


def heif_locations(extents: dict[int, list[tuple[int, int]]], method: int = 0) -> bytes:
    """Return the table of the items' extents: item -> offsets and lengths, in the file, or with
    ``method`` 1 in its ``idat`` box."""
    body = struct.pack(">BBI", 0x44, 0x00, len(extents))
    for number, pieces in extents.items():
        body += struct.pack(">IHHH", number, method, 0, len(pieces))
        body += b"".join(struct.pack(">II", *piece) for piece in pieces)
    return box(b"iloc", body, version=2)


def avif_of_items(items: int = 600_000) -> bytes:
    """Return an AVIF with many items, each of which is searched among all others."""
    return heif_of(heif_items(range(1, items + 1)))


def avif_of_properties(properties: int = 2_000_000) -> bytes:
    """Return an AVIF with millions of empty properties."""
    return heif_of(box(b"iprp", box(b"ipco", box(b"free") * properties)))


def avif_of_boxes(boxes: int = 2_000_000) -> bytes:
    """Return an AVIF with millions of empty boxes."""
    return heif_of(rest=box(b"free") * boxes)


def avif_of_references(references: int = 5_000_000) -> bytes:
    """Return an AVIF with millions of references between its items."""
    count = 60_000
    one = box(b"thmb", struct.pack(">HH", 1, count), b"\0\2" * count)
    return heif_of(heif_items([1, 2]), box(b"iref", one * (references // count), version=0))


def avif_of_shared_extents(extents: int = 1_000, size: int = 15_000_000) -> bytes:
    """Return an AVIF with an item that is joined from the same megabytes again and again."""
    locations = heif_locations({1: [(1_000, size)] * extents})
    return heif_of(heif_items([1]), locations, rest=box(b"mdat", bytes(size)))


def avif_of_extents(extents: int = 60_000, items: int = 20) -> bytes:
    """Return an AVIF with many items that are joined from many pieces of one byte."""
    locations = heif_locations({n: [(8, 1)] * extents for n in range(1, items + 1)})
    return heif_of(heif_items(range(1, items + 1)), locations)


def avif_of_nested_boxes(depth: int = 10_000) -> bytes:
    """Return an AVIF with boxes that hold boxes that hold boxes."""
    nested = b""
    for _ in range(depth):
        nested = box(b"grpl", nested)
    return heif_of(nested)


def avif_of_frames(frames: int = 2_000_000) -> bytes:
    """Return an AVIF sequence of a few bytes that lists millions of frames in one chunk."""
    table = box(b"stsz", struct.pack(">II", 1, frames), version=0)
    table += box(b"stco", struct.pack(">II", 1, 0), version=0)
    table += box(b"stsc", struct.pack(">IIII", 1, 1, frames, 1), version=0)
    media = box(b"mdia", box(b"minf", box(b"stbl", table)))
    return heif_of(brand=b"avis", rest=box(b"moov", box(b"trak", media)))


def avif_of_frames_per_chunk(frames: int = 2_000_000) -> bytes:
    """Return an AVIF sequence whose chunks hold more frames than its sizes tell."""
    table = box(b"stco", struct.pack(">I", 1_000), bytes(4_000), version=0)
    table += box(b"stsc", struct.pack(">IIII", 1, 1, frames // 1_000, 1), version=0)
    media = box(b"mdia", box(b"minf", box(b"stbl", table)))
    return heif_of(brand=b"avis", rest=box(b"moov", box(b"trak", media)))


def heif_of_overlays(levels: int = 8, repeats: int = 100) -> bytes:
    """Return a HEIC whose overlays each show the next one many times."""
    targets = [struct.pack(">HH", level, repeats) for level in range(1, levels + 1)]
    references = [
        box(b"dimg", head, struct.pack(">H", level + 2) * repeats)
        for level, head in enumerate(targets)
    ]
    items = heif_items(range(1, levels + 2), b"iovl")
    return heif_of(items, box(b"iref", *references, version=0), brand=b"heic")


def heif_of_shared_notes(pictures: int = 500, size: int = 10_000_000) -> bytes:
    """Return a HEIC whose one long note describes hundreds of pictures."""
    numbers = range(2, pictures + 2)
    items = box(
        b"iinf",
        struct.pack(">I", pictures + 1),
        heif_item(1, b"mime"),
        *(heif_item(number, b"hvc1") for number in numbers),
        version=1,
    )
    described = struct.pack(f">HH{pictures}H", 1, pictures, *numbers)
    references = box(b"iref", box(b"cdsc", described), version=0)
    locations = heif_locations({1: [(100_000, size)]})
    rest = box(b"mdat", bytes(size + 200_000))
    return heif_of(items, references, locations, brand=b"heic", rest=rest)


def heif_of_shared_profile(pictures: int = 500, size: int = 10_000_000) -> bytes:
    """Return a HEIC whose pictures share one long colour profile."""
    profile = box(b"colr", b"prof", bytes(size))
    items = heif_items(range(1, pictures + 1), b"hvc1")
    return heif_of(items, box(b"iprp", box(b"ipco", profile)), brand=b"heic")


def heif_with_exif(exif: bytes, brand: bytes = b"heic") -> bytes:
    """Return a HEIC that holds nothing but an EXIF block."""
    block = bytes(4) + exif.removeprefix(b"Exif\0\0")

    def build(at: int) -> bytes:
        locations = heif_locations({1: [(at, len(block))]})
        return heif_of(heif_items([1], b"Exif"), locations, brand=brand)

    return build(len(build(0)) + 8) + box(b"mdat", block)


def heif_of_exif_items(items: int = 750) -> bytes:
    """Return a HEIC with hundreds of notes that share one block of thousands of tags."""
    block = bytes(4) + tiff([(100, SHORT, 1, 7)] * 4_000)
    located = {n: [(0, len(block) - n % 7)] for n in range(1, items + 1)}
    locations = heif_locations(located, method=1)
    notes = heif_items(located, b"Exif")
    return heif_of(notes, locations, box(b"idat", block), brand=b"heic", rest=bytes(19_000_000))


def heif_with_exif_inside(exif: bytes) -> bytes:
    """Return a HEIC with an EXIF block in the box of its tables."""
    block = bytes(4) + exif.removeprefix(b"Exif\0\0")
    locations = heif_locations({1: [(0, len(block))]}, method=1)
    return heif_of(heif_items([1], b"Exif"), locations, box(b"idat", block), brand=b"heic")
