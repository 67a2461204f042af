"""Every face once, whatever the picture's size, and nothing where there is none."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from skimage import data

from mlcore.detection import Box, detect_faces, detector_available
from mlcore.images import Photo, load_photo


def photo_of(image: Image.Image) -> Photo:
    return Photo(image, image.width, image.height)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    common = max(width, 0) * max(height, 0)
    return common / (one.width * one.height + other.width * other.height - common)


def test_the_detector_is_installed():
    assert detector_available()


def test_a_face_is_found_once_and_where_it_is(astronaut, astronaut_face):
    (face,) = detect_faces(photo_of(astronaut))
    assert overlap(face.box, astronaut_face) > 0.8
    assert 0.8 < face.confidence <= 1


@pytest.mark.parametrize("size", [(511, 512), (500, 437), (333, 511), (97, 101), (64, 64)])
def test_odd_and_small_sizes_find_the_same_face(size, astronaut, astronaut_face):
    (face,) = detect_faces(photo_of(astronaut.resize(size)))
    x, y = 512 / size[0], 512 / size[1]
    box = face.box
    back = Box(round(box.x * x), round(box.y * y), round(box.width * x), round(box.height * y))
    assert overlap(back, astronaut_face) > 0.6


@pytest.mark.parametrize("side", [700, 1500, 2048])
def test_a_face_that_fills_the_picture_is_one_face(side, astronaut):
    image = astronaut.crop((170, 55, 275, 180)).resize((side, side * 125 // 105))
    (face,) = detect_faces(photo_of(image))
    assert face.box.width * face.box.height > 0.5 * image.width * image.height


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_a_small_face_in_a_large_picture_is_found(share, astronaut):
    image = Image.new("RGB", (2048, 1536), (120, 130, 110))
    side = round(512 * share * 2048 / 110)
    image.paste(astronaut.resize((side, side)).crop((0, 0, side, side)), (700, 80))
    found = detect_faces(photo_of(image))
    assert len(found) == 1
    assert found[0].box.height == pytest.approx(share * 2048, rel=0.15)


def test_a_small_face_beside_a_large_one_is_found(astronaut):
    image = astronaut.resize((1536, 1536))
    image.paste(astronaut.resize((512, 512)), (0, 1000))
    heights = sorted(face.box.height for face in detect_faces(photo_of(image)))
    assert heights == [pytest.approx(110, rel=0.15), pytest.approx(330, rel=0.15)]


def test_twelve_faces_are_twelve(group):
    found = detect_faces(photo_of(group))
    cells = {(face.box.x // 400, face.box.y // 400) for face in found}
    assert len(found) == len(cells) == 12


@pytest.mark.parametrize("name", ["brick", "coffee", "rocket", "moon", "clock", "page"])
def test_a_picture_without_a_face_has_none(name):
    image = Image.fromarray(getattr(data, name)()).convert("RGB")
    assert detect_faces(photo_of(image)) == ()


def test_noise_and_a_blank_wall_have_no_face():
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    assert detect_faces(photo_of(Image.fromarray(noise))) == ()
    assert detect_faces(photo_of(Image.new("RGB", (640, 480), "white"))) == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 7), (2048, 1), (31, 33)])
def test_the_smallest_and_the_thinnest_pictures_do_no_harm(size):
    assert detect_faces(photo_of(Image.new("RGB", size))) == ()


def test_boxes_are_pixels_of_the_original_and_inside_it(astronaut, astronaut_face):
    photo = load_photo(astronaut.resize((3072, 3072)), max_side=512)
    (face,) = detect_faces(photo)
    six = Box(*(6 * value for value in vars(astronaut_face).values()))
    assert overlap(face.box, six) > 0.8
    half = astronaut.crop((215, 0, 512, 512))
    for face in detect_faces(photo_of(half)):
        assert face.box.x >= 0
        assert face.box.x + face.box.width <= half.width


def test_many_threads_find_what_one_finds(astronaut, group):
    photos = [photo_of(astronaut), photo_of(group)] * 4
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detect_faces, photos)) == [detect_faces(photo) for photo in photos]


def test_the_environment_is_left_as_it_was(monkeypatch):
    from mlcore.detection import _detector

    for value in (None, "3"):
        if value is None:
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        else:
            monkeypatch.setenv("OMP_NUM_THREADS", value)
        _detector.cache_clear()
        assert detector_available()
        assert os.environ.get("OMP_NUM_THREADS") == value
