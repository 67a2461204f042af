"""Detected box -> the square that FER2013 would show of the face."""

import numpy as np
from PIL import Image

from mlcore.detection import Box
from mlcore.frame import face_frame
from mlcore.images import Photo


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
