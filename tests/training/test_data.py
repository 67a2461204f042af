import gzip

import numpy as np
import pytest
from PIL import Image

from mlcore.preprocessing import preprocess
from training.data import DataError, label_given_votes, load_fer2013


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
        (f"7,{face()},Training", "label 7"),
        (f"x,{face()},Training", "row 2"),
        (f"0,{face('300')},Training", "row 2"),
        ("0,1 2 3,Training", "row 2"),
        (f"0,{face()},Elsewhere", "Elsewhere"),
        ("0", "row 2"),
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


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(DataError, match="a split is empty"):
        load_fer2013(write(tmp_path / "fer2013.csv", f"0,{face()},Training"))


def test_votes_of_another_file_are_refused(fer2013, tmp_path):
    lines = fer2013[1].read_text().splitlines()
    short = tmp_path / "fer2013new.csv"
    short.write_text("\n".join(lines[:50]) + "\n")
    with pytest.raises(DataError, match="has 49 rows"):
        load_fer2013(fer2013[0], short)


def test_plain_and_compressed_files_are_the_same_data(fer2013, tmp_path, splits):
    plain = tmp_path / "fer2013.csv"
    plain.write_bytes(gzip.decompress(fer2013[0].read_bytes()))
    loaded = load_fer2013(plain)
    assert np.array_equal(loaded["PrivateTest"].images, splits["PrivateTest"].images)
    assert loaded["PrivateTest"].votes is None
