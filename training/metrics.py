"""Figures of probabilities against labels; all shares are 0...1."""

import math
from itertools import pairwise

import numpy as np

from mlcore.labels import LABELS

CONFIDENCE_EDGES = (0.0, 0.5, 0.7, 0.9, 1.0)
"""Edges of the confidence groups in which the site says how often such an answer is right."""

BINS = 15
"""Bins of the reliability diagram and of the ECE, as Guo et al. (2017) take them."""

COVERAGES = tuple(step / 10 for step in range(1, 11))


def interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share (Wilson, 1927)."""
    z, share = 1.96, right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    half /= 1 + z * z / count
    return centre - half, centre + half


def share_right(right: np.ndarray) -> dict:
    """Return the length of an (N,) mask and the share that is true; None where N is 0."""
    if not len(right):
        return {"count": 0, "accuracy": None, "accuracy_interval": None}
    low, high = interval(int(right.sum()), len(right))
    return {
        "count": len(right),
        "accuracy": round(float(right.mean()), 4),
        "accuracy_interval": [round(low, 4), round(high, 4)],
    }


def expected_calibration_error(
    confidence: np.ndarray, right: np.ndarray, bins: int = BINS
) -> float:
    """Return the mean gap between confidence and accuracy over equal bins (Guo et al., 2017)."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[index == b].sum() - right[index == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(confidence))


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[dict]:
    """Return the answers by equal bins of confidence: their count, mean confidence and accuracy.

    A bin without answers has None for both.
    """
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = []
    for number in range(bins):
        inside = index == number
        some = inside.any()
        rows.append(
            {
                "count": int(inside.sum()),
                "confidence": round(float(confidence[inside].mean()), 4) if some else None,
                "accuracy": round(float(right[inside].mean()), 4) if some else None,
            }
        )
    return rows


def accuracy_at_coverage(confidence: np.ndarray, right: np.ndarray) -> list[dict]:
    """Return the accuracy of the surest 10 %, 20 % ... 100 % of the answers."""
    order = np.argsort(-confidence, kind="stable")
    rows = []
    for coverage in COVERAGES:
        surest = order[: max(1, round(coverage * len(order)))]
        rows.append({"coverage": coverage, "accuracy": round(float(right[surest].mean()), 4)})
    return rows


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


def _confidence_groups(answers: np.ndarray, confidence: np.ndarray, right: np.ndarray) -> dict:
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
    return groups


def count_answers(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the confusion matrix of (N,) answers: one row a label, one column an answer."""
    confusion = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(confusion, (labels, answers), 1)
    return confusion


def recalls(confusion: np.ndarray) -> np.ndarray:
    """Return the share of each label's faces that is answered right; 0 where there are none."""
    return confusion.diagonal() / confusion.sum(1).clip(1)


def measure(probabilities: np.ndarray, labels: np.ndarray, unsure_threshold: float) -> dict:
    """Return the figures of (N, 7) probabilities against (N,) true labels.

    ``brier`` is the squared distance from the true answer summed over the seven classes, 0...2
    (Brier, 1950); ``nll`` is in nats; a class that is never answered has a precision of 0.
    """
    answers = probabilities.argmax(1)
    confidence = probabilities.max(1)
    right = answers == labels
    sure = confidence >= unsure_threshold
    confusion = count_answers(answers, labels)
    hits, labelled, answered = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall, precision = recalls(confusion), hits / answered.clip(1)
    f1 = 2 * hits / (labelled + answered).clip(1)
    truth = np.eye(len(LABELS))[labels]
    return {
        **share_right(right),
        "macro_recall": round(float(recall.mean()), 4),
        "macro_f1": round(float(f1.mean()), 4),
        "recall": {name: round(float(v), 4) for name, v in zip(LABELS, recall, strict=True)},
        "precision": {name: round(float(v), 4) for name, v in zip(LABELS, precision, strict=True)},
        "confusion": confusion.tolist(),
        "ece": round(expected_calibration_error(confidence, right), 4),
        "nll": round(float(-np.log(probabilities[np.arange(len(labels)), labels]).mean()), 4),
        "brier": round(float(np.square(probabilities - truth).sum(1).mean()), 4),
        "sure_coverage": round(float(sure.mean()), 4),
        "sure_accuracy": round(float(right[sure].mean()), 4) if sure.any() else None,
        "confidence_groups": _confidence_groups(answers, confidence, right),
        "reliability": reliability(confidence, right),
        "accuracy_at_coverage": accuracy_at_coverage(confidence, right),
    }
