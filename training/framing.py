"""How FER2013 frames a face, measured against the detector: ``python -m training.framing``.

Prints the constants of ``mlcore.frame``: every face is enlarged, put on a grey canvas, and looked
for with the detector that serves photos.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mlcore.detection import detect_faces
from mlcore.images import Photo
from training.arguments import positive
from training.data import DataError, load_fer2013

FRAME_SIDE = 192
"""Pixels that a 48-pixel face is enlarged to."""

SHARES = (1 / 2, 1 / 4, 1 / 6)
"""Side of the frame over that of the canvas; the faces take turns, as boxes depend on it a bit."""

QUARTILES = (25, 50, 75)


def measure(faces: np.ndarray) -> np.ndarray:
    """Return (M, 3) float64 for the M faces that were found among (N, 48, 48) uint8.

    Columns: side of the frame over the square root of the box's area; offset of the frame's
    centre from the box's, right and down, as shares of the box's width and height.
    """
    rows = []
    for index, face in enumerate(faces):
        side = round(FRAME_SIDE / SHARES[index % len(SHARES)])
        canvas = Image.new("RGB", (side, side), (128, 128, 128))
        frame = Image.fromarray(face).resize((FRAME_SIDE, FRAME_SIDE), Image.Resampling.BICUBIC)
        corner = (side - FRAME_SIDE) // 2
        canvas.paste(frame.convert("RGB"), (corner, corner))
        found = detect_faces(Photo(canvas, side, side))
        if found:
            box, centre = found[0].box, corner + FRAME_SIDE / 2
            rows.append(
                (
                    FRAME_SIDE / math.sqrt(box.width * box.height),
                    (centre - box.x - box.width / 2) / box.width,
                    (centre - box.y - box.height / 2) / box.height,
                )
            )
    return np.array(rows).reshape(-1, 3)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure FER2013's frame against the detector.")
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, .csv.gz or a folder")
    parser.add_argument("--count", type=positive, default=300, help="faces of the Training split")
    options = parser.parse_args(arguments)
    # The detector falls in with torch's thread library, and is quickest with one thread.
    torch.set_num_threads(1)
    try:
        faces = load_fer2013(options.data)["Training"].images
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    faces = faces[:: max(1, len(faces) // options.count)][: options.count]
    rows = measure(faces)
    print(f"detected: {len(rows)} of {len(faces)} ({len(rows) / len(faces):.1%})")
    if not len(rows):
        return 1
    names = ("frame scale", "offset right", "offset down")
    for name, (low, median, high) in zip(names, np.percentile(rows, QUARTILES, 0).T, strict=True):
        print(f"{name:12}: median {median:+.3f}, quartiles {low:+.3f} and {high:+.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
