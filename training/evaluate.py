"""Measure an exported network as it is served: ``python -m training.evaluate --data fer2013.csv``.

Everything goes through ``mlcore.EmotionClassifier``: the file, the preprocessing and the
calibration that users get, not the network that was trained.
"""

import argparse
import json
import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from mlcore import EmotionClassifier
from mlcore.errors import MLCoreError
from mlcore.labels import LABELS
from mlcore.model_info import MODEL_PATH
from training.data import DataError, Split, load_fer2013

CONFIDENCE_EDGES = (0.0, 0.5, 0.7, 0.9, 1.0)
"""Edges of the confidence groups in which the site says how often such an answer is right."""


def interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share (Wilson, 1927)."""
    z, share = 1.96, right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    half /= 1 + z * z / count
    return centre - half, centre + half


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy over equal bins (Guo et al., 2017)."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[index == b].sum() - right[index == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(confidence))


def sure_threshold(confidence: np.ndarray, right: np.ndarray, wanted: float) -> float:
    """Return the lowest threshold at which answers at or above it are right often enough.

    0 where all answers are good enough together, and 1 where no threshold reaches ``wanted``.
    """
    order = np.argsort(-confidence)
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(accuracy >= wanted)
    if not len(enough):
        return 1.0
    last = enough[-1]
    return 0.0 if last == len(order) - 1 else float(confidence[order[last]])


def measure(probabilities: np.ndarray, labels: np.ndarray, unsure_threshold: float) -> dict:
    """Return the figures of (N, 7) probabilities against (N,) true labels, shares in 0...1."""
    answers = probabilities.argmax(1)
    confidence = probabilities.max(1)
    right = answers == labels
    sure = confidence >= unsure_threshold
    confusion = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(confusion, (labels, answers), 1)
    hits = confusion.diagonal()
    recall = hits / confusion.sum(1).clip(1)
    precision = hits / confusion.sum(0).clip(1)
    low, high = interval(int(right.sum()), len(labels))
    groups = {}
    for index, label in enumerate(LABELS):
        groups[label] = []
        for start, end in pairwise(CONFIDENCE_EDGES):
            inside = (answers == index) & (confidence >= start)
            inside &= (confidence < end) | (end == 1.0)
            groups[label].append(
                {
                    "from": start,
                    "to": end,
                    "count": int(inside.sum()),
                    "right": int(right[inside].sum()),
                }
            )
    return {
        "count": len(labels),
        "accuracy": round(float(right.mean()), 4),
        "accuracy_interval": [round(low, 4), round(high, 4)],
        "macro_recall": round(float(recall.mean()), 4),
        "recall": {name: round(float(v), 4) for name, v in zip(LABELS, recall, strict=True)},
        "precision": {name: round(float(v), 4) for name, v in zip(LABELS, precision, strict=True)},
        "confusion": confusion.tolist(),
        "ece": round(expected_calibration_error(confidence, right), 4),
        "nll": round(float(-np.log(probabilities[np.arange(len(labels)), labels]).mean()), 4),
        "sure_coverage": round(float(sure.mean()), 4),
        "sure_accuracy": round(float(right[sure].mean()), 4) if sure.any() else None,
        "confidence_groups": groups,
    }


def faces_of(split: Split) -> list[Image.Image]:
    """Return the faces of a split as the grey images that a user would send."""
    return [Image.fromarray(image) for image in split.images]


def without_copies(split: Split, *others: Split) -> np.ndarray:
    """Return an (N,) mask of the images that are no exact copy of one in the other splits."""
    known = {image.tobytes() for other in others for image in other.images}
    return np.array([image.tobytes() not in known for image in split.images])


def report(classifier: EmotionClassifier, splits: dict[str, Split], name: str) -> dict:
    """Return the figures of one split, with the accuracy on images that were never trained on."""
    split = splits[name]
    probabilities = classifier.predict(faces_of(split))
    figures = measure(probabilities, split.labels, classifier.model.unsure_threshold)
    fresh = without_copies(split, splits["Training"])
    right = probabilities.argmax(1) == split.labels
    figures["copies_in_training"] = int((~fresh).sum())
    figures["accuracy_without_copies"] = round(float(right[fresh].mean()), 4)
    return figures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure an exported network on FER2013.")
    parser.add_argument("--model", type=Path, default=MODEL_PATH)
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv or .csv.gz")
    parser.add_argument("--split", choices=["PublicTest", "PrivateTest"], default="PrivateTest")
    options = parser.parse_args(arguments)
    try:
        figures = report(
            EmotionClassifier(options.model), load_fer2013(options.data), options.split
        )
    except (DataError, MLCoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
