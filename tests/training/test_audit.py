import csv
import io
import re

import numpy as np
import pytest
from PIL import Image
from skimage import data

from training.audit import SAME, audit, find_copies, main, summary
from training.data import Split


@pytest.fixture(scope="module")
def faces():
    """Return (60, 48, 48) uint8 faces of different people, from scikit-image's cut-outs."""
    small = data.lfw_subset()[:60]
    enlarged = np.kron(small, np.ones((2, 2)))[:, 1:49, 1:49]
    return (enlarged * 180 + 20).astype(np.uint8)


def test_different_people_are_no_copies(faces):
    assert find_copies(faces) == []


def test_brighter_noisy_compressed_and_mirrored_ones_are_near_copies(faces):
    brighter = (faces[1] * 0.8 + 40).astype(np.uint8)
    noisy = (faces[2] + np.random.default_rng(0).normal(0, 6, (48, 48))).clip(0, 255)
    file = io.BytesIO()
    Image.fromarray(faces[3]).save(file, "JPEG", quality=30)
    again = np.asarray(Image.open(file))
    others = np.stack([faces[0], brighter, noisy.astype(np.uint8), again, faces[4][:, ::-1]])
    pairs = find_copies(faces, others)
    assert [(p.first, p.second, p.kind) for p in pairs] == [
        (0, 0, "exact"), (1, 1, "near"), (2, 2, "near"), (3, 3, "near"), (4, 4, "mirrored"),
    ]  # fmt: skip
    assert all(pair.correlation >= SAME for pair in pairs)


def test_flat_pictures_are_copies_only_where_they_are_equal(faces):
    flat = np.zeros((3, 48, 48), np.uint8)
    flat[2] += 9
    pairs = find_copies(np.concatenate([faces[:5], flat]))
    assert [(p.first, p.second, p.kind) for p in pairs] == [(5, 6, "exact")]


def test_copies_are_counted_by_split_and_label(faces):
    def split(rows, labels):
        return Split(faces[rows], np.array(labels), None)

    splits = {
        "Training": split([0, 1, 2, 0], [3, 3, 3, 3]),
        "PublicTest": split([5, 6], [0, 0]),
        "PrivateTest": split([0, 7, 6], [4, 4, 0]),
    }
    found = audit(splits)
    rows = [re.split(r"\s+", line) for line in summary(splits, found).splitlines()[1:]]
    counts = {(one, two): list(map(int, numbers)) for two, one, *numbers in rows}
    assert counts["Training", "Training"] == [1, 0, 0]
    assert counts["Training", "PrivateTest"] == [1, 0, 1]
    assert counts["PublicTest", "PrivateTest"] == [1, 0, 0]
    assert sum(map(sum, counts.values())) == 4


def test_the_command_lists_every_pair(faces, tmp_path, capsys, monkeypatch):
    def split(*images):
        return Split(np.stack(images), np.arange(len(images)), None)

    splits = {
        "Training": split(*faces[:3]),
        "PublicTest": split(faces[3], faces[1][:, ::-1]),
        "PrivateTest": split(faces[4], faces[5], faces[2]),
    }
    monkeypatch.setattr("training.audit.load_fer2013", lambda path: splits)
    path = tmp_path / "pairs.csv"
    assert main(["--data", "fer2013.csv", "--csv", str(path)]) == 0
    assert "with a copy in" in capsys.readouterr().out
    with path.open() as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    assert [row[:-1] for row in rows] == [
        ["Training", "1", "1", "PublicTest", "1", "1", "mirrored"],
        ["Training", "2", "2", "PrivateTest", "2", "2", "exact"],
    ]
    assert all(float(row[-1]) >= SAME for row in rows)


def test_a_missing_file_ends_with_one_line(tmp_path, capsys):
    assert main(["--data", str(tmp_path / "nothing.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
