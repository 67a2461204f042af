"""The network that is shipped, on a real face."""

import json

import numpy as np
import pytest
from PIL import ImageOps

from mlcore import EmotionAnalyser
from mlcore.model_info import MODEL_PATH
from tests.support import shipped_logits


@pytest.fixture(scope="module")
def shipped() -> EmotionAnalyser:
    return EmotionAnalyser()


def test_the_smiling_astronaut_is_happy(shipped, astronaut, astronaut_face):
    (face,) = shipped.analyse(astronaut).faces
    assert (face.label, face.unsure) == ("happy", False)
    assert face.box.x == pytest.approx(astronaut_face.x, abs=10)
    assert face.box.y == pytest.approx(astronaut_face.y, abs=10)


@pytest.mark.parametrize("size", [(256, 256), (1024, 1024), (2600, 2600)])
def test_she_is_happy_at_every_size(shipped, astronaut, size):
    (face,) = shipped.analyse(astronaut.resize(size)).faces
    assert face.label == "happy"


def test_her_mirror_image_is_as_happy(shipped, astronaut):
    (face,) = shipped.analyse(ImageOps.mirror(astronaut)).faces
    assert face.label == "happy"


def test_the_file_names_its_measured_accuracy_and_is_small_enough(shipped):
    assert shipped.model.name == "vgg19-fer2013"
    figures = shipped.model.metrics["PrivateTest"]
    assert figures["count"] == 3589
    right = sum(row[index] for index, row in enumerate(figures["confusion"]))
    assert figures["accuracy"] == pytest.approx(right / 3589, abs=1e-4)
    low, high = figures["accuracy_interval"]
    assert low < figures["accuracy"] < high
    assert MODEL_PATH.stat().st_size <= 45_000_000


def test_its_answers_are_the_same_on_every_processor():
    """Narrow arithmetic of some machine, or sums of integers that saturate on x86 without VNNI,
    would show here; that another runtime adds in another order is within the tolerance."""
    known = json.loads(shipped_logits.PATH.read_text())
    here = shipped_logits.shipped_logits()
    assert here["sha256"] == known["sha256"], shipped_logits.__doc__
    np.testing.assert_allclose(here["logits"], known["logits"], atol=0.05)
