"""Face crop -> network input: the only definition of what is served and measured.

Training measures itself by it after every pass, and calibrates by it; the random views that it
learns from are drawn by ``training.augmentation``.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

FACE_SIZE = 48
"""Side in pixels of a FER2013 image: every crop is brought to it first, so that a face from a
large photo has the detail of the faces that the network learned from, and no more."""

INPUT_SIZE = 44
"""Side in pixels of the network's input."""


def to_face_size(face: Image.Image) -> Image.Image:
    """Return one face crop of any mode and size as a grey picture of 48 x 48 pixels.

    FER2013's faces are crisp, and so is the filter: after a softer one fewer answers are right.
    """
    grey = face if face.mode == "L" else face.convert("L")
    if grey.size == (FACE_SIZE, FACE_SIZE):
        return grey
    return grey.resize((FACE_SIZE, FACE_SIZE), Image.Resampling.BICUBIC, reducing_gap=3.0)


def preprocess(face: Image.Image) -> np.ndarray:
    """Return the (3, 44, 44) float32 network input, values 0...1, for one upright face crop.

    The crop may have any mode and size; its aspect ratio is not kept, so crops should be square.
    """
    grey = to_face_size(face).resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)
    plane = np.asarray(grey, dtype=np.float32) / 255.0
    return np.repeat(plane[np.newaxis], 3, axis=0)


def preprocess_batch(faces: Sequence[Image.Image]) -> np.ndarray:
    """Return the (N, 3, 44, 44) float32 network input for N upright face crops; N may be 0."""
    batch = np.empty((len(faces), 3, INPUT_SIZE, INPUT_SIZE), dtype=np.float32)
    for index, face in enumerate(faces):
        batch[index] = preprocess(face)
    return batch
