"""Where an answer comes from: the map finds what the answer truly depends on."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from mlcore import LABELS, EmotionAnalyser
from mlcore.explanation import FAINTEST, PICTURE_SIDE, draw_map, occlusion_map


class LooksAtOnePlace:
    """A classifier whose "happy" is how bright the mouth's place is, and nothing else."""

    def predict(self, faces: Sequence[Image.Image]) -> np.ndarray:
        rows = np.zeros((len(faces), len(LABELS)), np.float32)
        for row, face in zip(rows, faces, strict=True):
            mouth = np.asarray(face, np.float32)[34:42, 18:30] / 255
            row[LABELS.index("happy")] = mouth.mean()
            row[LABELS.index("neutral")] = 1 - mouth.mean()
        return rows


@pytest.fixture
def face() -> Image.Image:
    """A dark face with a bright mouth."""
    pixels = np.full((96, 96), 60, np.uint8)
    pixels[68:84, 36:60] = 255
    return Image.fromarray(pixels).convert("RGB")


def test_the_map_peaks_where_the_answer_comes_from(face):
    importance = occlusion_map(LooksAtOnePlace(), face, "happy")
    assert importance.shape == (12, 12)
    row, column = np.unravel_index(importance.argmax(), importance.shape)
    assert 34 <= row * 4 + 2 <= 42
    assert 18 <= column * 4 + 2 <= 30
    assert importance.max() > 0.5
    assert np.abs(importance[:5]).max() == 0


def test_what_speaks_against_an_answer_is_negative(face):
    against = occlusion_map(LooksAtOnePlace(), face, "neutral")
    assert np.allclose(against, -occlusion_map(LooksAtOnePlace(), face, "happy"), atol=1e-6)


def test_the_picture_is_warm_where_it_matters_and_grey_where_it_does_not(face):
    importance = occlusion_map(LooksAtOnePlace(), face, "happy")
    picture = np.asarray(draw_map(face, importance)).astype(int)
    assert picture.shape == (PICTURE_SIDE, PICTURE_SIDE, 3)
    top, mouth = picture[:80], picture[290:320, 180:205]
    assert np.array_equal(top[..., 0], top[..., 2])
    assert (mouth[..., 0] - mouth[..., 2]).min() > 60
    cold = np.asarray(draw_map(face, -importance)).astype(int)[290:320, 180:205]
    assert (cold[..., 2] - cold[..., 0]).min() > 30


def test_noise_is_not_blown_up(face):
    noise = np.full((12, 12), FAINTEST / 20, np.float32)
    picture = np.asarray(draw_map(face, noise)).astype(int)
    assert np.abs(picture[..., 0] - picture[..., 2]).max() < 12
    empty = np.asarray(draw_map(face, np.zeros((12, 12), np.float32)))
    assert np.array_equal(empty[..., 0], empty[..., 2])


def test_the_smile_of_a_real_face_is_found_at_its_mouth(astronaut):
    analyser = EmotionAnalyser()
    [found] = analyser.analyse(astronaut).faces
    picture = analyser.explain(astronaut, found.box, found.label)
    warmth = np.asarray(picture).astype(int)
    warmth = warmth[..., 0] - warmth[..., 2]
    rows = warmth.clip(0).sum(1)
    assert picture.size == (PICTURE_SIDE, PICTURE_SIDE)
    assert (rows * np.arange(len(rows))).sum() / rows.sum() > PICTURE_SIDE / 2
