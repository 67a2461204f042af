import csv
import io
import re

import numpy as np
from PIL import Image

from training.audit import SAME, audit, find_copies, main, summary
from training.data import Split


def test_different_people_are_no_copies(people):
    assert find_copies(people) == []


def test_brighter_noisy_compressed_and_mirrored_ones_are_near_copies(people):
    brighter = (people[1] * 0.8 + 40).astype(np.uint8)
    noisy = (people[2] + np.random.default_rng(0).normal(0, 6, (48, 48))).clip(0, 255)
    file = io.BytesIO()
    Image.fromarray(people[3]).save(file, "JPEG", quality=30)
    again = np.asarray(Image.open(file))
    others = np.stack([people[0], brighter, noisy.astype(np.uint8), again, people[4][:, ::-1]])
    pairs = find_copies(people, others)
    assert [(p.first, p.second, p.kind) for p in pairs] == [
        (0, 0, "exact"), (1, 1, "near"), (2, 2, "near"), (3, 3, "near"), (4, 4, "mirrored"),
    ]  # fmt: skip
    assert all(pair.correlation >= SAME for pair in pairs)


def test_flat_pictures_are_copies_only_where_they_are_equal(people):
    flat = np.zeros((3, 48, 48), np.uint8)
    flat[2] += 9
    pairs = find_copies(np.concatenate([people[:5], flat]))
    assert [(p.first, p.second, p.kind) for p in pairs] == [(5, 6, "exact")]


def test_copies_are_counted_by_split_and_label(people):
    def split(rows, labels):
        return Split(people[rows], np.array(labels), None)

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


def test_the_command_lists_every_pair(people, tmp_path, capsys):
    splits = {
        "Training": people[:3],
        "PublicTest": [people[3], people[1][:, ::-1]],
        "PrivateTest": [people[4], people[5], people[2]],
    }
    faces, path = tmp_path / "fer2013.csv", tmp_path / "pairs.csv"
    rows = [
        f"{label},{' '.join(map(str, image.ravel()))},{usage}"
        for usage, images in splits.items()
        for label, image in enumerate(images)
    ]
    faces.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    assert main(["--data", str(faces), "--csv", str(path)]) == 0
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
