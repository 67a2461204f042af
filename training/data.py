"""FER2013 and the FER+ votes for the same rows, as arrays."""

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mlcore.labels import LABELS
from mlcore.preprocessing import FACE_SIZE, preprocess_batch

SPLITS = ("Training", "PublicTest", "PrivateTest")
VOTES = (
    "neutral", "happiness", "surprise", "sadness", "anger",
    "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip


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


def _open(path: Path) -> io.TextIOBase:
    if not path.exists():
        raise DataError(f"{path}: no such file; training needs FER2013's fer2013.csv or .csv.gz")
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")


def load_fer2013(path: Path, votes_path: Path | None = None) -> dict[str, Split]:
    """Read ``fer2013.csv`` (plain or .gz) and return its three splits by name.

    ``votes_path`` is ``fer2013new.csv`` of FER+ (Barsoum et al., 2016), whose rows stand in the
    same order. Raises DataError where a row is damaged or the two files differ in length.
    """
    images: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    labels: dict[str, list[int]] = {split: [] for split in SPLITS}
    rows: dict[str, list[int]] = {split: [] for split in SPLITS}
    count = 0
    try:
        with _open(path) as file:
            for count, row in enumerate(csv.DictReader(file), start=1):
                try:
                    label = int(row["emotion"])
                    pixels = np.array(row["pixels"].split(), dtype=np.uint8)
                    usage = row["Usage"]
                    if not 0 <= label < len(LABELS) or usage not in SPLITS:
                        raise ValueError(f"label {label}, usage {usage!r}")
                    images[usage].append(pixels.reshape(FACE_SIZE, FACE_SIZE))
                except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                    raise DataError(f"{path}, row {count}: {error}") from error
                labels[usage].append(label)
                rows[usage].append(count - 1)
    except (EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{path} ends or breaks after row {count}: {error}") from error
    if not all(images.values()):
        raise DataError(f"{path}: a split is empty: { {k: len(v) for k, v in images.items()} }")

    votes = None
    if votes_path is not None:
        with _open(votes_path) as file:
            votes = np.array(
                [[float(row[name]) for name in VOTES] for row in csv.DictReader(file)], np.float32
            )
        if len(votes) != count:
            raise DataError(f"{votes_path} has {len(votes)} rows, {path} has {count}")
    return {
        split: Split(
            np.stack(images[split]),
            np.array(labels[split], np.int64),
            None if votes is None else votes[rows[split]],
        )
        for split in SPLITS
    }


def label_given_votes(split: Split) -> np.ndarray:
    """Return (N, 7) float32: how likely each FER2013 label is, given only the FER+ votes of a row.

    The two label sets differ in habit, not only in noise (FER+ calls many of FER2013's fearful
    faces surprised). A multinomial logistic regression of label on votes, fitted on the split
    itself, translates one habit into the other, so that the votes add knowledge without a bias.
    """
    if split.votes is None:
        raise DataError("this recipe uses FER+ votes, but no votes file was given")
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
