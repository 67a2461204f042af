"""The one definition of the network's input."""

import numpy as np
import pytest
from PIL import Image

from mlcore.preprocessing import preprocess, preprocess_batch, preprocess_views, to_face_size
from mlcore.views import ONE_VIEW, Views


def face(side: int = 48) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8))


def test_the_input_is_three_equal_planes_of_0_to_1():
    planes = preprocess(face())
    assert (planes.shape, planes.dtype) == ((3, 44, 44), np.float32)
    assert (planes[0] == planes[1]).all()
    assert (planes[0] == planes[2]).all()
    assert 0 <= planes.min() < planes.max() <= 1


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_face_keeps_its_level(level):
    assert np.allclose(preprocess(Image.new("L", (300, 300), level)), level / 255)


def test_a_batch_is_its_faces_one_after_the_other():
    batch = preprocess_batch([face(), face(100)])
    assert np.array_equal(batch, [preprocess(face()), preprocess(face(100))])
    assert preprocess_batch([]).shape == (0, 3, 44, 44)


def test_a_window_of_44_pixels_is_the_middle_of_the_face_pixel_by_pixel():
    assert np.allclose(preprocess(face(), 44)[0], np.asarray(face())[2:-2, 2:-2] / 255)


def test_beyond_the_face_its_outermost_pixels_go_on():
    framed = Image.new("L", (48, 48), 255)
    framed.paste(0, (1, 1, 47, 47))
    far = preprocess(framed, 96)[0]
    assert np.allclose(far[:, :9], 1)
    assert np.allclose(far[:9], 1)
    assert np.allclose(far[13:31, 13:31], 0)


@pytest.mark.parametrize("window", [40, 47, 48, 49, 50, 60])
def test_every_window_shows_the_middle_of_the_face_in_its_middle(window):
    even = Image.fromarray((np.indices((48, 48))[1] * 5).astype(np.uint8))
    row = preprocess(even, window)[0][0] * 255
    assert row[21:23].mean() == pytest.approx(23.5 * 5, abs=1)
    assert (row[43 - 10] - row[10]) == pytest.approx(5 * 23 * window / 44, rel=0.02)


def test_views_are_the_windows_and_then_their_mirror_images():
    straight = [preprocess_batch([face(), face(100)], window) for window in (40, 50)]
    views = preprocess_views([face(), face(100)], Views((40, 50), mirrored=True))
    assert np.array_equal(views, [*straight, *(view[..., ::-1] for view in straight)])
    assert np.array_equal(preprocess_views([face()], ONE_VIEW), [preprocess_batch([face()])])


def test_a_crisp_face_stays_crisp_when_it_is_made_small():
    crisp = face(24).resize((48, 48), Image.Resampling.BICUBIC)
    large = crisp.resize((480, 480), Image.Resampling.BICUBIC)
    assert np.asarray(to_face_size(large)).std() > 0.93 * np.asarray(crisp).std()


def test_a_large_crop_looks_as_soft_as_a_small_one():
    smooth = face(12).resize((48, 48), Image.Resampling.BICUBIC)
    large = smooth.resize((600, 600), Image.Resampling.BICUBIC)
    assert np.abs(preprocess(smooth) - preprocess(large)).mean() < 0.02
