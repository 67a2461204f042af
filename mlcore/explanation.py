"""Where on a face an answer comes from, by covering one part after another.

Occlusion sensitivity (Zeiler & Fergus, 2014): the network itself is asked again with a grey patch
on the face, so that the map needs no access to its insides and shows what truly changed.
"""

import numpy as np
from PIL import Image

from mlcore.classification import EmotionClassifier
from mlcore.labels import LABELS
from mlcore.preprocessing import FACE_SIZE, to_face_size

PATCH = 12
"""Side of the grey patch in pixels of the 48 x 48 face: about an eye, or half of a mouth."""

STEP = 4
"""Pixels from one position of the patch to the next."""

PICTURE_SIDE = 384
HEAT = (230, 60, 40)
COLD = (40, 110, 230)
STRONGEST = 0.75
"""Opacity of the colour where it is strongest, so that the face still shows through."""

FAINTEST = 0.05
"""Change of probability that is worth full colour; without it, noise would be blown up."""


def occlusion_map(classifier: EmotionClassifier, face: Image.Image, label: str) -> np.ndarray:
    """Return how much of the probability of ``label`` each place of a face carries.

    ``face`` is a crop as EmotionClassifier takes it. The result is (12, 12) float32 in -1...1: the
    fall of the probability when a patch around that place is grey; negative where it rises.
    """
    small = to_face_size(face)
    pixels = np.asarray(small)
    grey = round(float(pixels.mean()))
    centres = range(STEP // 2, FACE_SIZE, STEP)
    views = [small]
    for y in centres:
        for x in centres:
            covered = pixels.copy()
            top, left = max(y - PATCH // 2, 0), max(x - PATCH // 2, 0)
            covered[top : y + PATCH // 2, left : x + PATCH // 2] = grey
            views.append(Image.fromarray(covered))
    probabilities = classifier.predict(views)[:, LABELS.index(label)]
    return (probabilities[0] - probabilities[1:]).reshape(len(centres), len(centres))


def draw_map(face: Image.Image, importance: np.ndarray) -> Image.Image:
    """Return the face, 384 x 384 RGB, with warm colour where the answer comes from.

    Cold colour marks what speaks against the answer. ``importance`` is an occlusion map.
    """
    size = (PICTURE_SIDE, PICTURE_SIDE)
    scaled = importance / max(float(np.abs(importance).max()), FAINTEST)
    smooth = np.asarray(
        Image.fromarray(scaled.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    ).clip(-1, 1)
    opacity = (np.abs(smooth) * STRONGEST)[..., np.newaxis]
    colour = np.where(smooth[..., np.newaxis] >= 0, np.float32(HEAT), np.float32(COLD))
    pixels = np.asarray(face.convert("L").convert("RGB").resize(size), dtype=np.float32)
    return Image.fromarray((pixels * (1 - opacity) + colour * opacity).round().astype(np.uint8))
