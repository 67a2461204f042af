"""Which square around a detected box shows a face best: ``python -m training.framing``.

Prints what the constants of ``mlcore.frame`` were chosen by. Faces of PublicTest are put into made
photos and looked for there. Where their own frames lie around the boxes tells the offset; the
scale is one of whose crops the network, as served, gets most right.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mlcore import EmotionClassifier
from mlcore.detection import Box, detect_faces
from mlcore.errors import MLCoreError
from mlcore.framing import crop_face
from mlcore.images import load_photo
from mlcore.model_info import MODEL_PATH
from mlcore.preprocessing import to_face_size
from training.arguments import positive
from training.data import DataError, load_fer2013
from training.evaluate import SEED, faces_of
from training.photos import is_the_one, make_photo

SIDES = (96, 160, 240)
"""Pixels that a face's frame takes up in the photo: those of which accuracy is promised."""

SCALES = (0.95, 1.0, 1.05, 1.1, 1.15)
"""Sides of the crop over the square root of the box's area."""

QUARTILES = (25, 50, 75)


@dataclass(frozen=True)
class Found:
    """A face that the detector found in a made photo: its place among the faces, its box, the
    corner of the square that it was put into, and a grey crop for each of SCALES."""

    index: int
    box: Box
    corner: tuple[int, int]
    crops: tuple[Image.Image, ...]


def find(faces: Sequence[Image.Image], side: int, seed: int) -> list[Found]:
    """Put each of the square faces into a photo of its own, and return those that are found."""
    random = np.random.default_rng(seed)
    found = []
    for index, face in enumerate(faces):
        image, corner = make_photo(face, side, random)
        photo = load_photo(image)
        boxes = [face.box for face in detect_faces(photo)]
        matching = [box for box in boxes if is_the_one(box, corner, side)]
        if matching:
            box = matching[0]
            crops = tuple(to_face_size(crop_face(photo, box, scale)) for scale in SCALES)
            found.append(Found(index, box, corner, crops))
    return found


def offsets(found: Sequence[Found], side: int) -> np.ndarray:
    """Return (M, 3) float64, how the true frames of M faces lie around their boxes.

    Columns: side of the frame over the square root of the box's area; offset of the frame's
    centre from the box's, right and down, as shares of the box's width and height.
    """
    rows = []
    for face in found:
        box, (left, top) = face.box, face.corner
        rows.append(
            (
                side / math.sqrt(box.width * box.height),
                (left + side / 2 - box.x - box.width / 2) / box.width,
                (top + side / 2 - box.y - box.height / 2) / box.height,
            )
        )
    return np.array(rows).reshape(-1, 3)


def accuracies(
    classifier: EmotionClassifier, found: Sequence[Found], labels: np.ndarray
) -> list[float]:
    """Return the share of right answers for each of SCALES; ``labels`` are those of all faces."""
    truth = labels[[face.index for face in found]]
    return [
        float(np.mean(classifier.predict(crops).argmax(1) == truth))
        for crops in zip(*(face.crops for face in found), strict=True)
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Choose the square around a detected face.")
    parser.add_argument("--model", type=Path, default=MODEL_PATH)
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, .csv.gz or a folder")
    parser.add_argument("--count", type=positive, default=1000, help="faces of PublicTest")
    options = parser.parse_args(arguments)
    # The detector falls in with torch's thread library, and is quickest with one thread.
    torch.set_num_threads(1)
    try:
        classifier = EmotionClassifier(options.model)
        split = load_fer2013(options.data)["PublicTest"]
    except (DataError, MLCoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chosen = np.random.default_rng(SEED).permutation(len(split.labels))[: options.count]
    every_face = faces_of(split)
    faces, labels = [every_face[row] for row in chosen], split.labels[chosen]
    for side in SIDES:
        found = find(faces, side, SEED)
        print(f"{side} pixels: found {len(found)} of {len(faces)}")
        if not found:
            continue
        quartiles = np.percentile(offsets(found, side), QUARTILES, 0).T
        names = ("frame's scale", "offset right", "offset down")
        for name, (low, median, high) in zip(names, quartiles, strict=True):
            print(f"  {name:13}: median {median:+.3f}, quartiles {low:+.3f} and {high:+.3f}")
        for scale, share in zip(SCALES, accuracies(classifier, found, labels), strict=True):
            print(f"  right at {scale:.2f}: {share:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
