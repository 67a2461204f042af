"""How the answers fare when faces are blurred, dark, compressed, turned or small."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from mlcore import EmotionClassifier
from training.metrics import share_right

Change = Callable[[Image.Image], Image.Image]


def blurred(radius: float) -> Change:
    """Blur with a Gaussian whose standard deviation is ``radius`` pixels of the 48-pixel face."""
    return lambda face: face.filter(ImageFilter.GaussianBlur(radius))


def darkened(light: float) -> Change:
    """Leave this share of the light, rounded to 8 bits as a camera would."""
    return lambda face: ImageEnhance.Brightness(face).enhance(light)


def compressed(quality: int) -> Change:
    """Save as a JPEG of this quality and read it back."""

    def change(face: Image.Image) -> Image.Image:
        file = io.BytesIO()
        face.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return change


def turned(degrees: float) -> Change:
    """Turn counter-clockwise in the picture's plane; the edge's pixels fill the corners."""

    def change(face: Image.Image) -> Image.Image:
        margin = face.width // 4
        wide = Image.fromarray(np.pad(np.asarray(face), margin, mode="edge"))
        wide = wide.rotate(degrees, Image.Resampling.BICUBIC)
        return wide.crop((margin, margin, margin + face.width, margin + face.height))

    return change


def resized(side: int) -> Change:
    """Bring the face to ``side`` pixels, as a photo from farther or nearer shows it."""
    return lambda face: face.resize((side, side), Image.Resampling.BICUBIC)


CHANGES: dict[str, Change] = {
    "blur, 1 pixel": blurred(1.0),
    "blur, 2 pixels": blurred(2.0),
    "a quarter of the light": darkened(0.25),
    "JPEG quality 20": compressed(20),
    "turned 20° left": turned(20),
    "turned 20° right": turned(-20),
    "turned 30° left": turned(30),
    "turned 30° right": turned(-30),
    "turned 45° left": turned(45),
    "turned 45° right": turned(-45),
    "24 pixels": resized(24),
    "32 pixels": resized(32),
    "64 pixels": resized(64),
    "96 pixels": resized(96),
}
"""FER2013's faces have 48 pixels: bringing them to more shows what resizing alone changes."""


def measure_robustness(
    classifier: EmotionClassifier, faces: list[Image.Image], labels: np.ndarray, before: np.ndarray
) -> list[dict]:
    """Return one row a change: the accuracy, and the share of answers that stay the same.

    ``before`` are the (N,) answers to the N faces as they are; the first row is theirs.
    """

    def row(name: str, answers: np.ndarray) -> dict:
        same = round(float((answers == before).mean()), 4)
        return {"change": name, **share_right(answers == labels), "same_answer": same}

    rows = [row("unchanged", before)]
    for name, change in CHANGES.items():
        rows.append(row(name, classifier.predict([change(face) for face in faces]).argmax(1)))
    return rows
