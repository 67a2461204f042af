"""Find pictures that FER2013 holds more than once: ``python -m training.audit --data fer2013.csv``.

Copies across the splits flatter every published accuracy, and copies with different labels bound
it. Two pictures count as near copies where they correlate by at least SAME over all their pixels,
as they are or with one mirrored: that sees through other brightness, contrast and compression. Of
the pairs of PrivateTest and Training just above that mark, all that were looked at showed the same
photograph; below 0.90 most showed different people.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations_with_replacement
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.data import SPLITS, DataError, Split, load_fer2013

SAME = 0.92
"""Correlation of the 48 × 48 pixels from which two pictures are near copies."""

ROUGH, ROUGH_SIDE = 0.90, 12
"""Only pairs that correlate so at 12 × 12 pixels are compared in full; as blurring hides
differences, a near copy passes easily, and one pair in some 40,000 is left to look at."""

ROWS, PAIRS = 512, 8192
"""How many rows, and then pairs, are compared at once: some 60 and 150 MB."""


class Pair(NamedTuple):
    """Row ``first`` of one array of pictures looks like row ``second`` of the other.

    ``kind`` is ``exact``, ``near`` or ``mirrored``; ``correlation`` is that of the pixels.
    """

    first: int
    second: int
    kind: str
    correlation: float


def _normalised(images: np.ndarray, side: int) -> np.ndarray:
    """Return (N, side²) float32 block means of zero mean and unit length; zeros for flat images."""
    n, block = len(images), images.shape[1] // side
    values = images.reshape(n, side, block, side, block).mean((2, 4), dtype=np.float32)
    values = values.reshape(n, -1)
    values -= values.mean(1, keepdims=True)
    return values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-6)


def _alike(
    first: np.ndarray, second: np.ndarray, upper_half: bool
) -> Iterator[tuple[int, int, float]]:
    rough_first, rough_second = _normalised(first, ROUGH_SIDE), _normalised(second, ROUGH_SIDE)
    for start in range(0, len(first), ROWS):
        rough = rough_first[start : start + ROWS] @ rough_second.T
        rows, others = np.nonzero(rough >= ROUGH)
        rows += start
        if upper_half:
            rows, others = rows[others > rows], others[others > rows]
        for part in range(0, len(rows), PAIRS):
            i, j = rows[part : part + PAIRS], others[part : part + PAIRS]
            side = first.shape[1]
            fine = (_normalised(first[i], side) * _normalised(second[j], side)).sum(1)
            same = fine >= SAME
            yield from zip(i[same].tolist(), j[same].tolist(), fine[same].tolist(), strict=True)


def find_copies(first: np.ndarray, second: np.ndarray | None = None) -> list[Pair]:
    """Return the pairs of copies between two arrays of (N, 48, 48) uint8, in order of their rows.

    With one array: the pairs within it, each once, the earlier row first.
    """
    within, second = second is None, first if second is None else second
    rows_of = defaultdict(list)
    for row, image in enumerate(second):
        rows_of[image.tobytes()].append(row)
    pairs = {
        (row, other): Pair(row, other, "exact", 1.0)
        for row, image in enumerate(first)
        for other in rows_of.get(image.tobytes(), ())
        if not within or other > row
    }
    for kind, view in (("near", first), ("mirrored", first[:, :, ::-1])):
        for row, other, correlation in _alike(view, second, within):
            pairs.setdefault((row, other), Pair(row, other, kind, round(correlation, 4)))
    return sorted(pairs.values())


def audit(splits: dict[str, Split]) -> dict[tuple[str, str], list[Pair]]:
    """Return the copies by pair of splits, also within each; needs some 15 s for FER2013."""
    return {
        (one, two): find_copies(splits[one].images, None if one == two else splits[two].images)
        for one, two in combinations_with_replacement(SPLITS, 2)
    }


def summary(splits: dict[str, Split], found: dict[tuple[str, str], list[Pair]]) -> str:
    """Return a table: how many faces of a split have a copy in an other, or earlier in it."""
    lines = [f"{'faces of':12} {'with a copy in':14} {'exact':>6} {'near':>6} {'other label':>12}"]
    for (one, two), pairs in found.items():
        labels_one, labels_two = splits[one].labels, splits[two].labels
        exact = {pair.second for pair in pairs if pair.kind == "exact"}
        near = {pair.second for pair in pairs} - exact
        otherwise = {p.second for p in pairs if labels_one[p.first] != labels_two[p.second]}
        lines.append(f"{two:12} {one:14} {len(exact):6} {len(near):6} {len(otherwise):12}")
    return "\n".join(lines)


def write_pairs(
    path: Path, splits: dict[str, Split], found: dict[tuple[str, str], list[Pair]]
) -> None:
    """Write one line a pair; rows count from 0 within their split."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        places = [f"{place}_{what}" for place in ("first", "second") for what in
                  ("split", "row", "label")]  # fmt: skip
        writer.writerow([*places, "kind", "correlation"])
        for (one, two), pairs in found.items():
            for first, second, kind, correlation in pairs:
                left = (one, first, splits[one].labels[first])
                right = (two, second, splits[two].labels[second])
                writer.writerow([*left, *right, kind, correlation])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Find exact and near copies within and across the splits; under a minute."
    )
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, .csv.gz or a folder")
    parser.add_argument("--csv", type=Path, help="write every pair here")
    options = parser.parse_args(arguments)
    try:
        splits = load_fer2013(options.data)
        found = audit(splits)
        if options.csv:
            write_pairs(options.csv, splits, found)
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(summary(splits, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
