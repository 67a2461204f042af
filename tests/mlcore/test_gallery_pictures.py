"""What the shipped network makes of the starting gallery."""

import tomllib
from pathlib import Path

import pytest

from mlcore import EmotionAnalyser

FOLDER = Path(__file__).resolve().parents[2] / "predictions" / "demo"


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[str, str]]:
    """File name -> (expected label, the network's label; empty where no face is found)."""
    analyser = EmotionAnalyser()
    images = tomllib.loads((FOLDER / "gallery.toml").read_text())["image"]
    answers = {}
    for image in images:
        faces = analyser.analyse(FOLDER / image["file"]).faces
        answers[image["file"]] = (image["expected"], faces[0].label if faces else "")
    return answers


def test_gallery_shows_where_the_network_is_right_and_where_it_fails(answers):
    judged = [expected == label for expected, label in answers.values() if expected]
    assert len(answers) >= 8
    assert judged.count(True) >= 2
    assert judged.count(False) >= 2


def test_captions_about_faces_that_are_not_found_hold(answers):
    assert {file for file, (_, label) in answers.items() if not label} == {
        "drawn-smiley.png",
        "cat.jpg",
    }


def test_a_picture_on_its_side_gets_the_answer_of_the_upright_one(answers):
    assert answers["sideways.jpg"] == answers["grace-hopper.jpg"]
