"""Exported networks in integers, where kernels bear that: smaller than float16, and quicker."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)
from PIL import Image

from mlcore.classification import BATCH_SIZE
from mlcore.preprocessing import preprocess_views
from mlcore.views import Views

LARGEST = 64
"""Largest size of a stored kernel value, where a signed byte could hold 127.

x86 processors without VNNI add two products of an unsigned and a signed byte into 16 bits, and
saturate: 2 * 255 * 64 fits, 2 * 255 * 127 does not. So all processors have the same integer sums.
"""

CALIBRATION_FACES = 512
SEED = 2013

MOST_MOVED = 0.003
"""Of a face's probability, what the rounding of one kernel may move to other answers on average."""


class _Batches(CalibrationDataReader):
    """Up to CALIBRATION_FACES of some faces, as the network takes them in: the batches show the
    views that answers are the mean of by turns."""

    def __init__(self, faces: Sequence[Image.Image], views: Views) -> None:
        chosen = np.random.default_rng(SEED).permutation(len(faces))[:CALIBRATION_FACES]
        parts = (chosen[i : i + BATCH_SIZE] for i in range(0, len(chosen), BATCH_SIZE))
        self.inputs = [
            {"input": preprocess_views([faces[row] for row in part], views)[turn % views.count]}
            for turn, part in enumerate(parts)
        ]
        self._left = iter(self.inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)


def sensitive_kernels(
    model: onnx.ModelProto, faces: Sequence[Image.Image], views: Views
) -> list[str]:
    """Return the convolutions that are no good in integers, by name, for example ``conv4_3``.

    Each kernel of ``model``, all in float32, is rounded alone, and what that changes is measured on
    up to CALIBRATION_FACES of the faces it was trained on, seen as answers are served: it is named
    where more than MOST_MOVED of the probability moves. Layers that began as identities have such
    kernels: one large value a filter decides the scale, and small ones beside it, which also
    matter, become 0.
    """
    batches = _Batches(faces, views).inputs
    before = _probabilities(model, batches)
    named = []
    for row, constant in enumerate(model.graph.initializer):
        if not constant.name.endswith(".kernel"):
            continue
        kernel = numpy_helper.to_array(constant)
        scale = np.abs(kernel).max((1, 2, 3), keepdims=True).clip(1e-12) / LARGEST
        rounded = onnx.ModelProto()
        rounded.CopyFrom(model)
        rounded.graph.initializer[row].CopyFrom(
            numpy_helper.from_array(np.round(kernel / scale) * scale, constant.name)
        )
        moved = np.abs(_probabilities(rounded, batches) - before).sum(1).mean() / 2
        if moved > MOST_MOVED:
            named.append(constant.name.removesuffix(".kernel"))
    return named


def _probabilities(model: onnx.ModelProto, batches: list[dict]) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    logits = np.concatenate([session.run(None, batch)[0] for batch in batches])
    return torch.from_numpy(logits).softmax(1).numpy()


def quantise(model: onnx.ModelProto, faces: Sequence[Image.Image], views: Views) -> onnx.ModelProto:
    """Return the network with those convolutions in integers whose kernels are float32 there.

    What ``model`` stores as float16 stays so and is computed in float32, as the rest; ``faces`` are
    those it was trained on, of which up to CALIBRATION_FACES, in the views that are served, tell
    the ranges of the values between the layers. Kernels are signed bytes with a scale for each
    output channel (Krishnamoorthi, 2018), none larger than LARGEST; values between the layers are
    unsigned bytes. Pairs of QuantizeLinear and DequantizeLinear say so.
    """
    narrow = [c.name for c in model.graph.initializer if c.name.endswith(".float16")]
    with tempfile.TemporaryDirectory() as folder:
        names = ("whole", "prepared", "quantised")
        whole, prepared, quantised = (Path(folder) / f"{name}.onnx" for name in names)
        onnx.save(model, whole)
        quant_pre_process(whole, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            quantised,
            _Batches(faces, views),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Relu", "MaxPool"],
            nodes_to_exclude=[name.removesuffix(".float16") for name in narrow],
            per_channel=True,
            reduce_range=True,  # This is what keeps kernels within LARGEST.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        result = onnx.load(quantised)
    result.producer_name = model.producer_name
    return result


def restored_values(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return the constants of an exported network by name as float32, however they are stored.

    Kernels are ``conv1_1.kernel`` and so on, their biases ``conv1_1.bias``. Raises KeyError where
    integers have no scale.
    """
    stored = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    values = {}
    for name, value in stored.items():
        if name.endswith(".float16"):
            values[f"{name.removesuffix('.float16')}.kernel"] = value.astype(np.float32)
        elif name.endswith("_quantized"):
            name = name.removesuffix("_quantized")
            biases = f"{name}_quantized_scale"
            scale = stored[biases if biases in stored else f"{name}_scale"]
            values[name] = value.astype(np.float32) * scale.reshape(-1, *[1] * (value.ndim - 1))
        elif value.dtype == np.float32 and name.endswith((".kernel", ".bias", ".weight")):
            values[name] = value.astype(np.float32)
    return values
