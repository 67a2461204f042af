"""FER2013 and the FER+ votes for the same rows, as arrays."""

import csv
import gzip
import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from PIL import Image

from mlcore.labels import LABELS
from mlcore.preprocessing import FACE_SIZE, preprocess_batch

SPLITS = ("Training", "PublicTest", "PrivateTest")

COUNTS = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}
"""Faces of each class in FER2013, in LABELS order."""

TOLERANCE = 2
"""Faces by which a class may differ: identical pictures with different labels change places when
the set is put together again from picture files."""

VOTES = (
    "neutral", "happiness", "surprise", "sadness", "anger",
    "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip

VOTE_COLUMNS = tuple(
    VOTES.index(name)
    for name in ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
)
"""Columns of VOTES in LABELS order."""

LEAST_AGREEMENT = 0.4
"""The most frequent vote is the label for 64 % of FER2013's rows, and for 18 % of shuffled ones."""

_log = logging.getLogger(__name__)


class DataError(Exception):
    """The data set is missing or damaged; the message names the file and the row."""


@dataclass(frozen=True)
class Split:
    """One part of FER2013.

    ``images``: (N, 48, 48) uint8; ``labels``: (N,) int64, 0...6 in LABELS order;
    ``votes``: (N, 10) float32 FER+ votes in VOTES order, or None.
    """

    images: np.ndarray
    labels: np.ndarray
    votes: np.ndarray | None

    def inputs(self) -> torch.Tensor:
        """Return the (N, 3, 44, 44) float32 inputs that serving would compute for these faces."""
        return torch.from_numpy(preprocess_batch([Image.fromarray(image) for image in self.images]))


@dataclass
class _Rows:
    """Faces in the order of their file: the split, the label and the picture of each."""

    usages: list[str]
    labels: list[int]
    images: list[np.ndarray]


def load_fer2013(path: Path, votes_path: Path | None = None) -> dict[str, Split]:
    """Read FER2013 and return its three splits by name.

    ``path`` is ``fer2013.csv`` or ``icml_face_data.csv``, plain or .gz, or a folder of pictures
    ``train/<label>/*.jpg`` and ``test/<label>/*.jpg``. ``votes_path`` is ``fer2013new.csv`` of FER+
    (Barsoum et al., 2016), whose rows stand in the order of the CSV. Raises DataError where
    anything is damaged or the two files do not belong together. Counts other than FER2013's are
    logged as a warning: the figures of another set cannot be compared with published ones.
    """
    rows = _read_folder(path) if path.is_dir() else _read_csv(path)
    votes = None
    if votes_path is not None:
        if path.is_dir():
            raise DataError(f"{path}: FER+ votes go by the rows of fer2013.csv; a folder has none")
        votes = _read_votes(votes_path, path, rows)
    usages, labels = np.array(rows.usages), np.array(rows.labels, np.int64)
    splits = {}
    for name in SPLITS:
        chosen = np.flatnonzero(usages == name)
        if not len(chosen):
            raise DataError(f"{path} has no face of {name}: it is cut, or no copy of FER2013")
        splits[name] = Split(
            np.stack([rows.images[row] for row in chosen]),
            labels[chosen],
            None if votes is None else votes[chosen],
        )
    _compare_counts(path, splits)
    return splits


def _compare_counts(path: Path, splits: dict[str, Split]) -> None:
    differences = []
    for name, expected in COUNTS.items():
        found = np.bincount(splits[name].labels, minlength=len(LABELS))
        if found.sum() != sum(expected):
            differences.append(f"{found.sum():,} faces in {name}, not {sum(expected):,}")
            continue
        for label, count, wanted in zip(LABELS, found, expected, strict=True):
            if abs(count - wanted) > TOLERANCE:
                differences.append(f"{count:,} {label} faces in {name}, not {wanted:,}")
    if differences:
        _log.warning("%s is not FER2013 as published: %s", path, "; ".join(differences))


def _open(path: Path) -> TextIO:
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")


def _table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file, plain or .gz, counted from 1; names may have spaces around."""
    number = 0
    try:
        with _open(path) as file:
            reader = csv.DictReader(file)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            missing = [name for name in columns if name not in reader.fieldnames]
            if missing:
                raise DataError(f"{path} has no column {', '.join(missing)}")
            for number, row in enumerate(reader, start=1):
                if any(row[name] is None for name in columns):
                    raise DataError(f"{path}, row {number}: the row is cut short")
                yield number, row
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (EOFError, OSError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise DataError(f"{path} ends or breaks after row {number}: {error}") from error


def _read_csv(path: Path) -> _Rows:
    rows = _Rows([], [], [])
    for number, row in _table(path, ("emotion", "pixels", "Usage")):
        label, usage = row["emotion"].strip(), row["Usage"].strip()
        try:
            pixels = bytes(map(int, row["pixels"].split()))
        except ValueError as error:
            raise DataError(f"{path}, row {number}: a pixel is no number of 0 to 255") from error
        if len(pixels) != FACE_SIZE**2:
            raise DataError(f"{path}, row {number}: {len(pixels)} pixels, not 48 × 48 = 2304")
        if label not in map(str, range(len(LABELS))):
            raise DataError(f"{path}, row {number}: emotion is {label!r}, not 0 to 6")
        if usage not in SPLITS:
            raise DataError(f"{path}, row {number}: Usage is {usage!r}, not {', '.join(SPLITS)}")
        rows.usages.append(usage)
        rows.labels.append(int(label))
        rows.images.append(np.frombuffer(pixels, np.uint8).reshape(FACE_SIZE, FACE_SIZE))
    return rows


def _read_folder(path: Path) -> _Rows:
    """Read ``train`` and ``test`` folders of pictures by label.

    That form has lost which half of ``test`` is PublicTest, unless the files are called
    ``PublicTest_1.jpg`` and so on. Where they are not, the files of each label go to the two in
    turn, and the log says that figures cannot be compared.
    """
    files = []
    for part in ("train", "test"):
        for folder in _visible(path / part):
            if folder.name.lower() not in LABELS:
                raise DataError(f"{folder} is named after no emotion of {', '.join(LABELS)}")
            files += [(part, folder.name.lower(), file) for file in _visible(folder)]
    tests = [file.name.split("_")[0] for part, _, file in files if part == "test"]
    named = all(name in SPLITS[1:] for name in tests)
    if not named:
        _log.warning(
            "%s does not tell PublicTest from PrivateTest: its files take turns, and figures "
            "cannot be compared with published ones", path / "test",
        )  # fmt: skip
    # The first faces of the CSV are of all classes, and some of the training relies on it.
    order = np.random.default_rng(0).permutation(len(files))
    turns = dict.fromkeys(LABELS, 0)
    usages = []
    for part, label, file in files:
        usage = "Training" if part == "train" else file.name.split("_")[0]
        if part == "test" and not named:
            usage = SPLITS[1 + turns[label] % 2]
            turns[label] += 1
        usages.append(usage)
    return _Rows(
        [usages[index] for index in order],
        [LABELS.index(files[index][1]) for index in order],
        [_read_picture(files[index][2]) for index in order],
    )


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"{folder} is no folder; FER2013 as pictures is train/<label>/ and test/<label>/"
        ) from error


def _read_picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            if image.size != (FACE_SIZE, FACE_SIZE):
                raise DataError(f"{path} has {image.width} × {image.height} pixels, not 48 × 48")
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is no picture: {error}") from error


def _read_votes(votes_path: Path, path: Path, rows: _Rows) -> np.ndarray:
    """Return (N, 10) float32 votes, and make sure that they are those of these rows."""
    votes, usages = [], []
    for number, row in _table(votes_path, ("Usage", *VOTES)):
        try:
            votes.append([float(int(row[name])) for name in VOTES])
        except ValueError as error:
            raise DataError(f"{votes_path}, row {number}: a vote is no whole number") from error
        if min(votes[-1]) < 0:
            raise DataError(f"{votes_path}, row {number}: a vote is below 0")
        usages.append(row["Usage"].strip())
    if len(votes) != len(rows.usages):
        raise DataError(f"{votes_path} has {len(votes)} rows, {path} has {len(rows.usages)}")
    for number, (one, other) in enumerate(zip(usages, rows.usages, strict=True), start=1):
        if one != other:
            raise DataError(f"row {number} is {one} in {votes_path} and {other} in {path}")
    array = np.array(votes, np.float32).reshape(-1, len(VOTES))
    chosen = majority(array)
    agreement = (chosen == rows.labels)[chosen >= 0]
    if len(agreement) and agreement.mean() < LEAST_AGREEMENT:
        raise DataError(
            f"{votes_path} agrees with {agreement.mean():.0%} of the labels in {path}, where 64 % "
            "is usual: its rows stand in another order"
        )
    return array


def shares_of_labels(votes: np.ndarray) -> np.ndarray:
    """Return (N, 7) float32: the share of a face's FER+ votes for each of LABELS."""
    return votes[:, VOTE_COLUMNS] / votes.sum(1, keepdims=True).clip(1)


def majority(votes: np.ndarray) -> np.ndarray:
    """Return (N,) int64: the label with most FER+ votes, or -1 for a tie and for other answers."""
    labels = np.full(len(VOTES), -1)
    labels[list(VOTE_COLUMNS)] = range(len(LABELS))
    tied = (votes == votes.max(1, keepdims=True)).sum(1) > 1
    return np.where(tied, -1, labels[votes.argmax(1)])


def label_given_votes(split: Split) -> np.ndarray:
    """Return (N, 7) float32: how likely each FER2013 label is, given only the FER+ votes of a row.

    The two label sets differ in habit, not only in noise (FER+ calls many of FER2013's fearful
    faces surprised). A multinomial logistic regression of label on votes, fitted on the split
    itself, translates one habit into the other, so that the votes add knowledge without a bias.
    """
    if split.votes is None:
        raise DataError("these faces have no FER+ votes")
    shares = split.votes / split.votes.sum(1, keepdims=True).clip(1)
    features = torch.from_numpy(np.hstack([shares, np.sqrt(shares)]))
    target = torch.from_numpy(split.labels)
    layer = torch.nn.Linear(features.shape[1], len(LABELS))
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(features), target)
        loss = loss + 1e-4 * layer.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        return layer(features).softmax(1).numpy()
