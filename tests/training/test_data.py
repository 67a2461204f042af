import gzip
import logging

import numpy as np
import pytest
from PIL import Image

from mlcore.labels import LABELS
from mlcore.preprocessing import preprocess
from training.data import VOTES, DataError, label_given_votes, load_fer2013, majority


def write(path, *rows):
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return path


def face(value="7"):
    return " ".join([value] * 48 * 48)


def test_splits_keep_rows_labels_and_votes_together(splits):
    training = splits["Training"]
    assert training.images.shape == (96, 48, 48)
    assert training.images.dtype == np.uint8
    bands = training.images.reshape(96, 8, 6 * 48).mean(2).argmax(1)
    assert (bands == training.labels).all()
    assert (training.votes.sum(1) == 10).all()


def test_inputs_are_what_serving_computes(splits):
    split = splits["PublicTest"]
    expected = preprocess(Image.fromarray(split.images[3]))
    assert np.array_equal(split.inputs()[3].numpy(), expected)


def test_votes_translate_into_labels(splits):
    posterior = label_given_votes(splits["Training"])
    assert posterior.sum(1) == pytest.approx(1, abs=1e-5)
    assert (posterior.argmax(1) == splits["Training"].labels).mean() > 0.95


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"7,{face()},Training", "emotion is '7', not 0 to 6"),
        (f"x,{face()},Training", "emotion is 'x'"),
        (f"0,{face('300')},Training", "a pixel is no number of 0 to 255"),
        (f"0,{face('7.5')},Training", "a pixel is no number"),
        ("0,1 2 3,Training", "3 pixels, not 48 × 48 = 2304"),
        (f"0,{face()},Elsewhere", "Usage is 'Elsewhere'"),
        (f"0,{face()}", "the row is cut short"),
    ],
)
def test_a_damaged_row_is_named(tmp_path, row, reason):
    path = write(tmp_path / "fer2013.csv", f"0,{face()},Training", row)
    with pytest.raises(DataError, match=r"row 2") as caught:
        load_fer2013(path)
    assert reason in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        load_fer2013(tmp_path / "nowhere.csv")


def test_a_cut_archive_is_told_from_a_whole_one(fer2013, tmp_path):
    content = fer2013[0].read_bytes()
    cut = tmp_path / "fer2013.csv.gz"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="ends or breaks after row"):
        load_fer2013(cut)


