"""Files whose structure would keep a decoder busy are refused; all others are left to it."""

import contextlib
import io
import mmap
import struct
import zlib

import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin

from mlcore.errors import UnreadableImage
from mlcore.structure import check_structure, sniff
from tests.support import hostile
from tests.support.hostile import picture

MAX_PIXELS = 64_000_000

pillow_heif.register_heif_opener()


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableImage) as refused:
        check_structure(data, MAX_PIXELS)
    return refused.value.code


def saved(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def gradient(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.radial_gradient("L").resize(size).convert(mode)


def shared(size: int = 4_000_000) -> bytes:
    return hostile.exif_of_shared_bytes(40, size)


HOSTILE = {
    "a TIFF with 40 tags on the same 19 MB": hostile.tiff_of_shared_bytes,
    "a BigTIFF with 40 tags on the same 19 MB": lambda: hostile.tiff_of_shared_bytes(big=True),
    "a directory of 65,535 tags": hostile.tiff_of_many_tags,
    "a BigTIFF directory of 700,000 tags": lambda: hostile.tiff_of_many_tags(700_000, big=True),
    "a resolution of two million fractions": hostile.tiff_of_many_numbers,
    "two million strips": hostile.tiff_of_many_strips,
    "strips that each cover the picture": hostile.tiff_of_covering_strips,
    "compressed strips on the same 8 MB": hostile.tiff_of_rereading_strips,
    "a tile of a gigapixel": hostile.tiff_of_huge_tile,
    "five million empty JPEG markers": hostile.jpeg_of_empty_markers,
    "JPEG markers that are reserved": lambda: hostile.jpeg_of_empty_markers(marker=0xF0),
    "ten million fill bytes": hostile.jpeg_of_fill_bytes,
    "fill bytes that are escaped": lambda: hostile.jpeg_of_fill_bytes(5_000_000, b"\xff\0"),
    "two million JPEG comments": hostile.jpeg_of_comments,
    "a quarter of a million tables": hostile.jpeg_of_tables,
    "frame headers of many components": hostile.jpeg_of_frame_headers,
    "a million Photoshop resources": hostile.jpeg_of_photoshop_resources,
    "a picture index of shared bytes": hostile.jpeg_of_mpf,
    "300 indexes of 4,000 tags": hostile.jpeg_of_indexes,
    "4,000 scans in 43 kB": hostile.jpeg_of_scans,
    "200 scans that refine everything": hostile.jpeg_of_refinements,
    "30,000 scans of a tiny picture": lambda: hostile.jpeg_of_scans(30_000, (8, 8)),
    "EXIF in a thousand small segments": lambda: hostile.jpeg_with_exif(
        b"Exif\0\0" + hostile.tiff([(274, 3, 1, 1)], bytes(1_000_000)), part=1_000
    ),
    "EXIF of 12 MB in a JPEG": lambda: hostile.jpeg_with_exif(
        b"Exif\0\0" + hostile.tiff([(274, 3, 1, 1)], bytes(12_000_000))
    ),
    "1.6 million empty PNG chunks": hostile.png_of_empty_chunks,
    "1.6 million empty pixel chunks": lambda: hostile.png_of_empty_chunks(name=b"IDAT"),
    "many EXIF chunks": hostile.png_of_exif_chunks,
    "texts that grow a thousandfold": hostile.png_of_bombs,
    "Unicode texts that grow a thousandfold": lambda: hostile.png_of_bombs(name=b"iTXt"),
    "profiles that grow a thousandfold": lambda: hostile.png_of_bombs(name=b"iCCP"),
    "four million chromaticities": hostile.png_of_long_chromaticity,
    "EXIF as text named exif": lambda: hostile.png_with(
        hostile.png_chunk(b"tEXt", b"exif\0" + shared())
    ),
    "EXIF as hexadecimal text": lambda: hostile.png_with_exif_text(shared(300_000), b"tEXt"),
    "EXIF as compressed text": lambda: hostile.png_with_exif_text(shared(300_000), b"zTXt"),
    "EXIF as Unicode text": lambda: hostile.png_with_exif_text(shared(300_000), b"iTXt"),
    "a GIF comment of 5 MB": hostile.gif_of_comment,
    "a GIF comment in blocks of one byte": lambda: hostile.gif_of_comment(200_000, block=1),
    "40,000 GIF comments": hostile.gif_of_comments,
    "five million GIF extensions": hostile.gif_of_extensions,
    "eight million GIF sub-blocks": hostile.gif_of_sub_blocks,
    "15 million bytes between GIF blocks": hostile.gif_of_stray_bytes,
    "two million WebP chunks": hostile.webp_of_chunks,
    "600,000 AVIF items": hostile.avif_of_items,
    "two million AVIF properties": hostile.avif_of_properties,
    "two million AVIF boxes": hostile.avif_of_boxes,
    "five million AVIF references": hostile.avif_of_references,
    "an AVIF item joined from the same bytes": hostile.avif_of_shared_extents,
    "a million AVIF extents": hostile.avif_of_extents,
    "AVIF boxes nested 10,000 deep": hostile.avif_of_nested_boxes,
    "two million AVIF frames": hostile.avif_of_frames,
    "AVIF chunks of many frames": hostile.avif_of_frames_per_chunk,
    "HEIC overlays that multiply": hostile.heif_of_overlays,
    "750 HEIC notes of 4,000 tags": hostile.heif_of_exif_items,
    "a HEIC note about 500 pictures": hostile.heif_of_shared_notes,
    "a HEIC profile of 500 pictures": hostile.heif_of_shared_profile,
    "a BMP that skips wide rows": hostile.bmp_of_wide_rows,
    "a BMP header of 19 MB": hostile.bmp_of_long_header,
    "a PNG profile of many steps": lambda: hostile.png_with(
        hostile.png_chunk(b"iCCP", b"p\0\0" + zlib.compress(hostile.icc_of_steps(80_000)))
    ),
    "a WebP profile of many steps": lambda: hostile.webp_with(
        hostile.riff_chunk(b"ICCP", hostile.icc_of_steps())
    ),
    "a WebP profile of curves with many segments": lambda: hostile.webp_with(
        hostile.riff_chunk(b"ICCP", hostile.icc_of_segments())
    ),
    "a WebP profile of a table with many channels": lambda: hostile.webp_with(
        hostile.riff_chunk(b"ICCP", hostile.icc_of_channels())
    ),
    "a WebP profile of many tags": lambda: hostile.webp_with(
        hostile.riff_chunk(b"ICCP", hostile.icc_of_tags())
    ),
}


@pytest.mark.parametrize("build", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_structure_is_refused_as_too_complex(build):
    data = build()
    assert len(data) <= 20 * 1024 * 1024
    assert refusal(data) == "too_complex"


@pytest.mark.parametrize(
    "wrap",
    [
        hostile.jpeg_with_exif,
        hostile.png_with_exif,
        hostile.webp_with_exif,
        hostile.heif_with_exif,
        hostile.heif_with_exif_inside,
        lambda exif: hostile.heif_with_exif(exif, brand=b"avif"),
    ],
    ids=["JPEG", "PNG", "WebP", "HEIC", "HEIC inside its tables", "AVIF"],
)
@pytest.mark.parametrize(
    "exif",
    [
        shared,
        lambda: hostile.exif_of_many_numbers(500_000),
        lambda: hostile.exif_of_many_prefixes(500_000),
        lambda: b"Exif\0\0" + hostile.tiff_of_many_tags(),
    ],
    ids=["shared bytes", "many numbers", "many prefixes", "many tags"],
)
def test_hostile_exif_is_refused_in_every_container(wrap, exif):
    assert refusal(wrap(exif())) == "too_complex"


@pytest.mark.parametrize(
    "data",
    [
        hostile.png_of_huge_canvas(),
        hostile.webp_with(b"", size=(16_000, 16_000)),
        picture("GIF")[:6] + struct.pack("<HH", 60_000, 60_000) + picture("GIF")[10:],
    ],
    ids=["APNG", "WebP", "GIF"],
)
def test_a_canvas_that_is_made_before_its_size_is_told_has_too_many_pixels(data):
    assert refusal(data) == "too_many_pixels"


def test_damage_before_a_hostile_part_does_not_hide_it():
    broken = hostile.jpeg_segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f")
    many = hostile.jpeg_of_scans()
    assert refusal(many[:2] + broken + many[2:]) == "too_complex"


def test_a_file_in_a_memory_map_can_be_closed_while_its_refusal_is_handled(tmp_path):
    path = tmp_path / "hostile.jpg"
    path.write_bytes(hostile.jpeg_of_scans())
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with pytest.raises(UnreadableImage):
        check_structure(data, MAX_PIXELS)
    data.close()


MODES = {
    "JPEG": ["L", "RGB", "CMYK"],
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "WEBP": ["RGB", "RGBA"],
    "GIF": ["1", "L", "P"],
    "BMP": ["1", "L", "P", "RGB"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"],
    "AVIF": ["RGB", "RGBA"],
    "HEIF": ["L", "RGB", "RGBA"],
}


def rich_exif() -> bytes:
    exif = Image.Exif()
    exif[274], exif[305], exif[282] = 6, "a camera " * 50, 72.0
    notes = exif.get_ifd(0x8769)
    notes[0x927C], notes[0x829A] = bytes(range(256)) * 200, 0.01
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.5)
    return exif.tobytes()


@pytest.mark.parametrize(
    ("format", "mode"), [(format, mode) for format, modes in MODES.items() for mode in modes]
)
def test_ordinary_pictures_pass_in_every_mode(format, mode):
    rgb = gradient("RGB")
    image = rgb.convert("L").convert(mode) if mode in ("I", "F", "I;16") else rgb.convert(mode)
    data = saved(image, format)
    assert sniff(data[:32]) == format
    check_structure(data, MAX_PIXELS)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_pictures_rich_in_notes_pass(format):
    profile = b"\0\0\0\0" + bytes(124) + b"\0\0\0\1" + b"desc" + struct.pack(">II", 144, 900_000)
    profile += bytes(900_000)
    data = saved(gradient(), format, exif=rich_exif(), icc_profile=profile, xmp=b"<x/>" * 10_000)
    check_structure(data, MAX_PIXELS)
    assert Image.open(io.BytesIO(data)).getexif()[305].startswith("a camera")


def pages(count: int) -> bytes:
    profile = bytes(500_000)
    return saved(
        gradient("L", (8, 8)),
        "TIFF",
        save_all=True,
        append_images=[gradient("L", (8, 8))] * (count - 1),
        tiffinfo={34675: profile} if count < 5 else {},
    )


def animation(format: str, frames: int) -> bytes:
    images = [Image.new("RGB", (8, 8), (n % 256, n // 256, 0)) for n in range(frames)]
    return saved(images[0], format, save_all=True, append_images=images[1:])


def png_of_small_pixel_chunks(size: int) -> bytes:
    header = struct.pack(">IIBBBBB", 2_500, 2_500, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(2_500 * 7_501), 0)
    parts = [pixels[start : start + size] for start in range(0, len(pixels), size)]
    chunks = [(b"IHDR", header), *((b"IDAT", part) for part in parts), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(hostile.png_chunk(*chunk) for chunk in chunks)


def png_of_texts(count: int) -> bytes:
    info = PngImagePlugin.PngInfo()
    for n in range(count):
        info.add_text(f"key {n}", "a sentence of no great length " * 10, zip=n % 4 == 0)
    return saved(gradient(), "PNG", pnginfo=info)


def tiff_of_rows(compression: str | None) -> bytes:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[278] = 1
    return saved(gradient("RGB", (16, 8_000)), "TIFF", compression=compression, tiffinfo=info)


def jpeg_of_big_segments() -> bytes:
    resources = b"8BIM\x04\x04\0\0" + struct.pack(">I", 200) + bytes(200)
    body = b"Photoshop 3.0\0" + resources * 300
    xmp = b"http://ns.adobe.com/xmp/extension/\0" + bytes(60_000)
    return hostile.jpeg_with(
        (hostile.jpeg_segment(0xED, body) + hostile.jpeg_segment(0xE1, xmp)) * 45
    )


EXTREME = {
    "a PNG of 18 MB in chunks of 1 kB": lambda: png_of_small_pixel_chunks(1_000),
    "a PNG of 18 MB in chunks of 8 kB": lambda: png_of_small_pixel_chunks(8_192),
    "a PNG with 1,000 texts": lambda: png_of_texts(1_000),
    "a PNG with EXIF as text": lambda: hostile.png_with_exif_text(rich_exif()),
    "a JPEG with 5 MB of notes": jpeg_of_big_segments,
    "a JPEG with a profile of 4 MB": lambda: saved(
        gradient(), "JPEG", icc_profile=bytes(4_000_000)
    ),
    "a JPEG with 3 MB of EXIF": lambda: hostile.jpeg_with_exif(
        b"Exif\0\0" + hostile.tiff([(37_500, 7, 3_000_000, hostile.tiff_rest(1))], bytes(3_000_000))
    ),
    "a JPEG of 100 scans and 64 megapixels": lambda: hostile.jpeg_of_scans(100),
    "a JPEG of 3,000 scans and 64 × 64 pixels": lambda: hostile.jpeg_of_scans(3_000, (64, 64)),
    "a progressive JPEG": lambda: saved(gradient(), "JPEG", progressive=True),
    "a JPEG with restart markers": lambda: saved(
        gradient("RGB", (1_600, 1_200)), "JPEG", restart_marker_blocks=1
    ),
    "a JPEG that pads its markers": lambda: hostile.jpeg_with(
        hostile.jpeg_segment(0xFE, b"padded") + b"\xff" * 1_000
    ),
    "a JPEG with a film behind it": lambda: picture("JPEG") + b"\xff\xda\0\x08" * 500_000,
    "pictures for two eyes": lambda: saved(
        gradient(), "MPO", save_all=True, append_images=[gradient()] * 3
    ),
    "a TIFF of 1,000 pages": lambda: pages(1_000),
    "a TIFF with a profile of 500 kB": lambda: pages(3),
    "a TIFF with a strip for each row": lambda: tiff_of_rows(None),
    "a compressed TIFF with a strip for each row": lambda: tiff_of_rows("tiff_lzw"),
    "64 megapixels of two colours in tiles of 16": lambda: hostile.tiff(
        [
            *[entry for entry in hostile.tiff_page(8_000, 8_000, 0) if entry[0] not in (273, 279)],
            (322, 4, 1, 16),
            (323, 4, 1, 16),
            (324, 4, 250_000, hostile.tiff_rest(10)),
        ],
        bytes(1_000_000),
    ),
    "a GIF of 2,000 frames": lambda: animation("GIF", 2_000),
    "a WebP of 500 frames": lambda: animation("WEBP", 500),
    "an APNG of 2,000 frames": lambda: animation("PNG", 2_000),
    "an AVIF of 30 frames": lambda: animation("AVIF", 30),
    "a HEIC of 10 pictures": lambda: animation("HEIF", 10),
    "a GIF with a comment of 500 kB": lambda: hostile.gif_of_comment(500_000),
    "a GIF with 10 MB of XMP": lambda: hostile.gif_with(
        b"\x21\xff\x0bXMP DataXMP" + (b"P" + b"x" * 80) * 123_000 + b"\1\0\0"
    ),
    "a BMP coded in runs": lambda: hostile.bmp(64, 2, data=b"\x40\7\0\0\x40\x09\0\1"),
    "a grid of 300 tiles": lambda: hostile.heif_of(
        hostile.heif_items(range(1, 302), b"hvc1"),
        hostile.box(b"iprp", hostile.box(b"ipco", hostile.box(b"colr", b"prof", bytes(500_000)))),
        hostile.box(
            b"iref",
            hostile.box(b"dimg", struct.pack(">HH300H", 301, 300, *range(1, 301))),
            version=0,
        ),
        brand=b"heic",
    ),
}


@pytest.mark.parametrize("build", EXTREME.values(), ids=EXTREME)
def test_files_that_are_merely_unusual_pass(build):
    check_structure(build(), MAX_PIXELS)


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\xff\xd8\xfe", None),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"RIFF\0\0\0\0WEBPVP8L", "WEBP"),
        (b"RIFF\0\0\0\0WEBPANIM", None),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"GIF87a", "GIF"),
        (b"BM", "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II\0*", "TIFF"),
        (b"MM*\0", "TIFF"),
        (b"II+\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"\0\0\0\x1cftypavis", "AVIF"),
        (b"\0\0\0\x1cftypheic", "HEIF"),
        (b"\0\0\0\x1cftyphevs", "HEIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x1cftypisom", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_the_first_bytes_name_the_format(head, format):
    assert sniff(head) == format


@pytest.mark.parametrize("accepted", [name for name in MODES if name != "HEIF"])
def test_whatever_pillow_takes_by_its_first_bytes_has_a_name(accepted):
    Image.init()
    accepts = Image.OPEN[accepted][1]
    heads = [saved(gradient(), format)[:32] for format in MODES]
    for head in heads:
        if accepts(head):
            assert sniff(head) in (accepted, "HEIF" if accepted == "AVIF" else accepted)


SAMPLES = [
    saved(gradient(), "JPEG", exif=rich_exif(), progressive=True),
    saved(gradient(), "PNG", exif=rich_exif(), icc_profile=bytes(400)),
    saved(gradient(), "TIFF", exif=rich_exif()),
    saved(gradient(), "TIFF", compression="tiff_lzw"),
    *(saved(gradient(), name, exif=rich_exif()) for name in ("WEBP", "AVIF", "HEIF")),
    *(saved(gradient(), name) for name in ("GIF", "BMP")),
    hostile.png_with_exif_text(rich_exif()),
    hostile.avif_of_frames(100),
    hostile.heif_of_overlays(2, 3),
    hostile.heif_with_exif(rich_exif()),
    hostile.webp_with(hostile.riff_chunk(b"ICCP", hostile.icc_of_steps(3))),
    hostile.webp_with(hostile.riff_chunk(b"ICCP", hostile.icc_of_segments(3, 3))),
    hostile.webp_with(hostile.riff_chunk(b"ICCP", hostile.icc_of_channels(4, 3))),
]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sample=st.sampled_from(SAMPLES),
    length=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=8),
)
def test_damaged_bytes_raise_nothing_but_a_refusal(sample, length, changes):
    data = bytearray(sample[: int(len(sample) * length)] if length < 0.5 else sample)
    for place, patch in changes:
        at = int(place * len(data))
        data[at : at + len(patch)] = patch
    with contextlib.suppress(UnreadableImage):
        check_structure(bytes(data), MAX_PIXELS)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sniff(sample[:32]) for sample in SAMPLES])
def test_a_file_cut_anywhere_raises_nothing(sample):
    for length in range(0, min(len(sample), 4_000), 7):
        check_structure(memoryview(sample)[:length], MAX_PIXELS)
