"""Face crop -> network input: the only definition of what is served and measured.

Training measures itself by it after every pass, and calibrates by it; the random views that it
learns from are drawn by ``training.augmentation``.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from mlcore.views import FACE_SIZE, Views

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


def preprocess(face: Image.Image, window: int = FACE_SIZE) -> np.ndarray:
    """Return the (3, 44, 44) float32 network input, values 0...1, for one upright face crop.

    The crop may have any mode and size; its aspect ratio is not kept, so crops should be square.
    The network sees the square around the crop's middle whose side is ``window`` pixels, of which
    the whole crop has 48: fewer show the face nearer, more show it farther away, with the crop's
    outermost pixels continued.
    """
    grey = to_face_size(face)
    if window > FACE_SIZE:
        beyond = math.ceil((window - FACE_SIZE) / 2)
        grey = Image.fromarray(np.pad(np.asarray(grey), beyond, mode="edge"))
    start = (grey.width - window) / 2
    box = (start, start, start + window, start + window)
    grey = grey.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR, box)
    plane = np.asarray(grey, dtype=np.float32) / 255.0
    return np.repeat(plane[np.newaxis], 3, axis=0)


def preprocess_batch(faces: Sequence[Image.Image], window: int = FACE_SIZE) -> np.ndarray:
    """Return the (N, 3, 44, 44) float32 network input for N upright face crops; N may be 0.

    ``window`` is that of ``preprocess``.
    """
    batch = np.empty((len(faces), 3, INPUT_SIZE, INPUT_SIZE), dtype=np.float32)
    for index, face in enumerate(faces):
        batch[index] = preprocess(face, window)
    return batch


def preprocess_views(faces: Sequence[Image.Image], views: Views) -> list[np.ndarray]:
    """Return the (N, 3, 44, 44) float32 network input of each of the views of N face crops."""
    small = [to_face_size(face) for face in faces]
    batches = [preprocess_batch(small, window) for window in views.windows]
    if views.mirrored:
        batches += [np.ascontiguousarray(batch[..., ::-1]) for batch in batches]
    return batches
