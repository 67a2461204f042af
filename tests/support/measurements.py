"""A network with figures of its own and a report, for the page that tells how wrong it is."""

import json
from pathlib import Path

from tests.support.tiny_model import build_tiny_model

CONFUSION = [[30 if row == column else 2 for column in range(7)] for row in range(7)]
CONFUSION[1] = [24, 10, 0, 0, 6, 0, 0]

FIGURES = {
    "count": 3589,
    "accuracy": 0.6634,
    "accuracy_interval": [0.6478, 0.6787],
    "recall": {"happy": 0.9, "fear": 0.31},
    "precision": {"happy": 0.87, "fear": 0.5},
    "ece": 0.0183,
    "single_view": {"count": 3589, "accuracy": 0.6512, "macro_recall": 0.6},
    "confusion": CONFUSION,
    "reliability": [
        {"count": 0, "confidence": None, "accuracy": None},
        {"count": 900, "confidence": 0.5, "accuracy": 0.25},
        {"count": 100, "confidence": 0.95, "accuracy": 1.0},
    ],
    "accuracy_at_coverage": [
        {"coverage": 0.5, "accuracy": 0.86},
        {"coverage": 1.0, "accuracy": 0.66},
    ],
    "confidence_groups": {
        label: [
            {"from": 0.0, "to": 0.5, "count": 40, "right": 17},
            {"from": 0.5, "to": 1.0, "count": 19, "right": 18},
        ]
        for label in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    },
}

REPORT = {
    "split": "PrivateTest",
    "robustness": [
        {"change": "unchanged", "accuracy": 0.66, "same_answer": 1.0},
        {"change": "blur, 2 pixels", "accuracy": 0.37, "same_answer": 0.45},
        {"change": "96 pixels", "accuracy": 0.65, "same_answer": 0.98},
    ],
    "photos": {
        "size": [480, 360],
        "rows": [
            {"side": 48, "count": 0, "looked_for": 50, "accuracy": None},
            {"side": 96, "count": 41, "looked_for": 50, "accuracy": 0.58},
        ],
    },
}


def measured_model(directory: Path, figures, report: dict | None = None) -> Path:
    """Write a network with these figures, and the report beside it; return its path."""
    metadata = {
        "version": "1.2.3",
        "windows": "[44, 50]",
        "mirrored": "true",
        "metrics": json.dumps({"PrivateTest": figures}),
    }
    path = build_tiny_model(directory, metadata)
    if report is not None:
        sha256 = json.loads(path.with_suffix(".json").read_text())["sha256"]
        (directory / "report").mkdir()
        text = json.dumps({"model": {"sha256": sha256}, **report})
        (directory / "report" / "report.json").write_text(text)
    return path
