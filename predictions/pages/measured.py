"""What was measured of the network, as rows of tables and points of diagrams.

The figures are those that ``training`` writes, of one split. Where some are missing or are none,
the part is empty and is not shown.
"""

import json
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from mlcore.labels import LABELS
from mlcore.model_info import ModelInfo
from predictions.pages.insights import confusion_rows
from predictions.pages.wording import FEWEST, percent

SPLIT = "PrivateTest"
SHADES = 8

LEFT, TOP, WIDTH, HEIGHT = 44, 10, 284, 220
"""Where a diagram, 352 units wide and 274 high, has its field; both axes are 0...1."""

CHANGES = {
    "unchanged": _("as it is"),
    "blur, 1 pixel": _("a little blurred"),
    "blur, 2 pixels": _("very blurred"),
    "a quarter of the light": _("with a quarter of the light"),
    "JPEG quality 20": _("saved as a poor JPEG"),
    "turned 20° left": _("turned 20° to the left"),
    "turned 20° right": _("turned 20° to the right"),
    "turned 45° left": _("turned 45° to the left"),
    "turned 45° right": _("turned 45° to the right"),
    "24 pixels": _("made 24 pixels wide"),
}
"""What is done to a face before it is measured again. Larger sizes change next to nothing, and
what turns of 30° change lies between that of the others."""


def figures(model: ModelInfo, report: Mapping) -> Mapping:
    """Return what was measured of served answers; the model's own metadata come first."""
    own = model.metrics.get(SPLIT)
    other = report.get("served") if report.get("split") == SPLIT else None
    return {**(other or {}), **(own if isinstance(own, dict) else {})}


def read_report(model_path: Path, sha256: str) -> dict:
    """Return ``report/report.json`` beside a model; empty where it is of another file, or none."""
    path = model_path.parent / "report" / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return report if report["model"]["sha256"] == sha256 else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _part(function: Callable[[Mapping], list]) -> Callable[[Mapping], list]:
    @wraps(function)
    def or_nothing(measured: Mapping) -> list:
        try:
            return function(measured)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            return []

    return or_nothing


@_part
def by_class(measured: Mapping) -> list[tuple[str, float, float]]:
    """Return (label, recall, precision) of the classes that have both."""
    recall, precision = measured["recall"], measured["precision"]
    return [
        (label, float(recall[label]), float(precision[label]))
        for label in LABELS
        if label in recall and label in precision
    ]


@_part
def confusion(measured: Mapping) -> list[tuple[str, int, list[tuple[int, int, bool]]]]:
    """Return for each label its faces and, by answer, (per cent of them, shade, is right)."""
    counts = measured["confusion"]
    shares = [[round(100 * count / max(sum(row), 1)) for count in row] for row in counts]
    rows = confusion_rows(shares, SHADES)
    return [(label, sum(row), cells) for (label, cells), row in zip(rows, counts, strict=True)]


@_part
def mistakes(measured: Mapping) -> list[dict]:
    """Return the three most frequent confusions, as ``share`` of the faces of a ``label``."""
    found = [
        {"share": count / sum(row), "label": label, "answer": answer}
        for label, row in zip(LABELS, measured["confusion"], strict=True)
        for answer, count in zip(LABELS, row, strict=True)
        if count and answer != label
    ]
    return sorted(found, key=lambda mistake: -mistake["share"])[:3]


@_part
def reliability(measured: Mapping) -> list[dict]:
    """Return a point for each bin with answers: mean confidence, share right, and how many."""
    bins = [row for row in measured["reliability"] if row["count"]]
    most = max(row["count"] for row in bins)
    return [
        {**row, **_point(row["confidence"], row["accuracy"], 3 + 7 * (row["count"] / most) ** 0.5)}
        for row in bins
    ]


@_part
def coverage(measured: Mapping) -> list[dict]:
    """Return a point for each share of the surest answers: how many of them are right."""
    rows = measured["accuracy_at_coverage"]
    return [{**row, **_point(row["coverage"], row["accuracy"], 4)} for row in rows]


def _point(x: float, y: float, radius: float) -> dict[str, str]:
    return {
        "x": f"{LEFT + WIDTH * x:.1f}",
        "y": f"{TOP + HEIGHT * (1 - y):.1f}",
        "radius": f"{radius:.1f}",
        "text": f"{percent(x)}, {percent(y)}",
    }


TICKS = [_point(step / 4, step / 4, 0) | {"share": step / 4} for step in range(5)]


@_part
def records(measured: Mapping) -> list[tuple[str, list[dict]]]:
    """Return for each answer how often it was right, by its confidence.

    Each group has ``range`` (its confidence in words), ``right``, ``count`` and ``share``, which is
    None where the group is too small to have one.
    """
    return [(label, [_record(g) for g in measured["confidence_groups"][label]]) for label in LABELS]


def _record(group: Mapping) -> dict:
    right, count = int(group["right"]), int(group["count"])
    return {
        "range": f"{group['from'] * 100:.0f}–{group['to'] * 100:.0f}%",
        "right": right,
        "count": count,
        "share": right / count if count >= FEWEST else None,
    }


@_part
def conditions(report: Mapping) -> list[tuple[str, float, float]]:
    """Return (what was done to the faces, share right, share whose answer stayed the same)."""
    return [
        (str(CHANGES[row["change"]]), float(row["accuracy"]), float(row["same_answer"]))
        for row in report["robustness"]
        if row["change"] in CHANGES
    ]


@_part
def sizes(report: Mapping) -> list[tuple[int, float, float | None]]:
    """Return (pixels of a face in a photo, share found, share of these that are right)."""
    return [
        (int(row["side"]), row["count"] / row["looked_for"], row["accuracy"])
        for row in report["photos"]["rows"]
    ]
