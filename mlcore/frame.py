"""Which square of a photo shows a face as FER2013 would: arithmetic only, for pages, too."""

import math
from typing import Protocol

# Measured by: python -m training.framing --data fer2013.csv.gz
FRAME_SCALE = 1.10
"""Side of FER2013's square frame over the square root of the detected box's area; half of the
faces lie within 1.00...1.19."""

FRAME_OFFSET = (0.01, -0.01)
"""From the box's centre to the frame's, right and down, as shares of the box's sides."""


class Rectangle(Protocol):
    x: int
    y: int
    width: int
    height: int


def face_frame(box: Rectangle) -> tuple[float, float, float]:
    """Return the centre (x, y) and the side of FER2013's frame for a detected box, in pixels of
    the upright original. The frame may leave the picture."""
    x = box.x + box.width * (0.5 + FRAME_OFFSET[0])
    y = box.y + box.height * (0.5 + FRAME_OFFSET[1])
    return x, y, FRAME_SCALE * math.sqrt(box.width * box.height)


def explained_square(
    box: Rectangle, photo_width: int, photo_height: int
) -> tuple[float, float, float]:
    """Return the corner (x, y) and the side of what EmotionAnalyser.explain draws of a face."""
    if (box.x, box.y, box.width, box.height) == (0, 0, photo_width, photo_height):
        x, y, side = photo_width / 2, photo_height / 2, float(max(photo_width, photo_height))
    else:
        x, y, side = face_frame(box)
    return x - side / 2, y - side / 2, side
