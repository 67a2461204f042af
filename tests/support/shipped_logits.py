"""What the shipped network answers to known faces, to the logit.

``python -m tests.support.shipped_logits`` writes the file anew, after another network was exported.
On x86 this needs a processor with VNNI: what others compute is to be compared with it.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from mlcore import EmotionClassifier
from mlcore.views import ONE_VIEW

PATH = Path(__file__).parent.parent / "mlcore" / "shipped_logits.json"
ANGLES = range(-20, 21, 5)


def known_faces() -> list[Image.Image]:
    """Return the smiling astronaut turned by some degrees, and fifty of scikit-image's faces."""
    astronaut = Image.fromarray(data.astronaut()).convert("L")
    turned = [
        astronaut.rotate(angle, center=(223, 120)).crop((165, 50, 285, 170)) for angle in ANGLES
    ]
    small = (data.lfw_subset()[:50] * 255).astype(np.uint8)
    return turned + [Image.fromarray(face).resize((48, 48)) for face in small]


def shipped_logits() -> dict:
    classifier = EmotionClassifier()
    logits = classifier.logits(known_faces(), ONE_VIEW)
    return {"sha256": classifier.model.sha256, "logits": logits.astype(float).round(3).tolist()}


if __name__ == "__main__":
    answers = shipped_logits()
    rows = ",\n  ".join(json.dumps(row) for row in answers["logits"])
    PATH.write_text(f'{{\n "sha256": "{answers["sha256"]}",\n "logits": [\n  {rows}\n ]\n}}\n')
