"""A network in integers answers nearly as before, and alike on all processors."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from mlcore import EmotionClassifier
from mlcore.model_info import MODEL_PATH
from mlcore.preprocessing import preprocess_batch
from training import export
from training.card import CARD
from training.evaluate import faces_of
from training.model import EmotionVGG
from training.quantise import LARGEST, quantise, restored_values


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(7)
    return EmotionVGG("vgg11").eval()


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "best.pt"
    average = {f"module.{name}": value for name, value in network.state_dict().items()}
    state = {"recipe": "smoke", "depth": "vgg11", "epoch": 1, "average": average}
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint, splits, tmp_path_factory):
    path = tmp_path_factory.mktemp("integers") / "vgg19-fer2013.onnx"
    return path, export.export(checkpoint, splits, path, "int8")


def kernels_of(path):
    constants = onnx.load(path).graph.initializer
    return [
        numpy_helper.to_array(constant)
        for constant in constants
        if constant.name.endswith(".kernel_quantized")
    ]


def test_answers_stay_close_to_those_of_the_trained_network(exported, network, splits):
    faces = faces_of(splits["PrivateTest"])
    answers = EmotionClassifier(exported[0]).logits(faces, mirrored=False)
    with torch.no_grad():
        trained = network(torch.from_numpy(preprocess_batch(faces))).numpy()
    spread = trained.std()
    assert np.abs(answers - trained).max() < 0.5 * spread
    assert np.abs(answers - trained).max() > 0


def test_what_integers_cost_is_told(exported):
    path, metadata = exported
    weights = metadata["weights"]
    assert weights["stored"] == "int8"
    assert -1 <= weights["accuracy_lost"] <= 1
    assert 0.5 < weights["same_answers"] <= 1
    assert "integers of seven bits" in (path.parent / CARD).read_text()


def test_sums_of_two_products_fit_in_sixteen_bits(exported):
    kernels = kernels_of(exported[0])
    assert len(kernels) == 8
    assert {kernel.dtype for kernel in kernels} == {np.dtype(np.int8)}
    assert max(np.abs(kernel.astype(int)).max() for kernel in kernels) == LARGEST
    assert 2 * 255 * LARGEST < 2**15


def test_kernels_of_the_shipped_network_are_no_larger():
    kernels = kernels_of(MODEL_PATH)
    assert len(kernels) == 16
    assert max(np.abs(kernel.astype(int)).max() for kernel in kernels) <= LARGEST


def test_a_network_in_integers_can_be_trained_on(exported, splits):
    inputs = splits["PublicTest"].inputs()
    with torch.no_grad():
        restored = export.load_exported(exported[0], inputs).eval()(inputs).numpy()
    served = EmotionClassifier(exported[0]).logits(faces_of(splits["PublicTest"]), mirrored=False)
    assert np.abs(restored - served).max() < 0.5 * served.std()


def test_constants_are_restored_from_every_way_of_storing_them(network, splits):
    stages, head = export.fold(network), network.classifier
    whole = restored_values(export.build(stages, head, narrow=False))
    half = restored_values(export.build(stages, head))
    integers = restored_values(
        quantise(export.build(stages, head, narrow=False), splits["Training"].images)
    )
    assert whole.keys() == half.keys() == integers.keys()
    assert len(whole) == 2 * 8 + 2
    for name, value in whole.items():
        largest = np.abs(value).max()
        assert np.abs(half[name] - value).max() <= 1e-3 * largest
        assert np.abs(integers[name] - value).max() <= 0.51 / LARGEST * largest + 1e-6


@pytest.mark.parametrize(("most_lost", "stored"), [(1.0, "int8"), (-1.0, "float16")])
def test_integers_are_taken_only_where_they_cost_little(
    checkpoint, splits, tmp_path, monkeypatch, most_lost, stored
):
    monkeypatch.setattr(export, "MOST_LOST", most_lost)
    path = tmp_path / "network.onnx"
    assert export.export(checkpoint, splits, path)["weights"]["stored"] == stored
    kinds = {constant.data_type for constant in onnx.load(path).graph.initializer}
    assert (helper.np_dtype_to_tensor_dtype(np.dtype(np.int8)) in kinds) == (stored == "int8")
