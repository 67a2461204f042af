"""The one definition of the network's input."""

import numpy as np
import pytest
from PIL import Image

from mlcore.preprocessing import preprocess, preprocess_batch, to_face_size


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


def test_a_crisp_face_stays_crisp_when_it_is_made_small():
    crisp = face(24).resize((48, 48), Image.Resampling.BICUBIC)
    large = crisp.resize((480, 480), Image.Resampling.BICUBIC)
    assert np.asarray(to_face_size(large)).std() > 0.93 * np.asarray(crisp).std()


def test_a_large_crop_looks_as_soft_as_a_small_one():
    smooth = face(12).resize((48, 48), Image.Resampling.BICUBIC)
    large = smooth.resize((600, 600), Image.Resampling.BICUBIC)
    assert np.abs(preprocess(smooth) - preprocess(large)).mean() < 0.02
