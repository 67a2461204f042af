"""Bytes -> upright RGB picture."""

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from mlcore.errors import UnreadableImage
from mlcore.formats import FORMATS, MAX_PIXELS, MAX_SIDE
from mlcore.webp import is_webp, read_webp_header

# The value of EXIF's orientation tag -> what brings the picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = {_UPRIGHT[5], _UPRIGHT[6], _UPRIGHT[7], _UPRIGHT[8]}
_ORIENTATION_TAG = 0x0112

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image


@dataclass(frozen=True)
class Photo:
    """An upright picture: ``image`` in mode RGB, perhaps reduced in size, never enlarged;
    ``width`` and ``height`` are the pixels of the upright original, and ``decode_seconds`` is what
    reading it took, where somebody measured that."""

    image: Image.Image
    width: int
    height: int
    decode_seconds: float = 0.0


def load_photo(source: Source, max_side: int = MAX_SIDE, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read the first frame of a picture, upright, with its long side at most ``max_side`` pixels.

    ``source`` is a path, the bytes, a binary file or a Pillow image. A header that claims more
    than ``max_pixels`` is refused before any pixel is decoded; a file that breaks off is refused
    whole. Raises UnreadableImage for whatever is wrong with the picture.
    """
    if isinstance(source, Image.Image):
        return _guard(_take, source, max_side, max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _guard(_decode, io.BytesIO(source), max_side, max_pixels)
    if isinstance(source, (str, os.PathLike)):
        try:
            with Path(source).open("rb") as file:
                return _guard(_decode, file, max_side, max_pixels)
        except OSError as error:
            raise UnreadableImage(f"the file cannot be opened: {error.strerror}") from error
    if hasattr(source, "read"):
        seekable = hasattr(source, "seekable") and source.seekable()
        file = source if seekable else io.BytesIO(source.read())
        return _guard(_decode, file, max_side, max_pixels)
    raise TypeError(f"a photo is a path, bytes, a binary file or a Pillow image, not {source!r}")


def _guard(step, source, max_side: int, max_pixels: int) -> Photo:
    """Pillow's decoders meet broken bytes with a dozen kinds of exceptions; give them one name."""
    try:
        return step(source, max_side, max_pixels)
    except UnreadableImage:
        raise
    except MemoryError as error:
        raise _too_complex() from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(max_pixels) from error
    except Exception as error:
        if any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise _too_complex() from error
        raise UnreadableImage(f"the picture is damaged or incomplete: {error}") from error


# What libraries say that return no MemoryError where memory runs out.
_OUT_OF_MEMORY = ("out of memory", "memory allocation", "cannot allocate")


def _too_complex() -> UnreadableImage:
    return UnreadableImage("reading the picture takes too much memory", "too_complex")


def _too_many_pixels(max_pixels: int) -> UnreadableImage:
    return UnreadableImage(
        f"the picture has more than {max_pixels / 1e6:g} megapixels", "too_many_pixels"
    )


def read_header(source: bytes, max_pixels: int = MAX_PIXELS) -> tuple[str, int, int]:
    """Return format (one of FORMATS), width and height of the upright picture; decode nothing.

    Raises UnreadableImage as ``load_photo`` does.
    """
    return _guard(_read_header, io.BytesIO(source), 0, max_pixels)


def _read_header(file: BinaryIO, _max_side: int, max_pixels: int) -> tuple[str, int, int]:
    if is_webp(start := _start(file)):
        width, height, exif = read_webp_header(file.read())
        _check_size((width, height), max_pixels)
        name, orientation = "WEBP", exif.get(_ORIENTATION_TAG, 1)
    else:
        try:
            with _opened(file, start, max_pixels) as image:
                # A JPEG with further pictures, as phones make them, has another name in Pillow.
                name = "JPEG" if image.format == "MPO" else image.format
                width, height = image.size
                orientation = _stated_orientation(image)
        except _DamagedHeader as error:
            # From its header alone it cannot be told from a file of another kind.
            raise _unsupported_format() from error
    is_on_its_side = _UPRIGHT.get(orientation) in _SWAPS_SIDES
    return name, *((height, width) if is_on_its_side else (width, height))


class _DamagedHeader(UnreadableImage):
    """The first bytes are those of a known format, and no decoder knows what follows."""


def _unsupported_format() -> UnreadableImage:
    message = f"the file is no picture in a known format ({', '.join(FORMATS)})"
    return UnreadableImage(message, "unsupported_format")


def _start(file: BinaryIO) -> bytes:
    start = file.read(32)
    file.seek(0)
    if not start:
        raise UnreadableImage("the file is empty", "empty_file")
    return start


def _stated_orientation(image: Image.Image) -> int:
    """Return the orientation that the header tells of pixels that are not decoded yet."""
    if image.format == "TIFF":
        return 1  # Pillow gives the size of the upright picture already.
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode all pixels to look for EXIF behind them.
    return _orientation(image)


def _opened(file: BinaryIO, start: bytes, max_pixels: int) -> Image.Image:
    """Return a picture whose pixels are not decoded yet, and are no more than ``max_pixels``."""
    if is_webp(start):
        _check_size(read_webp_header(file.read())[:2], max_pixels)
        file.seek(0)
    formats = tuple(name for name in FORMATS if name != "HEIF")
    # Loading the HEIC decoder takes longer than reading most pictures, so it waits for one.
    if start[4:8] == b"ftyp":
        import pillow_heif

        pillow_heif.register_heif_opener()
        formats = FORMATS
    try:
        image = Image.open(file, formats=formats)
    except UnidentifiedImageError as error:
        if any(Image.OPEN[name][1](start) for name in formats):
            raise _DamagedHeader("the picture's header is damaged") from error
        raise _unsupported_format() from error
    try:
        _check_size(image.size, max_pixels)
    except UnreadableImage:
        image.close()
        raise
    return image


def _decode(file: BinaryIO, max_side: int, max_pixels: int) -> Photo:
    with _opened(file, _start(file), max_pixels) as image:
        size = image.size
        image.draft(None, _fitted(size, max_side))
        return _upright(image, size, max_side)


def _take(image: Image.Image, max_side: int, max_pixels: int) -> Photo:
    _check_size(image.size, max_pixels)
    return _upright(image, image.size, max_side)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if not width or not height:
        raise UnreadableImage("the picture has no pixels")
    if width * height > max_pixels:
        raise _too_many_pixels(max_pixels)


def _fitted(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    shrink = min(1, max_side / max(size))
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))


