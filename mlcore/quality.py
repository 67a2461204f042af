"""What makes an answer less trustworthy: a face in the dark, turned aside, or drawn.

Each threshold was measured on 36 faces in 18 photographs (press portraits, party snapshots, a film
still), on the gallery, on the first 1,400 faces of FER2013's PublicTest, and for drawings on 30
cartoons of a generator. How many answers are right where each was said is measured with every
network and stands in its card.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

DARK = 64
"""Of 255. In full light some pixels are brighter whatever the colour of the skin.

Flagged: the gallery's picture in the dark, and 1 of 36 photographed faces, unlit in a background;
of FER2013 0.2 % as they are, 2.5 % with half the light and 92 % with a quarter of it. Of 250 faces
of FER2013 the network 2026.11.23.2 read 68 % right, 67 % with half, 60 % with a quarter, 48 % with
15 % of the light.
"""

TURNED = 0.7
"""The distance of the eyes as a share of that from eyes to mouth; from the front 0.8...1.1.

Flagged: 3 of 36 photographed faces, two of them profiles, and of the gallery the photographer, who
is seen from the side, alone. Of the faces that are found in FER2013 5 % are flagged. How far a head
is tilted cannot be told: the detector's points follow such a turn by a few degrees only.
"""

SHARP, FLAT = 0.035, 0.2
"""The least shares of pixels on hard edges and in flat areas that make a drawing.

Flagged: all 6 drawn faces that are found in the gallery and all 25 found in the generator's
cartoons; none of 36 photographed faces, nor of the gallery's photographs and paintings; 1 of 1,400
in FER2013. Drawn faces of fewer than some 100 pixels may go unnoticed.
"""

SIDE = 128
"""Side in pixels of the crop in which edges and flat areas are counted."""

HARD, SOFT = 60, 2
"""Of 255: the difference to a neighbouring pixel above which there is a hard edge, and that up to
which an area is flat."""


def is_dark(picture: Image.Image) -> bool:
    """Whether nearly all of an RGB picture is dark: 95 % of its pixels are below DARK."""
    return float(np.percentile(np.asarray(picture.convert("L")), 95)) < DARK


def is_turned(points: Sequence[tuple[float, float]]) -> bool:
    """Whether a face shows its side: its eyes are close together beside the height of the face.

    ``points`` are those of a Detection; without them nothing can be told.
    """
    if not points:
        return False
    left_eye, right_eye, _nose, left_mouth, right_mouth = np.array(points)
    height = np.linalg.norm((left_eye + right_eye - left_mouth - right_mouth) / 2)
    return bool(np.linalg.norm(left_eye - right_eye) < TURNED * height)


def looks_drawn(face: Image.Image) -> bool:
    """Whether an RGB crop of a face has both flat areas and hard edges, as drawings have.

    Skin has texture, and its shadows are soft.
    """
    small = face.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = np.asarray(small, dtype=np.int16)
    right = np.abs(np.diff(pixels, axis=1)).max(axis=2)[:-1]
    down = np.abs(np.diff(pixels, axis=0)).max(axis=2)[:, :-1]
    steps = np.maximum(right, down)
    return bool((steps > HARD).mean() >= SHARP and (steps <= SOFT).mean() >= FLAT)
