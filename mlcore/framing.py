"""Detected box -> the square that FER2013 would show of the face."""

import math

import numpy as np
from PIL import Image

from mlcore.detection import Box
from mlcore.images import Photo

# Measured by: python -m training.framing --data fer2013.csv.gz
FRAME_SCALE = 1.10
"""Side of FER2013's square frame over the square root of the detected box's area; half of the
faces lie within 1.00...1.19."""

FRAME_OFFSET = (0.01, -0.01)
"""From the box's centre to the frame's, right and down, as shares of the box's sides."""


def face_frame(box: Box) -> tuple[float, float, float]:
    """Return the centre (x, y) and the side of FER2013's frame for a detected box, in pixels of
    the upright original. The frame may leave the picture."""
    x = box.x + box.width * (0.5 + FRAME_OFFSET[0])
    y = box.y + box.height * (0.5 + FRAME_OFFSET[1])
    return x, y, FRAME_SCALE * math.sqrt(box.width * box.height)


def crop_face(photo: Photo, box: Box) -> Image.Image:
    """Return the square RGB crop that shows the face in ``box`` as FER2013 would.

    Where the frame leaves the picture, the picture's edge is repeated; nothing is distorted.
    """
    scale = photo.image.width / photo.width
    x, y, side = (value * scale for value in face_frame(box))
    return _square(photo.image, x, y, side)


def whole_picture(photo: Photo) -> Image.Image:
    """Return the picture itself as a square crop, its edge repeated along the short sides."""
    width, height = photo.image.size
    return _square(photo.image, width / 2, height / 2, max(width, height))


def _square(image: Image.Image, x: float, y: float, side: float) -> Image.Image:
    length = max(1, round(side))
    left, top = round(x - length / 2), round(y - length / 2)
    right, bottom = left + length, top + length
    inside = image.crop(
        (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
    )
    if inside.size == (length, length):
        return inside
    rows = (max(-top, 0), max(bottom - image.height, 0))
    columns = (max(-left, 0), max(right - image.width, 0))
    return Image.fromarray(np.pad(np.asarray(inside), (rows, columns, (0, 0)), mode="edge"))
