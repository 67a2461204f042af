"""A network in integers answers nearly as before, and its sums fit on every processor."""

import json
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from mlcore import EmotionClassifier
from mlcore.model_info import MODEL_PATH
from mlcore.preprocessing import preprocess_batch
from mlcore.views import ONE_VIEW, Views
from training import export
from training.card import CARD
from training.evaluate import faces_of
from training.model import EmotionVGG
from training.quantise import LARGEST, quantise, restored_values, sensitive_kernels


@pytest.fixture(scope="module", autouse=True)
def patience():
    """Let rounding move more here: a random network is touchier than a trained one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.quantise.MOST_MOVED", 0.02)
        yield


@pytest.fixture(scope="module")
def network(splits):
    """Return a random network that tells faces apart, mildly, with folded biases that are not 0."""
    torch.manual_seed(7)
    network = EmotionVGG("vgg11", dropout=0.0)
    with torch.no_grad():
        for _, normalisation, _ in (block for stage in network.stages() for block in stage):
            normalisation.bias.uniform_(-0.2, 0.4)
            normalisation.weight.uniform_(0.7, 1.5)
            normalisation.momentum = 1.0
        network.classifier.weight *= 0.2
        network(splits["Training"].inputs())
    return network.eval()


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


@pytest.fixture(scope="module")
def biases(exported):
    """Return what calibration added to the logits of the network in integers."""
    return np.array(list(exported[1]["biases"].values()), np.float32)


def kernels_of(path):
    constants = onnx.load(path).graph.initializer
    return [
        numpy_helper.to_array(constant)
        for constant in constants
        if constant.name.endswith(".kernel_quantized")
    ]


def test_answers_stay_close_to_those_of_the_trained_network(exported, biases, network, splits):
    faces = faces_of(splits["PrivateTest"])
    answers = EmotionClassifier(exported[0]).logits(faces, ONE_VIEW) - biases
    with torch.no_grad():
        trained = network(torch.from_numpy(preprocess_batch(faces))).numpy()
    difference = np.abs(answers - trained)
    assert 0 < difference.mean() < 0.5 * trained.std(axis=0).mean()


def test_what_integers_cost_is_told(exported, biases, network, splits, tmp_path):
    path, metadata = exported
    whole = tmp_path / "whole.onnx"
    in_full = export.build(export.fold(network), network.classifier, narrow=())
    export.label(in_full, whole, metadata)
    public = splits["PublicTest"]
    before, after = (
        (EmotionClassifier(each).logits(faces_of(public)) - shift).argmax(1)
        for each, shift in ((whole, 0), (path, biases))
    )
    cost = metadata["weights"]["as_integers"]
    assert cost["in_float16"] == []
    right = [(answers == public.labels).mean() for answers in (before, after)]
    assert cost["accuracy_lost"] == pytest.approx(right[0] - right[1], abs=1e-4)
    assert cost["same_answers"] == pytest.approx((before == after).mean(), abs=1e-4)
    assert "integers from −64 to 64" in (path.parent / CARD).read_text()


def test_sums_of_two_products_fit_in_sixteen_bits(exported):
    kernels = kernels_of(exported[0])
    assert len(kernels) == 8
    assert {kernel.dtype for kernel in kernels} == {np.dtype(np.int8)}
    assert max(np.abs(kernel.astype(int)).max() for kernel in kernels) == LARGEST
    assert 2 * 255 * LARGEST < 2**15


def test_values_between_the_layers_are_unsigned_bytes_that_start_at_0(exported):
    constants = onnx.load(exported[0]).graph.initializer
    offsets = {c.name: numpy_helper.to_array(c) for c in constants}
    inputs = [name for name in offsets if re.fullmatch(r"(input|conv.*\.relu)_zero_point", name)]
    assert len(inputs) == 1 + 8
    assert {(offsets[name].dtype, int(offsets[name])) for name in inputs} == {
        (np.dtype(np.uint8), 0)
    }


def test_kernels_of_the_shipped_network_are_no_larger_or_no_integers():
    told = json.loads(MODEL_PATH.with_suffix(".json").read_text())["weights"]
    kernels = kernels_of(MODEL_PATH)
    narrow = told.get("as_integers", {}).get("in_float16", [])
    assert len(kernels) == (16 - len(narrow) if told["stored"] == "int8" else 0)
    assert all(np.abs(kernel.astype(int)).max() <= LARGEST for kernel in kernels)


def test_a_kernel_that_rounding_would_spoil_stays_float16(network, splits):
    faces = faces_of(splits["Training"])[:48]
    stages, head = export.fold(network), network.classifier
    assert sensitive_kernels(export.build(stages, head, narrow=()), faces, ONE_VIEW) == []

    # As in a layer that began as an identity: one large value in each filter, and as much in the
    # many small ones beside it.
    (kernel, bias), *rest = stages[3]
    kernel, rows = kernel.copy(), np.arange(len(kernel))
    kernel[rows, rows % kernel.shape[1], 1, 1] += 50 * kernel.std()
    stages[3] = [(kernel, bias), *rest]
    whole = export.build(stages, head, narrow=())
    assert sensitive_kernels(whole, faces, ONE_VIEW) == ["conv4_1"]

    spared = quantise(export.build(stages, head, narrow=["conv4_1"]), faces, ONE_VIEW)
    stored = {c.name: numpy_helper.to_array(c) for c in spared.graph.initializer}
    assert stored["conv4_1.float16"].dtype == np.float16
    assert len([name for name in stored if name.endswith(".kernel_quantized")]) == 7
    restored = restored_values(spared)
    assert restored.keys() == restored_values(whole).keys()
    np.testing.assert_allclose(restored["conv4_1.kernel"], kernel, rtol=1e-3, atol=1e-6)

    (convolution,) = (node for node in spared.graph.node if node.name == "conv4_1")
    (source,) = (node for node in spared.graph.node if convolution.input[1] in node.output)
    assert (source.op_type, *source.input) == ("Cast", "conv4_1.float16")

    # Only this kernel is told apart here: what values between the layers lose, which are bytes in
    # both, differs between processors, and is more than in a network that learned something.
    inputs = {"input": splits["PublicTest"].inputs().numpy()}

    def answers(values):
        stages[3][0] = (values["conv4_1.kernel"], bias)
        network_in_full = export.build(stages, head, narrow=()).SerializeToString()
        return onnxruntime.InferenceSession(network_in_full).run(None, inputs)[0]

    rounded = restored_values(quantise(whole, faces, ONE_VIEW))
    before, after, spoilt = map(answers, (restored_values(whole), restored, rounded))
    assert np.abs(after - before).mean() < 0.01 * np.abs(spoilt - before).mean()


def test_the_ranges_are_those_of_the_views_that_are_served(network, splits):
    stages, head = export.fold(network), network.classifier
    faces = faces_of(splits["Training"])
    whole, near = (
        quantise(export.build(stages, head, narrow=()), faces, views)
        for views in (ONE_VIEW, Views((30,)))
    )
    scales, others = (
        {c.name: numpy_helper.to_array(c) for c in model.graph.initializer if "scale" in c.name}
        for model in (whole, near)
    )
    moved = {name for name in scales if not np.array_equal(scales[name], others[name])}
    assert any("relu" in name.lower() for name in moved)
    assert not any("kernel" in name for name in moved)


def test_an_export_spares_those_kernels_and_tells_which(checkpoint, splits, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "sensitive_kernels", lambda model, faces, views: ["conv4_1"])
    path = tmp_path / "network.onnx"
    told = export.export(checkpoint, splits, path, "int8")["weights"]
    assert (told["stored"], told["as_integers"]["in_float16"]) == ("int8", ["conv4_1"])
    assert "conv4_1.float16" in {c.name for c in onnx.load(path).graph.initializer}
    assert len(kernels_of(path)) == 7
    assert "those of conv4_1 as float16" in (path.parent / CARD).read_text()


def test_a_network_in_integers_can_be_trained_on(exported, biases, splits):
    inputs = splits["PublicTest"].inputs()
    with torch.no_grad():
        restored = export.load_exported(exported[0], inputs).eval()(inputs).numpy()
    served = EmotionClassifier(exported[0]).logits(faces_of(splits["PublicTest"]), ONE_VIEW)
    assert np.abs(restored - (served - biases)).mean() < 0.2 * served.std(axis=0).mean()


def test_a_rate_turns_all_filters_of_a_restored_network_alike(exported, splits):
    network = export.load_exported(exported[0], splits["PublicTest"].inputs())
    for convolution, _, _ in (block for stage in network.stages() for block in stage):
        lengths = convolution.weight.flatten(1).norm(dim=1)
        assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-4)


def test_constants_are_restored_from_every_way_of_storing_them(network, splits):
    stages, head = export.fold(network), network.classifier
    whole = restored_values(export.build(stages, head, narrow=()))
    half = restored_values(export.build(stages, head))
    integers = restored_values(
        quantise(export.build(stages, head, narrow=()), faces_of(splits["Training"]), ONE_VIEW)
    )
    assert whole.keys() == half.keys() == integers.keys()
    assert len(whole) == 2 * 8 + 2
    for name, value in whole.items():
        largest = np.abs(value).max()
        assert np.abs(half[name] - value).max() <= 1e-3 * largest
        assert np.abs(integers[name] - value).max() <= 0.51 / LARGEST * largest
    assert np.abs(whole["conv1_1.bias"]).min() > 0


@pytest.mark.parametrize(
    ("most_lost", "stored", "told"),
    [(1.0, "int8", "integers from −64 to 64"), (-1.0, "float16", "float16, computed")],
)
def test_integers_are_taken_only_where_they_cost_little(
    checkpoint, splits, tmp_path, monkeypatch, most_lost, stored, told
):
    monkeypatch.setattr(export, "MOST_LOST", most_lost)
    # Looking at every kernel takes longest, and is tried elsewhere.
    monkeypatch.setattr(export, "sensitive_kernels", lambda model, faces, views: [])
    path = tmp_path / "network.onnx"
    assert export.export(checkpoint, splits, path)["weights"]["stored"] == stored
    kinds = {constant.data_type for constant in onnx.load(path).graph.initializer}
    assert (helper.np_dtype_to_tensor_dtype(np.dtype(np.int8)) in kinds) == (stored == "int8")
    assert told in (path.parent / CARD).read_text()


def test_the_command_tells_how_kernels_may_be_stored(capsys):
    with pytest.raises(SystemExit) as ended:
        export.main(["--help"])
    assert ended.value.code == 0
    assert "{int8,float16}" in capsys.readouterr().out