def test_an_archive_with_a_damaged_middle_is_told_from_a_whole_one(fer2013, tmp_path):
    content = bytearray(fer2013[0].read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    damaged = tmp_path / "fer2013.csv.gz"
    damaged.write_bytes(content)
    with pytest.raises(DataError, match=r"fer2013\.csv\.gz"):
        load_fer2013(damaged)


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no face of PublicTest"):
        load_fer2013(write(tmp_path / "fer2013.csv", f"0,{face()},Training"))


def test_a_table_without_the_columns_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("label,pixels\n1,2\n")
    with pytest.raises(DataError, match="has no column emotion, Usage"):
        load_fer2013(path)


def test_another_number_of_faces_is_said(fer2013, caplog):
    with caplog.at_level(logging.WARNING):
        load_fer2013(fer2013[0])
    (record,) = caplog.records
    assert "96 faces in Training, not 28,709" in record.message
    assert "40 faces in PrivateTest, not 3,589" in record.message


def test_votes_of_another_file_are_refused(fer2013, tmp_path):
    lines = fer2013[1].read_text().splitlines()
    short = tmp_path / "fer2013new.csv"
    short.write_text("\n".join(lines[:50]) + "\n")
    with pytest.raises(DataError, match="has 49 rows"):
        load_fer2013(fer2013[0], short)


def test_votes_in_another_order_are_refused(fer2013, tmp_path):
    head, *rows = fer2013[1].read_text().splitlines()
    parts = (rows[:96], rows[96:136], rows[136:])
    turned = [row for part in parts for row in (*part[3:], *part[:3])]
    path = tmp_path / "fer2013new.csv"
    path.write_text("\n".join([head, *turned]) + "\n")
    with pytest.raises(DataError, match="its rows stand in another order"):
        load_fer2013(fer2013[0], path)
    path.write_text("\n".join([head, *reversed(rows)]) + "\n")
    with pytest.raises(DataError, match="row 1 is PrivateTest in"):
        load_fer2013(fer2013[0], path)


@pytest.mark.parametrize(
    ("vote", "reason"), [("nine", "a vote is no whole number"), ("-9", "a vote is below 0")]
)
def test_a_vote_that_is_none_is_named(fer2013, tmp_path, vote, reason):
    lines = fer2013[1].read_text().splitlines()
    lines[2] = lines[2].replace(",9,", f",{vote},")
    path = tmp_path / "fer2013new.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=f"row 2: {reason}"):
        load_fer2013(fer2013[0], path)


def test_the_majority_is_a_class_with_most_votes_and_no_tie():
    votes = np.zeros((4, len(VOTES)), np.float32)
    votes[0, VOTES.index("happiness")] = 6
    votes[1, [VOTES.index("fear"), VOTES.index("surprise")]] = 5
    votes[2, VOTES.index("contempt")] = 8
    assert majority(votes).tolist() == [LABELS.index("happy"), -1, -1, -1]


def test_the_challenges_own_column_names_are_understood(fer2013, tmp_path, splits):
    lines = gzip.decompress(fer2013[0].read_bytes()).decode().splitlines()[1:]
    path = tmp_path / "icml_face_data.csv"
    with path.open("w") as file:
        file.write("emotion, Usage, pixels\n")
        for line in lines:
            emotion, pixels, usage = line.split(",")
            file.write(f"{emotion},{usage},{pixels}\n")
    loaded = load_fer2013(path)
    for name, split in splits.items():
        assert np.array_equal(loaded[name].images, split.images)
        assert np.array_equal(loaded[name].labels, split.labels)


def write_folder(root, splits, file_name):
    """Write splits as train/<label>/ and test/<label>/ of PNG files, whose pixels are exact."""
    for name, split in splits.items():
        for row, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            part = "train" if name == "Training" else "test"
            folder = root / part / LABELS[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / file_name(name, row))
    return root


def contents(split):
    return sorted(
        (label, image.tobytes()) for image, label in zip(split.images, split.labels, strict=True)
    )


def test_a_folder_of_pictures_is_the_same_data(tmp_path, splits):
    root = write_folder(tmp_path, splits, lambda name, row: f"{name}_{row}.png")
    (root / "train" / "happy" / ".DS_Store").write_bytes(b"no picture")
    loaded = load_fer2013(root)
    for name, split in splits.items():
        assert contents(loaded[name]) == contents(split)
    assert len(set(loaded["Training"].labels[:20])) > 3


def test_a_folder_that_lost_the_halves_of_its_test_faces_says_so(tmp_path, splits, caplog):
    root = write_folder(tmp_path, splits, lambda name, row: f"{name[:4]}{row}.jpg")
    with caplog.at_level(logging.WARNING):
        loaded = load_fer2013(root)
    assert any("does not tell PublicTest from PrivateTest" in r.message for r in caplog.records)
    public, private = (
        np.bincount(loaded[name].labels, minlength=7) for name in ("PublicTest", "PrivateTest")
    )
    assert abs(public - private).max() <= 1
    assert public.sum() + private.sum() == 80


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda root: (root / "train" / "bored").mkdir(), "bored is named after no emotion"),
        (lambda root: (root / "test" / "sad" / "x.jpg").write_bytes(b"?"), "x.jpg is no picture"),
        (lambda root: (root / "test" / "sad" / "x.pgm").write_bytes(b"P5 60000 60000 255 "),
         "x.pgm is no picture"),
        (lambda root: Image.new("L", (47, 48)).save(root / "train" / "sad" / "x.png"),
         "x.png has 47 × 48 pixels"),
        (lambda root: (root / "train").rename(root / "other"), "train is no folder"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_refused_by_the_file(tmp_path, splits, spoil, reason):
    root = write_folder(tmp_path, splits, lambda name, row: f"{name}_{row}.png")
    spoil(root)
    with pytest.raises(DataError, match=reason.replace(".", r"\.")):
        load_fer2013(root)


def test_votes_cannot_be_joined_to_a_folder(tmp_path, splits, fer2013):
    root = write_folder(tmp_path, splits, lambda name, row: f"{name}_{row}.png")
    with pytest.raises(DataError, match="go by the rows"):
        load_fer2013(root, fer2013[1])


def test_plain_and_compressed_files_are_the_same_data(fer2013, tmp_path, splits):
    plain = tmp_path / "fer2013.csv"
    plain.write_bytes(gzip.decompress(fer2013[0].read_bytes()))
    loaded = load_fer2013(plain)
    assert np.array_equal(loaded["PrivateTest"].images, splits["PrivateTest"].images)
    assert loaded["PrivateTest"].votes is None
