"""How the answers fare when nobody cropped the face: photo -> detector -> frame -> network."""

import numpy as np
import torch
from PIL import Image

from mlcore import EmotionAnalyser
from mlcore.analysis import Face
from mlcore.detection import detector_available
from mlcore.labels import LABELS
from training.metrics import share_right

PHOTO = (480, 360)
"""Width and height of the made photos."""

SIDES = (48, 96, 160, 240)
"""Pixels that a face's frame takes up in the photo."""

SOFT_EDGE = 0.1
"""Share of a frame's side over which its continued edge fades into the background around it, so
that no hard edge helps or irritates the detector, and nothing of the frame is hidden."""


def make_photo(
    face: Image.Image, side: int, random: np.random.Generator
) -> tuple[Image.Image, tuple[int, int]]:
    """Put a square face into a soft, coloured background; return the photo and its left upper
    corner there."""
    colours = random.integers(30, 226, (6, 8, 3), dtype=np.uint8)
    photo = Image.fromarray(colours).resize(PHOTO, Image.Resampling.BICUBIC)
    edge = round(side * SOFT_EDGE)
    frame = face.convert("L").resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.pad(np.asarray(frame), edge, mode="edge")
    fading = np.pad(np.full((side, side), 255), edge, mode="linear_ramp")
    left, top = (int(random.integers(0, length - side + 1)) for length in PHOTO)
    photo.paste(
        Image.fromarray(pixels).convert("RGB"),
        (left - edge, top - edge),
        Image.fromarray(fading.astype(np.uint8)),
    )
    return photo, (left, top)


def _is_the_one(face: Face, corner: tuple[int, int], side: int) -> bool:
    """Whether the middle of a found box lies in the middle half of the frame."""
    box = face.box
    x = (box.x + box.width / 2 - corner[0]) / side
    y = (box.y + box.height / 2 - corner[1]) / side
    return 0.25 < x < 0.75 and 0.25 < y < 0.75


def measure_photos(
    analyser: EmotionAnalyser,
    faces: list[Image.Image],
    labels: np.ndarray,
    alone: np.ndarray,
    seed: int,
) -> list[dict] | None:
    """Return one row a size: the share of faces found, and the accuracy on these.

    ``alone`` are the (N,) answers to the N faces as crops; ``crop_accuracy`` is theirs on the same
    faces. ``other_boxes`` counts what was taken for a face elsewhere. ``by_advice`` has for every
    word of ``Analysis.advice`` that was said the accuracy on the found faces it was said of, and
    ``without_advice`` that on the found faces nothing was said of. None without a detector.
    """
    if not detector_available():
        return None
    # The detector falls in with torch's thread library, and is quickest with one thread.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_measure_side(analyser, faces, labels, alone, side, seed) for side in SIDES]
    finally:
        torch.set_num_threads(threads)


def _measure_side(
    analyser: EmotionAnalyser,
    faces: list[Image.Image],
    labels: np.ndarray,
    alone: np.ndarray,
    side: int,
    seed: int,
) -> dict:
    random = np.random.default_rng(seed)
    found, answers, advice, other_boxes = [], [], [], 0
    for index, face in enumerate(faces):
        photo, corner = make_photo(face, side, random)
        analysis = analyser.analyse(photo)
        boxes = analysis.faces
        matching = [box for box in boxes if _is_the_one(box, corner, side)]
        other_boxes += len(boxes) - len(matching)
        if matching:
            best = max(matching, key=lambda box: box.detection_confidence)
            found.append(index)
            answers.append(LABELS.index(best.label))
            advice.append(analysis.advice)
    right = np.array(answers, int) == labels[found]

    def share_where(said: list[bool]) -> dict:
        return share_right(right[np.array(said, bool)])

    return {
        "side": side,
        "looked_for": len(faces),
        "other_boxes": other_boxes,
        **share_right(right),
        "crop_accuracy": share_right(alone[found] == labels[found])["accuracy"],
        "without_advice": share_where([not words for words in advice]),
        "by_advice": {
            word: share_where([word in words for words in advice])
            for word in sorted(set().union(*advice))
        },
    }
