"""Small programs that write files whose structure is hostile to their decoders.

Every function returns the bytes of one file, or of one block to put inside a file. Numbers have
defaults that cost a decoder seconds, gigabytes or both; fewer of the same make a harmless file.
"""

import io
import struct
import zlib
from collections.abc import Iterable

from PIL import Image

SHORT, LONG, RATIONAL, UNDEFINED = 3, 4, 5, 7
Entry = tuple[int, int, int, int]
"""Tag, type, number of values, and the value itself or its offset."""


def picture(format: str = "PNG", size: tuple[int, int] = (64, 64), **options) -> bytes:
    """Return an ordinary picture, which hostile parts can be put into."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(file, format, **options)
    return file.getvalue()


# TIFF and EXIF


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


# JPEG


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


# PNG


def png_chunk(name: bytes, body: bytes = b"") -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(chunks: bytes, size: tuple[int, int] = (64, 64)) -> bytes:
    """Return an ordinary PNG with further chunks behind its header."""
    ordinary = picture("PNG", size)
    return ordinary[:33] + chunks + ordinary[33:]


def png_of_empty_chunks(chunks: int = 1_600_000, name: bytes = b"prVt") -> bytes:
    """Return a PNG with many chunks that hold nothing."""
    return png_with(png_chunk(name) * chunks)


def png_of_exif_chunks(chunks: int = 20, size: int = 900_000) -> bytes:
    """Return a PNG with many EXIF chunks."""
    block = tiff([(40_000, UNDEFINED, size, tiff_rest(1))], bytes(size))
    return png_with(png_chunk(b"eXIf", block) * chunks)


def png_with_exif(exif: bytes) -> bytes:
    """Return a PNG with one EXIF chunk."""
    return png_with(png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))


def png_with_exif_text(exif: bytes, name: bytes = b"zTXt") -> bytes:
    """Return a PNG whose EXIF data are written as hexadecimal text."""
    text = b"\nexif\n%8d\n" % len(exif) + exif.hex().encode()
    bodies = {
        b"zTXt": b"\0\0" + zlib.compress(text),
        b"tEXt": b"\0" + text,
        b"iTXt": b"\0\0\0\0\0" + text,
    }
    return png_with(png_chunk(name, b"Raw profile type exif" + bodies[name]))


def png_of_bombs(chunks: int = 10_000, name: bytes = b"zTXt") -> bytes:
    """Return a PNG with texts or colour profiles that grow a thousandfold."""
    zeros = zlib.compress(bytes(1_000_000), 9)
    body = {b"zTXt": b"\0\0", b"iCCP": b"p\0\0", b"iTXt": b"\0\1\0\0\0"}[name] + zeros
    return png_with(png_chunk(name, body) * chunks)


def png_of_long_chromaticity(numbers: int = 4_000_000) -> bytes:
    """Return a PNG with millions of numbers where eight belong."""
    return png_with(png_chunk(b"cHRM", bytes(4 * numbers)))


def png_of_huge_canvas(side: int = 60_000) -> bytes:
    """Return an animation of a few bytes, with a canvas of gigapixels to clear."""
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    frame = struct.pack(">IIIIIHHBB", 0, side, side, 0, 0, 1, 1, 1, 0)
    chunks = [(b"IHDR", header), (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", frame)]
    chunks += [(b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


# GIF


def gif_with(blocks: bytes) -> bytes:
    """Return an ordinary GIF with further blocks before its first frame."""
    ordinary = picture("GIF")
    start = 13 + (3 << (ordinary[10] & 7) + 1)
    return ordinary[:start] + blocks + ordinary[start:]


def gif_of_comment(length: int = 5_000_000, block: int = 255) -> bytes:
    """Return a GIF with one long comment, in sub-blocks of ``block`` bytes."""
    return gif_with(b"\x21\xfe" + (bytes([block]) + b"c" * block) * (length // block) + b"\0")


def gif_of_comments(comments: int = 40_000, length: int = 250) -> bytes:
    """Return a GIF with many comments, which are joined one by one."""
    return gif_with((b"\x21\xfe" + bytes([length]) + b"c" * length + b"\0") * comments)


def gif_of_extensions(extensions: int = 5_000_000) -> bytes:
    """Return a GIF with millions of empty extensions."""
    return gif_with(b"\x21\x01\0" * extensions)


def gif_of_sub_blocks(blocks: int = 8_000_000) -> bytes:
    """Return a GIF with one extension in millions of sub-blocks of one byte."""
    return gif_with(b"\x21\x01" + b"\1." * blocks + b"\0")


def gif_of_stray_bytes(count: int = 15_000_000) -> bytes:
    """Return a GIF with millions of bytes between its blocks."""
    return gif_with(bytes(count))


# WebP


def webp_with(chunks: bytes, size: tuple[int, int] = (64, 64)) -> bytes:
    """Return an extended WebP with further chunks behind its pictures."""
    ordinary = picture("WEBP", exif=b"Exif\0\0" + tiff([(274, SHORT, 1, 1)]))
    flags = ordinary[12:20] + bytes([ordinary[20] | 0x08]) + ordinary[21:24]
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    image = ordinary[30 : ordinary.rindex(b"EXIF")]
    body = b"WEBP" + flags + sides + image + chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunk(name: bytes, body: bytes = b"") -> bytes:
    """Return a RIFF chunk."""
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)


def webp_of_chunks(chunks: int = 2_000_000) -> bytes:
    """Return a WebP with millions of empty chunks."""
    return webp_with(riff_chunk(b"prvt") * chunks)


def webp_with_exif(exif: bytes) -> bytes:
    """Return a WebP with an EXIF block."""
    return webp_with(riff_chunk(b"EXIF", exif))


# HEIF and AVIF


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


def heif_with_exif_inside(exif: bytes) -> bytes:
    """Return a HEIC with an EXIF block in the box of its tables."""
    block = bytes(4) + exif.removeprefix(b"Exif\0\0")
    locations = heif_locations({1: [(0, len(block))]}, method=1)
    return heif_of(heif_items([1], b"Exif"), locations, box(b"idat", block), brand=b"heic")


# BMP and colour profiles


def bmp(width: int, height: int, compression: int = 1, data: bytes = b"\0\1") -> bytes:
    """Return a BMP of 8 bits per pixel with a grey palette; ``compression`` 1 is run-length."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, 0, 0, 0, 256, 0)
    palette = b"".join(bytes([n, n, n, 0]) for n in range(256))
    body = header + palette + data
    return b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 40 + 1024) + body


def bmp_of_wide_rows(width: int = 60_000_000) -> bytes:
    """Return a BMP of one long row, whose coding then skips 255 rows."""
    return bmp(width, 1, data=b"\0\2\xff\xff\0\1")


def bmp_of_long_header(size: int = 19_000_000) -> bytes:
    """Return a BMP with a header of megabytes."""
    return b"BM" + struct.pack("<IHHI", 14 + size, 0, 0, 54) + struct.pack("<I", size) + bytes(size)


def icc_of_steps(steps: int = 100_000) -> bytes:
    """Return a colour profile whose one transform names the same step again and again."""
    at = 128 + 4 + 12
    matrix = b"matf" + bytes(4) + struct.pack(">HH", 3, 3) + bytes(48)
    head = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, steps)
    table = struct.pack(">II", 16 + 8 * steps, len(matrix)) * steps
    element = head + table + matrix
    tag = struct.pack(">I", 1) + b"D2B0" + struct.pack(">II", at, len(element))
    return bytes(12) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(88) + tag + element


def icc_of_tags(tags: int = 1_000_000) -> bytes:
    """Return a colour profile with a table of many tags."""
    return bytes(128) + struct.pack(">I", tags) + bytes(12 * tags)
