"""A network of the shipped one's signature, small enough to build in a test."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = "angry,disgust,fear,happy,sad,surprise,neutral"

METADATA = {
    "labels": LABELS,
    "input_size": "44",
    "name": "vgg19-fer2013",
    "version": "0.0.0-tiny",
    "temperature": "1.0",
    "unsure_threshold": "0.4",
    "dataset": "none",
    "code_revision": "none",
    "metrics": json.dumps({"private_accuracy": 0.5}),
}


def build_tiny_model(
    directory: Path,
    metadata: Mapping[str, str | None] | None = None,
    *,
    input_name: str = "input",
    output_name: str = "logits",
    input_shape: tuple = ("N", 3, 44, 44),
    outputs: int = 7,
    sidecar: bool = True,
) -> Path:
    """Write ``vgg19-fer2013.onnx`` and its ``.json`` into ``directory``; return the first's path.

    The logits are fixed linear functions of the means of 4x4 patches of 11x11 pixels, so they are
    the same on every machine and differ between pictures. ``metadata`` replaces entries; None
    removes one.
    """
    merged = {**METADATA, **(metadata or {})}
    merged = {key: value for key, value in merged.items() if value is not None}
    # Every output weighs the patches with a wave of its own; the waves sum to zero, so that
    # overall brightness does not decide alone.
    patches = np.arange(3 * 4 * 4)
    waves = np.stack([np.cos(patches * (1.0 + 0.7 * index)) for index in range(outputs)], axis=1)
    weights = (6.0 * (waves - waves.mean(axis=0))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node(
                "AveragePool", [input_name], ["pooled"], kernel_shape=[11, 11], strides=[11, 11]
            ),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], [output_name]),
        ],
        "tiny",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, ("N", outputs))],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests"
    )
    helper.set_model_props(model, merged)
    path = directory / "vgg19-fer2013.onnx"
    onnx.save(model, path)
    if sidecar:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_suffix(".json").write_text(json.dumps({**merged, "sha256": digest}))
    return path
