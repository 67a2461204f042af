"""Figures of a report, as PNG files that stand beside it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mlcore.labels import LABELS
from training.metrics import BINS

ACCENT, MUTED, LIMIT = "#1f6f8b", "#b9c6cc", "#b5532b"
DPI = 110


def _error_bars(rows: list[dict]) -> np.ndarray:
    """Return (2, N) distances from each accuracy to the ends of its interval."""
    accuracy = np.array([row["accuracy"] for row in rows])
    low, high = np.array([row["accuracy_interval"] for row in rows]).T
    return np.stack([accuracy - low, high - accuracy])


def confusion(report: dict) -> Figure:
    """Draw each class's answers as shares of its faces, as papers on FER2013 do."""
    counts = np.array(report["served"]["confusion"])
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    figure = Figure(figsize=(6.4, 5.8), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.2f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(LABELS)), LABELS, rotation=35, ha="right")
    axes.set_yticks(range(len(LABELS)), LABELS)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
    accuracy = report["served"]["accuracy"]
    axes.set_title(f"{report['split']}: {accuracy:.1%} of {counts.sum():,} faces right")
    return figure


def reliability(report: dict) -> Figure:
    """Draw accuracy against confidence in equal bins, and how many answers each bin has."""
    rows = report["served"]["reliability"]
    left = np.arange(BINS) / BINS
    accuracy = [row["accuracy"] or 0 for row in rows]
    counts = np.array([row["count"] for row in rows])
    figure = Figure(figsize=(6, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1])
    upper.bar(left, accuracy, 1 / BINS, align="edge", color=ACCENT, edgecolor="white")
    upper.plot([0, 1], [0, 1], color=LIMIT, linestyle="--", label="as right as confident")
    upper.legend(loc="upper left", frameon=False)
    upper.set_ylabel("accuracy")
    upper.set_ylim(0, 1)
    upper.set_title(f"Reliability, ECE {report['served']['ece']:.3f} ({BINS} bins)")
    shares = counts / counts.sum()
    lower.bar(left, shares, 1 / BINS, align="edge", color=MUTED, edgecolor="white")
    lower.set_ylabel("share of faces")
    lower.set_xlabel("confidence")
    lower.set_xlim(0, 1)
    return figure


def coverage(report: dict) -> Figure:
    """Draw the accuracy of the surest answers, and where the site's "unsure" begins."""
    figures = report["served"]
    rows = figures["accuracy_at_coverage"]
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    shares, accuracy = zip(*((row["coverage"], row["accuracy"]) for row in rows), strict=True)
    axes.plot(shares, accuracy, color=ACCENT, marker="o")
    if figures["sure_accuracy"] is not None:
        x, y = figures["sure_coverage"], figures["sure_accuracy"]
        label = f"sure answers: {y:.0%} right on {x:.0%}"
        axes.plot([x], [y], color=LIMIT, marker="D", markersize=9, linestyle="", label=label)
        axes.legend(loc="lower left", frameon=False)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(min(0.5, *accuracy) - 0.02, 1.01)
    axes.set_xlabel("coverage: share of the faces, the surest first")
    axes.set_ylabel("accuracy")
    axes.set_title("Accuracy against coverage")
    axes.grid(alpha=0.3)
    return figure


def robustness(report: dict) -> Figure:
    """Draw the accuracy under every change as bars with their 95 % intervals."""
    rows = report["robustness"]
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))
    colours = [MUTED if row["change"] == "unchanged" else ACCENT for row in rows]
    accuracy = [row["accuracy"] for row in rows]
    axes.barh(places, accuracy, color=colours, xerr=_error_bars(rows), ecolor="#444444")
    axes.axvline(accuracy[0], color=LIMIT, linestyle="--", linewidth=1)
    axes.set_yticks(places, [row["change"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy, with 95 % interval")
    axes.set_title(f"Bad pictures ({rows[0]['count']:,} faces)")
    return figure


def photos(report: dict) -> Figure:
    """Draw accuracy by the size of a face in a photo, beside that of the same faces as crops."""
    rows = [row for row in report["photos"]["rows"] if row["count"]]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    places, width = np.arange(len(rows)), 0.38
    crops = [row["crop_accuracy"] for row in rows]
    found = [row["accuracy"] for row in rows]
    axes.bar(places - width / 2, crops, width, color=MUTED, label="the crop")
    axes.bar(
        places + width / 2, found, width, color=ACCENT, label="found in a photo",
        yerr=_error_bars(rows), ecolor="#444444",
    )  # fmt: skip
    names = [f"{row['side']} pixels\n{row['count'] / row['looked_for']:.0%} found" for row in rows]
    axes.set_xticks(places, names)
    axes.set_ylim(0, 1)
    axes.set_ylabel("accuracy")
    axes.set_title(f"From photo to answer ({rows[0]['looked_for']:,} faces a size)")
    axes.legend(loc="upper left", ncols=2, frameon=False)
    return figure


FIGURES: dict[str, Callable[[dict], Figure]] = {
    "confusion": confusion,
    "reliability": reliability,
    "coverage": coverage,
    "robustness": robustness,
    "photos": photos,
}


def draw(report: dict, folder: Path) -> list[Path]:
    """Write the report's figures into ``folder`` and return their paths.

    There is none of photos where no face was found or no detector is installed.
    """
    found = report["photos"] and any(row["count"] for row in report["photos"]["rows"])
    paths = []
    for name, figure in FIGURES.items():
        path = folder / f"{name}.png"
        if name == "photos" and not found:
            path.unlink(missing_ok=True)
            continue
        # Without the drawing library's own name and version, equal figures are equal files.
        figure(report).savefig(path, dpi=DPI, metadata={"Software": None})
        paths.append(path)
    return paths
