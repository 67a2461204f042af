"""The network that is shipped, on a real face."""

import time

import pytest
from PIL import ImageOps

from mlcore import EmotionAnalyser, EmotionClassifier
from mlcore.model_info import MODEL_PATH


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
    assert shipped.model.metrics["private_accuracy"] >= 0.66
    assert MODEL_PATH.stat().st_size <= 45_000_000


def test_it_loads_and_answers_at_once(astronaut):
    started = time.perf_counter()
    classifier = EmotionClassifier()
    classifier.predict([astronaut.crop((165, 60, 279, 174))])
    assert time.perf_counter() - started < 2
