"""Whatever bytes arrive: an upright RGB picture, or one UnreadableImage."""

import io
import struct
import zlib
from functools import partial

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mlcore.errors import UnreadableImage
from mlcore.images import load_photo, read_header

ORIENTATION = 0x0112


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """A picture whose four corners differ, smooth enough to survive JPEG."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    planes = np.stack([200 * x + 20, 200 * y + 20, 220 - 100 * (x + y)], axis=-1)
    return Image.fromarray(planes.astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    # Not through Pillow: that needs the registration that load_photo is to make by itself.
    save = (
        pillow_heif.from_pillow(image).save if kind == "HEIF" else partial(image.save, format=kind)
    )
    save(file, **options)
    return file.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference, in grey levels of 255."""
    assert one.size == other.size
    pixels = [np.asarray(image.convert("RGB"), np.float64) for image in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_common_format_is_read(kind):
    photo = load_photo(encoded(picture(), kind))
    assert (photo.width, photo.height, photo.image.mode) == (60, 40, "RGB")
    assert difference(photo.image, picture()) < 8


def test_heic_of_a_phone_is_read():
    photo = load_photo(encoded(picture(64, 48), "HEIF", quality=90))
    assert (photo.width, photo.height, photo.image.mode) == (64, 48, "RGB")
    assert difference(photo.image, picture(64, 48)) < 8


def test_path_bytes_file_and_image_give_the_same_photo(tmp_path):
    content = encoded(picture(), "PNG")
    path = tmp_path / "photo"
    path.write_bytes(content)
    with path.open("rb") as file:
        sources = [path, str(path), content, memoryview(content), file, picture()]
        photos = [load_photo(source) for source in sources]
    assert all(photo.image.tobytes() == picture().tobytes() for photo in photos)


def test_a_stream_that_cannot_seek_is_read():
    class Stream(io.RawIOBase):
        content = io.BytesIO(encoded(picture(), "PNG"))

        def read(self, size: int = -1) -> bytes:
            return self.content.read(size)

    assert load_photo(Stream()).image.tobytes() == picture().tobytes()


def test_what_is_no_source_at_all_is_a_type_error():
    with pytest.raises(TypeError, match="42"):
        load_photo(42)


def test_the_callers_image_stays_as_it_was():
    image = picture()
    load_photo(image).image.paste("black", (0, 0, 60, 40))
    assert image.tobytes() == picture().tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_upright(orientation, kind):
    # What a camera stores when it is held this way: the inverse of what EXIF asks for.
    turn = Image.Transpose
    stored = picture()
    for step in {
        1: (),
        2: (turn.FLIP_LEFT_RIGHT,),
        3: (turn.ROTATE_180,),
        4: (turn.FLIP_TOP_BOTTOM,),
        5: (turn.TRANSPOSE,),
        6: (turn.ROTATE_90,),
        7: (turn.TRANSVERSE,),
        8: (turn.ROTATE_270,),
    }[orientation]:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    quality = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    photo = load_photo(encoded(stored, kind, exif=exif, **quality))
    assert (photo.width, photo.height) == photo.image.size == (60, 40)
    assert difference(photo.image, picture()) < 4


def test_sizes_of_a_reduced_photo_on_its_side_are_those_of_the_upright_original():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    photo = load_photo(encoded(picture(1200, 800), "JPEG", exif=exif), max_side=300)
    assert (photo.width, photo.height) == (800, 1200)
    assert photo.image.size == (200, 300)


@pytest.mark.filterwarnings("ignore")
def test_a_photo_with_damaged_exif_is_still_a_photo():
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x99" * 5
    photo = load_photo(encoded(picture(), "JPEG", exif=exif, quality=95))
    assert difference(photo.image, picture()) < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_large_pictures_are_reduced_and_small_ones_left_alone(kind):
    photo = load_photo(encoded(picture(1500, 1000), kind), max_side=256)
    assert (photo.width, photo.height) == (1500, 1000)
    assert photo.image.size == (256, 171)
    assert difference(photo.image, picture(256, 171)) < 4
    assert load_photo(encoded(picture(), kind), max_side=256).image.size == (60, 40)


def test_a_very_long_picture_keeps_a_pixel_of_height():
    photo = load_photo(picture(9000, 2), max_side=100)
    assert photo.image.size == (100, 1)


def test_cmyk_of_a_printer_keeps_its_colours():
    # Pillow writes the inverted values that Adobe's programs write, so this is such a file.
    content = encoded(picture().convert("CMYK"), "JPEG", quality=95)
    assert difference(load_photo(content).image, picture()) < 6


def wide_gamut_profile() -> bytes:
    """An ICC profile with the primaries of the screens of phones (Display P3) and gamma 2.2."""

    def xyz(*values: float) -> bytes:
        return b"XYZ " + struct.pack(">4x3i", *(round(value * 65536) for value in values))

    curve = b"curv" + struct.pack(">4xIH", 1, round(2.2 * 256)) + b"\0\0"
    name = b"desc" + struct.pack(">4xI", 5) + b"wide\0" + bytes(79)
    tags = {
        b"desc": name,
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def test_colours_stored_for_a_wider_screen_come_out_as_srgb():
    red = Image.new("RGB", (8, 8), (234, 51, 35))  # What sRGB's pure red is on such a screen.
    content = encoded(red, "PNG", icc_profile=wide_gamut_profile())
    assert difference(load_photo(content).image, Image.new("RGB", (8, 8), (255, 0, 0))) < 6
    assert difference(load_photo(encoded(red, "PNG")).image, red) == 0


def test_a_damaged_colour_profile_changes_nothing():
    content = encoded(picture(), "PNG", icc_profile=b"no profile" * 30)
    assert difference(load_photo(content).image, picture()) == 0


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_grey_is_scaled_and_not_clipped(bits, kind):
    ramp = np.linspace(0, 2**bits - 1, 256).astype(np.uint16).reshape(16, 16)
    photo = load_photo(encoded(Image.fromarray(ramp), kind))
    expected = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    assert difference(photo.image, expected) < 1


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_grey_in_floating_point_keeps_its_range(top):
    ramp = np.linspace(0, top, 256, dtype=np.float32).reshape(16, 16)
    ramp[0, 0] = np.nan
    photo = load_photo(encoded(Image.fromarray(ramp), "TIFF"))
    expected = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    assert difference(photo.image, expected) < 1


def test_transparency_shows_white_even_where_the_hidden_pixels_are_black():
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    image.paste((10, 200, 30, 255), (100, 100, 300, 300))
    for content in (encoded(image, "PNG"), encoded(image, "WEBP", lossless=True)):
        small = load_photo(content, max_side=40).image
        assert small.getpixel((1, 1)) == (255, 255, 255)
        assert small.getpixel((20, 20)) == (10, 200, 30)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_colour_key_is_transparent(mode):
    image = Image.new("RGB", (20, 20), (7, 7, 7)).convert(mode)
    photo = load_photo(encoded(image, "PNG", transparency=image.getpixel((0, 0))))
    assert photo.image.getpixel((10, 10)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_every_mode_of_a_pillow_image_becomes_rgb(mode):
    source = picture().convert("RGB").convert("L" if mode in ("I", "F", "LA") else "RGB")
    assert load_photo(source.convert(mode), max_side=30).image.mode == "RGB"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_counts(kind):
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    red, green, blue = load_photo(content).image.getpixel((15, 10))
    assert red > 240
    assert max(green, blue) < 15


def refused(source, **limits) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        load_photo(source, **limits)
    assert str(caught.value)
    return caught.value


def test_an_empty_file_says_so(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert refused(tmp_path / "empty.jpg").code == "empty_file"
    assert refused(b"").code == "empty_file"


@pytest.mark.parametrize(
    "content",
    [b"This is no photo.\n" * 50, b"%PDF-1.7\n", b"\0" * 500, b"x", b"%!PS-Adobe-3.0 EPSF-3.0\n"],
)
def test_what_is_no_picture_is_an_unsupported_format(content):
    assert refused(content).code == "unsupported_format"


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path):
    assert refused(tmp_path / "none.jpg").code == "unreadable_image"
    assert refused(tmp_path).code == "unreadable_image"


def test_a_picture_without_pixels_is_unreadable():
    assert refused(Image.new("RGB", (0, 5))).code == "unreadable_image"


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(50_000, 50_000), (10_000, 10_000), (8_001, 8_001)])
def test_too_many_pixels_are_refused_by_the_header_alone(size, monkeypatch):
    def never(*_):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    assert refused(png_claiming(*size)).code == "too_many_pixels"


def test_the_pixel_limit_is_the_callers():
    content = encoded(picture(200, 100), "PNG")
    assert refused(content, max_pixels=19_999).code == "too_many_pixels"
    assert refused(picture(200, 100), max_pixels=19_999).code == "too_many_pixels"
    assert load_photo(content, max_pixels=20_000).width == 200


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_a_truncated_jpeg_is_never_a_half_grey_picture(options):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), "JPEG", quality=80, **options)
    for share in (0.02, 0.1, 0.3, 0.5, 0.8, 0.95, 0.99):
        assert refused(content[: int(len(content) * share)]).code == "unreadable_image"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