def _upright(image: Image.Image, size: tuple[int, int], max_side: int) -> Photo:
    image.load()
    transpose = _UPRIGHT.get(_orientation(image))
    profile = image.info.get("icc_profile")
    # Colour keys and indices cannot be averaged, so such pixels get their colours first.
    if image.has_transparency_data and image.mode != "RGBA":
        image = image.convert("RGBA")
    elif image.mode in ("1", "P"):
        image = image.convert("RGB")
    fitted = _fitted(size, max_side)
    if image.size != fitted:
        image = image.resize(fitted, Image.Resampling.BICUBIC, reducing_gap=2.0)
    image = _as_rgb(image)
    if profile:
        image = _as_srgb(image, profile)
    if transpose is not None:
        image = image.transpose(transpose)
        if transpose in _SWAPS_SIDES:
            size = size[::-1]
    return Photo(image, *size)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # A photo with damaged notes is still a photo.
        return 1


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA":
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _from_deep_grey(np.asarray(image, dtype=np.float32))
    # A copy, even of an RGB picture: the caller's own must not change with ours.
    return image.convert("RGB")


def _as_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Bring colours that were stored for a wider screen to sRGB, which a picture without a
    profile is taken for. A profile that nobody can read changes nothing."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        is_rgb = source.profile.xcolor_space.strip() == "RGB"
        if not is_rgb or "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        return image


def _from_deep_grey(values: np.ndarray) -> Image.Image:
    """Map more than 8 bits of grey to 8.

    Cameras and scanners store 10, 12 or 14 bits in 16, so the range is that of the fewest bits,
    at least 8, that hold the brightest pixel; numbers with a fraction that stay within 0...1 keep
    that range.
    """
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).clip(0)
    brightest = float(values.max())
    within_one = brightest <= 1 and not np.array_equal(values, np.round(values))
    top = 1.0 if within_one else 2.0 ** max(8, math.ceil(math.log2(brightest + 1))) - 1
    grey = (values * (255 / top) + 0.5).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
