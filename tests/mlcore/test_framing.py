"""A face from a photo must look to the network like a face of FER2013."""

import numpy as np
import pytest
from PIL import Image

from mlcore.detection import Box, detect_faces
from mlcore.frame import FRAME_OFFSET, FRAME_SCALE, explained_square, face_frame
from mlcore.framing import crop_face, whole_picture
from mlcore.images import Photo, load_photo


def coordinates(width: int, height: int) -> Image.Image:
    """A picture whose red is the column and whose green is the row of each pixel."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5, 0.8])
def test_the_crop_of_a_pasted_fer2013_like_face_is_the_pasted_square(share, astronaut):
    # Framed as FER2013 does: the brow near the top, the chin near the bottom.
    face = astronaut.crop((165, 60, 279, 174)).convert("L").resize((48, 48)).resize((240, 240))
    side = round(240 / share)
    corner = (side - 240) // 2
    canvas = Image.new("RGB", (side, side), (128, 128, 128))
    canvas.paste(face.convert("RGB"), (corner, corner))
    (found,) = detect_faces(Photo(canvas, side, side))
    x, y, length = face_frame(found.box)
    centre = corner + 120
    common = 1.0
    for value in (x, y):
        low = max(value - length / 2, centre - 120)
        common *= min(value + length / 2, centre + 120) - low
    assert common / (length**2 + 240**2 - common) > 0.75


def test_the_frame_is_square_larger_than_the_box_and_about_its_centre():
    x, y, side = face_frame(Box(100, 200, 80, 100))
    assert (x, y) == (pytest.approx(140, abs=4), pytest.approx(250, abs=4))
    assert 80 < side < 130


def test_a_crop_inside_the_picture_shows_the_frame_pixel_for_pixel():
    image = coordinates(250, 250)
    box = Box(80, 70, 60, 75)
    crop = np.asarray(crop_face(Photo(image, 250, 250), box))
    x, y, side = face_frame(box)
    assert crop.shape[0] == crop.shape[1] == round(side)
    assert crop[0, 0, 0] == pytest.approx(x - side / 2, abs=1)
    assert crop[0, 0, 1] == pytest.approx(y - side / 2, abs=1)
    assert (np.diff(crop[0, :, 0].astype(int)) == 1).all()
    assert (np.diff(crop[:, 0, 1].astype(int)) == 1).all()
    assert explained_square(box, 250, 250) == pytest.approx((x - side / 2, y - side / 2, side))
    assert explained_square(Box(0, 0, 40, 60), 40, 60) == (-10, 0, 60)


def test_where_the_frame_leaves_the_picture_the_edge_is_repeated():
    image = coordinates(100, 120)
    crop = np.asarray(crop_face(Photo(image, 100, 120), Box(0, 0, 100, 120)))
    assert crop.shape[0] == crop.shape[1] > 110
    columns = crop[60, :, 0].astype(int)
    assert columns[0] == columns[1] == 0
    assert columns[-1] == columns[-2] == 99
    assert set(np.diff(columns)) == {0, 1}


def test_of_a_reduced_photo_the_crop_shows_the_same_face(astronaut):
    large = astronaut.resize((2048, 2048))
    box = Box(712, 264, 360, 432)
    full = crop_face(load_photo(large), box).resize((48, 48), Image.Resampling.BOX)
    small = crop_face(load_photo(large, max_side=512), box).resize((48, 48), Image.Resampling.BOX)
    assert np.abs(np.asarray(full, float) - np.asarray(small, float)).mean() < 4


@pytest.mark.parametrize("size", [(60, 60), (60, 41), (1, 30)])
def test_the_whole_picture_becomes_square_without_distortion(size):
    crop = np.asarray(whole_picture(Photo(coordinates(*size), *size)))
    assert crop.shape == (max(size), max(size), 3)
    assert set(np.diff(crop[0, :, 0].astype(int))) <= {0, 1}
    assert (crop[0, :, 0].min(), crop[0, :, 0].max()) == (0, size[0] - 1)
    assert (crop[:, 0, 1].min(), crop[:, 0, 1].max()) == (0, size[1] - 1)


def test_a_box_of_one_pixel_gives_a_crop():
    assert crop_face(Photo(coordinates(9, 9), 9, 9), Box(8, 8, 1, 1)).size == (1, 1)


def test_the_constants_are_what_the_measuring_command_measures(astronaut):
    from training.framing import measure

    # One face in the framing of FER2013, at the three sizes that the command looks at.
    face = np.asarray(astronaut.crop((165, 60, 279, 174)).convert("L").resize((48, 48)))
    rows = measure(np.stack([face, face, face, np.zeros_like(face)]))
    assert rows.shape == (3, 3)
    scale, right, down = np.median(rows, axis=0)
    assert scale == pytest.approx(FRAME_SCALE, rel=0.15)
    assert (right, down) == pytest.approx(FRAME_OFFSET, abs=0.06)
