"""A few hundred invented faces in FER2013's own file format."""

import csv
import gzip

import numpy as np
import pytest
import torch
from skimage import data

from training.data import VOTE_COLUMNS, VOTES, load_fer2013

COUNTS = {"Training": 96, "PublicTest": 40, "PrivateTest": 40}


def drawn_face(label: int, random: np.random.Generator) -> np.ndarray:
    """Return a (48, 48) uint8 picture whose bright band tells the label, under noise."""
    face = random.integers(60, 120, (48, 48))
    face[6 * label : 6 * label + 6] += 100
    return face.astype(np.uint8)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Leave the other processor to the tests that run beside: threads that wait for each other
    lose far more than half of their speed to a neighbour."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def fer2013(tmp_path_factory):
    """Return the paths of a small fer2013.csv.gz and the matching votes file."""
    folder = tmp_path_factory.mktemp("fer2013")
    random = np.random.default_rng(7)
    with (
        gzip.open(folder / "fer2013.csv.gz", "wt", newline="") as faces,
        (folder / "fer2013new.csv").open("w", newline="") as votes,
    ):
        face_writer, vote_writer = csv.writer(faces), csv.writer(votes)
        face_writer.writerow(["emotion", "pixels", "Usage"])
        vote_writer.writerow(["Usage", "Image name", *VOTES])
        for usage, count in COUNTS.items():
            for row in range(count):
                label = row % 7
                pixels = " ".join(map(str, drawn_face(label, random).ravel()))
                face_writer.writerow([label, pixels, usage])
                counts = [0] * len(VOTES)
                counts[VOTE_COLUMNS[label]] = 9
                counts[random.integers(len(VOTES))] += 1
                vote_writer.writerow([usage, "", *counts])
    return folder / "fer2013.csv.gz", folder / "fer2013new.csv"


@pytest.fixture(scope="session")
def splits(fer2013):
    return load_fer2013(*fer2013)


@pytest.fixture(scope="session")
def people():
    """Return (60, 48, 48) uint8 faces of different people, from scikit-image's cut-outs."""
    small = data.lfw_subset()[:60]
    enlarged = np.kron(small, np.ones((2, 2)))[:, 1:49, 1:49]
    return (enlarged * 180 + 20).astype(np.uint8)