def test_half_a_file_of_any_format_is_unreadable(kind):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    assert refused(content[: len(content) // 2]).code == "unreadable_image"


ORIGINALS = [
    encoded(
        picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
    ),
    encoded(picture(), "JPEG", progressive=True),
    encoded(picture(), "PNG"),
    encoded(picture().quantize(8), "PNG", transparency=3),
    encoded(picture(), "WEBP"),
    encoded(picture(), "GIF"),
    encoded(picture(), "BMP"),
    encoded(picture(), "TIFF", compression="tiff_lzw"),
    encoded(picture(), "AVIF"),
    encoded(picture(64, 64), "HEIF"),
]


@st.composite
def mutated(draw) -> bytes:
    content = bytearray(draw(st.sampled_from(ORIGINALS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content) - 1))
        match draw(st.sampled_from(["set", "cut", "remove", "repeat"])):
            case "set":
                content[at] = draw(st.integers(0, 255))
            case "cut":
                del content[max(at, 1) :]
            case "remove":
                del content[at : min(at + draw(st.integers(1, 40)), len(content) - 1)]
            case "repeat":
                content[at:at] = content[at : at + draw(st.integers(1, 40))]
    return bytes(content)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_damaged_bytes_give_a_photo_or_an_unreadable_image_and_nothing_else(content):
    try:
        photo = load_photo(content, max_side=100, max_pixels=1_000_000)
    except UnreadableImage as error:
        code = error.code
    else:
        assert photo.image.mode == "RGB"
        assert max(photo.image.size) <= 100
        photo.image.tobytes()
        code = None
    assert code in {
        None,
        "empty_file",
        "too_many_pixels",
        "unreadable_image",
        "unsupported_format",
    }


def test_the_orientation_of_a_webp_may_be_in_its_xmp():
    image = Image.new("RGB", (64, 48), "navy")
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    content = encoded(image, "WEBP", xmp=xmp)
    photo = load_photo(content)
    assert read_header(content) == ("WEBP", photo.width, photo.height) == ("WEBP", 48, 64)
