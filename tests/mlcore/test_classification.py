"""The network behind one call: calibrated rows, and no file that is not the expected one."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageOps

from mlcore import LABELS, EmotionClassifier
from mlcore.errors import MLCoreError, ModelMismatch, ModelUnavailable
from mlcore.preprocessing import preprocess_batch
from mlcore.views import ONE_VIEW, Views
from tests.support.tiny_model import METADATA, build_tiny_model


def faces(count: int) -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (count, 12, 12), dtype=np.uint8)
    return [Image.fromarray(face).resize((48, 48)) for face in noise]


@pytest.fixture(scope="module")
def classifier(tiny_model) -> EmotionClassifier:
    return EmotionClassifier(tiny_model, threads=1)


@pytest.mark.parametrize("count", [0, 1, 2, 31, 32, 33, 100])
def test_any_number_of_faces_gives_as_many_rows_that_sum_to_one(classifier, count):
    rows = classifier.predict(faces(count))
    assert rows.shape == (count, len(LABELS))
    assert rows.dtype == np.float32
    assert np.allclose(rows.sum(axis=1), 1, atol=1e-6)
    assert (rows >= 0).all()


def test_one_view_is_the_softmax_of_the_networks_logits(classifier, tiny_model):
    session = onnxruntime.InferenceSession(tiny_model)
    (logits,) = session.run(None, {"input": preprocess_batch(faces(40))})
    odds = np.exp(logits)
    expected = odds / odds.sum(axis=1, keepdims=True)
    assert np.allclose(classifier.predict(faces(40), ONE_VIEW), expected, atol=1e-5)
    assert len(set(expected.argmax(axis=1))) > 2


def test_where_the_file_says_so_a_face_and_its_mirror_image_have_one_answer(classifier, tmp_path):
    both = EmotionClassifier(build_tiny_model(tmp_path, {"mirrored": "true"}), threads=1)
    straight, mirrored = faces(40), [ImageOps.mirror(face) for face in faces(40)]
    assert np.allclose(both.predict(straight), both.predict(mirrored), atol=1e-3)
    one, other = both.logits(straight, ONE_VIEW), both.logits(mirrored, ONE_VIEW)
    assert abs(one - other).max() > 1
    assert np.allclose(both.logits(straight), (one + other) / 2, atol=1e-2)
    assert np.array_equal(classifier.logits(straight), one)
    assert np.array_equal(classifier.logits(straight, both.model.views), both.logits(straight))


def test_an_answer_is_the_mean_of_the_windows_that_the_file_names(classifier, tmp_path):
    several = EmotionClassifier(build_tiny_model(tmp_path, {"windows": "[40, 48, 54]"}), threads=1)
    assert several.model.views == Views((40, 48, 54))
    alone = [classifier.logits(faces(40), Views((window,))) for window in (40, 48, 54)]
    assert abs(alone[0] - alone[2]).max() > 0.5
    assert np.allclose(several.logits(faces(40)), np.mean(alone, axis=0), atol=1e-4)


def test_a_face_has_the_same_answer_alone_and_among_others(classifier):
    together = classifier.predict(faces(40))
    alone = np.vstack([classifier.predict([face]) for face in faces(40)])
    assert np.allclose(together, alone, atol=1e-6)


def test_colour_and_size_of_a_crop_do_not_matter(classifier):
    (grey,) = faces(1)
    rows = classifier.predict([grey, grey.convert("RGB"), grey.convert("RGBA")])
    assert np.allclose(rows, rows[0], atol=1e-3)
    (large,) = classifier.predict([grey.resize((480, 480), Image.Resampling.BICUBIC)])
    assert np.allclose(large, rows[0], atol=0.03)


def test_the_temperature_of_the_file_flattens_the_answer(classifier, tmp_path):
    warm = EmotionClassifier(build_tiny_model(tmp_path, {"temperature": "4.0"}), threads=1)
    cold_rows, warm_rows = classifier.predict(faces(8)), warm.predict(faces(8))
    assert (cold_rows.argmax(axis=1) == warm_rows.argmax(axis=1)).all()
    expected = cold_rows.astype(np.float64) ** 0.25
    assert np.allclose(warm_rows, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_extreme_logits_overflow_nothing(tmp_path):
    frozen = EmotionClassifier(build_tiny_model(tmp_path, {"temperature": "1e-6"}), threads=1)
    rows = frozen.predict(faces(4))
    assert np.allclose(rows.max(axis=1), 1)
    assert np.allclose(rows.sum(axis=1), 1)


def test_many_threads_get_the_answers_that_one_gets(classifier):
    expected = classifier.predict(faces(20))
    with ThreadPoolExecutor(8) as pool:
        for rows in pool.map(classifier.predict, [faces(20)] * 16):
            assert np.array_equal(rows, expected)


def test_the_model_says_what_it_is(classifier, tiny_model):
    model = classifier.model
    assert (model.name, model.version) == ("vgg19-fer2013", "0.0.0-tiny")
    assert model.sha256 == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert (model.temperature, model.unsure_threshold) == (1.0, 0.4)
    assert (model.dataset, model.code_revision) == ("none", "none")
    assert model.metrics == {"private_accuracy": 0.5}


def test_the_file_alone_is_enough(tmp_path):
    path = build_tiny_model(tmp_path, sidecar=False)
    assert EmotionClassifier(path, threads=1).model.name == "vgg19-fer2013"


def test_a_missing_file_is_unavailable(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"none\.onnx"):
        EmotionClassifier(tmp_path / "none.onnx")
    with pytest.raises(ModelUnavailable):
        EmotionClassifier(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, -200])
def test_a_damaged_file_is_unavailable(tmp_path, tiny_model, keep):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(tiny_model.read_bytes()[:keep])
    with pytest.raises(ModelUnavailable, match=r"damaged\.onnx"):
        EmotionClassifier(path)


@pytest.mark.parametrize("missing", sorted(METADATA))
def test_a_file_without_one_of_its_labels_is_a_mismatch(tmp_path, missing):
    with pytest.raises(ModelMismatch, match=missing.replace("_", "[_ ]")):
        EmotionClassifier(build_tiny_model(tmp_path, {missing: None}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", "happy,sad"),
        ("labels", "neutral,happy,surprise,sad,angry,disgust,fear"),
        ("input_size", "48"),
        ("temperature", "warm"),
        ("temperature", "0"),
        ("temperature", "nan"),
        ("unsure_threshold", "1.5"),
        ("unsure_threshold", "nan"),
        ("mirrored", "perhaps"),
        ("windows", "[]"),
        ("windows", "[0]"),
        ("windows", "[48.5]"),
        ("windows", "[1000]"),
        ("windows", "44"),
        ("windows", "44, 50"),
        ("metrics", "{"),
        ("metrics", "[1]"),
    ],
)
def test_a_file_whose_metadata_disagrees_is_a_mismatch(tmp_path, name, value):
    with pytest.raises(ModelMismatch):
        EmotionClassifier(build_tiny_model(tmp_path, {name: value}))


@pytest.mark.parametrize(
    "signature",
    [
        {"input_name": "image"},
        {"output_name": "probabilities"},
        {"input_shape": (1, 3, 44, 44)},
        {"outputs": 8},
    ],
)
def test_a_network_of_another_signature_is_a_mismatch(tmp_path, signature):
    with pytest.raises(ModelMismatch):
        EmotionClassifier(build_tiny_model(tmp_path, **signature))


def test_every_error_has_one_parent_and_a_stable_code():
    assert issubclass(ModelMismatch, MLCoreError)
    assert issubclass(ModelUnavailable, MLCoreError)
    assert (ModelMismatch.code, ModelUnavailable.code) == ("model_mismatch", "model_unavailable")
