"""What is said of a photo that cannot be read well: in the dark, from the side, drawn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from skimage import data

from mlcore import detection
from mlcore.detection import detect_faces
from mlcore.images import Photo
from mlcore.quality import is_dark, is_turned, looks_drawn

GALLERY = Path(__file__).resolve().parents[2] / "predictions" / "demo"

ADVICE = {
    "cat.jpg": {"no_face"},
    "dark.jpg": {"too_dark"},
    "drawn-angry.png": {"looks_drawn"},
    "drawn-sad.jpg": {"looks_drawn"},
    "drawn-smiley.png": {"no_face"},
    "drawn-surprised.png": {"looks_drawn"},
    "photographer.jpg": {"face_turned"},
    "tiny-face.jpg": {"face_small"},
    "wall-of-faces.jpg": {"looks_drawn"},
}
"""What the gallery's pictures are known for; nothing is said of the others."""


def test_advice_for_the_gallery_is_what_one_sees(analyser):
    pictures = [path for path in GALLERY.iterdir() if path.suffix in (".jpg", ".png")]
    said = {path.name: set(analyser.analyse(path).advice) for path in pictures}
    assert said == {name: ADVICE.get(name, set()) for name in said}
    assert set(ADVICE) < set(said)


@pytest.mark.parametrize(("light", "advice"), [(1, ()), (0.5, ()), (0.2, ("too_dark",))])
def test_too_little_light(analyser, astronaut, light, advice):
    darkened = ImageEnhance.Brightness(astronaut).enhance(light)
    assert analyser.analyse(darkened).advice == advice


def test_a_dark_photo_without_a_face_is_told_so(analyser):
    assert analyser.analyse(Image.new("RGB", (640, 480))).advice == ("no_face", "too_dark")


@pytest.mark.parametrize("name", ["astronaut.jpg", "grace-hopper.jpg", "mona-lisa.jpg"])
def test_a_photo_on_its_side_or_its_head_is_told_so(analyser, name):
    photo = Image.open(GALLERY / name)
    assert "photo_turned" not in analyser.analyse(photo).advice
    for angle in (90, 180, 270):
        turned = photo.rotate(angle, expand=True)
        assert "photo_turned" in analyser.analyse(turned).advice
        assert "photo_turned" not in analyser.analyse(turned, faces_are_cropped=True).advice


def test_of_a_photo_without_a_face_nobody_knows_how_it_lies(analyser):
    for picture in (data.chelsea(), data.coffee(), data.rocket()):
        for turns in range(4):
            photo = Image.fromarray(np.rot90(picture, turns).copy())
            assert "photo_turned" not in analyser.analyse(photo).advice


def test_a_dark_wall_behind_a_lit_face_is_no_dark_photo(analyser, astronaut):
    night = Image.new("RGB", (1200, 900))
    night.paste(astronaut.crop((150, 0, 330, 200)), (500, 300))
    assert "too_dark" not in analyser.analyse(night).advice


def test_dark_skin_in_the_light_is_not_dark():
    skin = np.full((100, 100, 3), (60, 40, 30), dtype=np.uint8)
    skin[40:46, 20:80] = (150, 130, 120)  # Highlights and the white of the eyes.
    skin[60:64, 20:80] = (120, 100, 90)
    assert not is_dark(Image.fromarray(skin))
    assert is_dark(Image.fromarray(skin // 3))


def test_points_lie_on_eyes_nose_and_mouth(astronaut):
    (face,) = detect_faces(Photo(astronaut, 512, 512))
    read_by_eye = [(203, 106), (245, 106), (224, 128), (206, 148), (243, 148)]
    for (x, y), (known_x, known_y) in zip(face.points, read_by_eye, strict=True):
        assert abs(x - known_x) < 12
        assert abs(y - known_y) < 12
    assert not is_turned(face.points)


def test_points_are_pixels_of_the_original(astronaut):
    (face,) = detect_faces(Photo(astronaut, 512, 512))
    (large,) = detect_faces(Photo(astronaut, 5120, 5120))
    np.testing.assert_allclose(large.points, 10 * np.array(face.points))


def test_a_narrow_face_is_turned():
    front = [(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)]
    side = [(30, 40), (50, 40), (28, 60), (35, 80), (50, 80)]
    assert not is_turned(front)
    assert is_turned(side)
    assert not is_turned(()), "without points nothing is claimed"


def test_without_the_library_boxes_are_the_same_and_points_are_missing(
    astronaut, group, monkeypatch, tmp_path
):
    assert detection._look_with_points(tmp_path) is None
    photos = [Photo(image, *image.size) for image in (astronaut, group)]
    with_points = [detect_faces(photo) for photo in photos]
    monkeypatch.setattr(detection, "_look_with_points", lambda folder: None)
    detection._detector.cache_clear()
    try:
        without = [detect_faces(photo) for photo in photos]
    finally:
        detection._detector.cache_clear()
    for one, other in zip(with_points, without, strict=True):
        assert [face.box for face in one] == [face.box for face in other]
        assert {len(face.points) for face in one} == {5}
        assert {face.points for face in other} == {()}


def test_sharp_photographs_do_not_look_drawn(astronaut):
    face = astronaut.crop((165, 60, 279, 174))
    for sharpness in (1, 2, 4):
        assert not looks_drawn(ImageEnhance.Sharpness(face).enhance(sharpness))
