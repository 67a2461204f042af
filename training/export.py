"""Turn a checkpoint into the model file that is served, measured and labelled.

``python -m training.export --checkpoint var/training/best.pt --data fer2013.csv.gz`` writes the
ONNX file, its metadata as JSON and the model card. What was there before stays until all is done.
"""

import argparse
import datetime
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from mlcore import EmotionClassifier
from mlcore.errors import MLCoreError
from mlcore.labels import LABELS
from mlcore.model_info import MODEL_PATH
from mlcore.preprocessing import INPUT_SIZE
from mlcore.views import ONE_VIEW, Views
from training.calibration import cross_validate, fit_calibration
from training.card import REPORT, CardError, write_card
from training.checkpoint import CheckpointError, read_checkpoint, reading
from training.data import DataError, Split, load_fer2013
from training.evaluate import faces_of, report
from training.metrics import sure_threshold
from training.model import LAYERS, EmotionVGG, unfold
from training.quantise import quantise, restored_values, sensitive_kernels

OPSET = 17
SURE_ACCURACY = 0.85
PARITY = 1e-4
PARITY_FACES = 1024

WEIGHTS = ("int8", "float16")

WITH_VOTES = "with FER+ votes"

STATE = ("recipe", "epoch", "votes", "ferplus_weight", "started_from")
"""What an export tells of its checkpoint."""

BIASES = "biases"
"""Name of the 7 numbers that a file adds to what the network says; a network that is trained on
goes on without them."""

STORED_PARITY = 0.01
"""How far probabilities may move where kernels are rounded to float16."""

SERVED = Views((44, 50), mirrored=True)
"""What an answer is the mean of; chosen on PublicTest (``training/HISTORY.md``)."""

MOST_LOST = 0.003
"""How much of the share of right answers integers may cost on PublicTest, or they are not used."""


class ExportError(Exception):
    """The checkpoint cannot be exported, or the exported file does not compute the same."""


def load_averaged(path: Path) -> tuple[EmotionVGG, dict]:
    """Return the averaged network of a checkpoint, ready for inference, and what STATE names.

    Raises CheckpointError where the file is none, and ExportError in the middle of an epoch, where
    the average lacks normalisation statistics of its own.
    """
    state = read_checkpoint(path)
    if state.get("step"):
        raise ExportError(f"{path} was stopped in mid-epoch: resume it, or export best.pt")
    with reading(path):
        network = EmotionVGG(state["depth"])
        weights = {
            name.removeprefix("module."): value
            for name, value in state["average"].items()
            if name.startswith("module.")
        }
        network.load_state_dict(weights)
        settings = json.loads(state.get("settings", "{}"))
        state = {"votes": True, "started_from": "", "ferplus_weight": None, **settings, **state}
        return network.eval(), {key: state[key] for key in STATE}


def fold(network: EmotionVGG) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Return kernels and biases by stage, with each normalisation folded into its convolution."""
    stages = []
    for stage in network.stages():
        folded = []
        for convolution, normalisation, _ in stage:
            scale = normalisation.weight / (normalisation.running_var + normalisation.eps).sqrt()
            kernel = convolution.weight * scale.view(-1, 1, 1, 1)
            bias = (convolution.bias - normalisation.running_mean) * scale + normalisation.bias
            folded.append((kernel.detach().numpy(), bias.detach().numpy()))
        stages.append(folded)
    return stages


def build(
    stages: list[list[tuple[np.ndarray, np.ndarray]]],
    head: nn.Linear,
    *,
    narrow: Collection[str] | None = None,
) -> onnx.ModelProto:
    """Return the network as ONNX, with arithmetic in float32.

    ``narrow`` are the convolutions whose kernels are stored as float16, by default all.
    ONNX Runtime casts narrow kernels once, while it loads. So the file is half as large, and its
    answers do not depend on which narrow arithmetic a machine has.
    """
    nodes, constants = [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    value = "input"
    for stage_number, stage in enumerate(stages, start=1):
        for number, (kernel, bias) in enumerate(stage, start=1):
            name = f"conv{stage_number}_{number}"
            if narrow is None or name in narrow:
                stored = constant(f"{name}.float16", kernel.astype(np.float16))
                weight = node("Cast", [stored], f"{name}.kernel", to=TensorProto.FLOAT)
            else:
                weight = constant(f"{name}.kernel", kernel)
            value = node(
                "Conv",
                [value, weight, constant(f"{name}.bias", bias)],
                name,
                kernel_shape=[3, 3],
                pads=[1, 1, 1, 1],
            )
            value = node("Relu", [value], f"{name}.relu")
        value = node("MaxPool", [value], f"pool{stage_number}", kernel_shape=[2, 2], strides=[2, 2])
    value = node("GlobalAveragePool", [value], "average")
    value = node("Flatten", [value], "features")
    weight = constant("linear.weight", head.weight.detach().numpy())
    bias = constant("linear.bias", head.bias.detach().numpy())
    value = node("Gemm", [value, weight, bias], "linear", transB=1)
    node("Add", [value, constant(BIASES, np.zeros(len(LABELS), np.float32))], "logits")
    shape = ["N", 3, INPUT_SIZE, INPUT_SIZE]
    graph = helper.make_graph(
        nodes,
        "fer2013",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(LABELS)])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    model.producer_name = "emotionsite"
    onnx.checker.check_model(model, full_check=True)
    return model


def load_exported(path: Path, inputs: torch.Tensor) -> EmotionVGG:
    """Return an exported network as one that can be trained on; see ``unfold`` for ``inputs``.

    A network in integers is restored as exactly as they tell. Raises ExportError where the file is
    no export of this network.
    """
    try:
        values = restored_values(onnx.load(path))
        stages: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(5)]
        for name in sorted(name for name in values if name.endswith(".kernel")):
            layer = name.removesuffix(".kernel")
            number = int(layer.removeprefix("conv").split("_")[0])
            stages[number - 1].append((values[name], values[f"{layer}.bias"]))
        depth = next(d for d in LAYERS if LAYERS[d] == tuple(map(len, stages)))
        head = (values["linear.weight"], values["linear.bias"])
        return unfold(stages, head, depth, inputs)
    except (OSError, LookupError, ValueError, RuntimeError, StopIteration, DecodeError) as error:
        raise ExportError(f"{path} is no export of this network: {error!r}") from error


def exported_with_votes(path: Path) -> bool:
    """Return whether FER+ votes taught an exported network anything, by what its metadata say."""
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    return WITH_VOTES in properties.get("dataset", "")


def label(model: onnx.ModelProto, path: Path, metadata: dict) -> None:
    """Write the model with its metadata, and the JSON file beside it that needs no runtime."""
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
    helper.set_model_props(model, texts | {"labels": ",".join(LABELS)})
    content = model.SerializeToString(deterministic=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    beside = {**metadata, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    path.with_suffix(".json").write_text(json.dumps(beside, indent=1) + "\n")


def set_biases(model: onnx.ModelProto, biases: list[float]) -> None:
    """Make a network that ``build`` returned, or one in integers of it, add these to its logits."""
    (constant,) = (each for each in model.graph.initializer if each.name == BIASES)
    constant.CopyFrom(numpy_helper.from_array(np.array(biases, np.float32), BIASES))


def code_revision() -> str:
    """Return the commit of the code that exports, or ``unknown`` outside a repository."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def next_version(out: Path) -> str:
    """Return the day, with a number where a network of this day lies at ``out`` already.

    Raises ExportError where the JSON file there tells no version.
    """
    day = datetime.datetime.now(tz=datetime.UTC).strftime("%Y.%m.%d")
    beside = out.with_suffix(".json")
    try:
        shipped = json.loads(beside.read_text())["version"] if beside.exists() else ""
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{beside} is damaged and tells no version: {error!r}") from error
    if not f"{shipped}.".startswith(f"{day}."):
        return day
    return f"{day}.{int(shipped.removeprefix(day).removeprefix('.') or 1) + 1}"


def export(
    checkpoint: Path, splits: dict[str, Split], out: Path, weights: str | None = None
) -> dict:
    """Write the model file to ``out``, calibrated on PublicTest, and return its metadata.

    ``weights`` is how kernels are stored, one of WEIGHTS; by default as int8 where that costs at
    most MOST_LOST. With int8, those that rounding would spoil are float16 (``sensitive_kernels``).
    The metadata as JSON and the model card come to lie beside the file. Raises ExportError where
    torch and the folded network differ by more than PARITY in float32, or by more than
    STORED_PARITY in float16, CardError and CheckpointError; nothing is written then.
    """
    network, state = load_averaged(checkpoint)
    votes = f", {WITH_VOTES} as soft targets" if state["votes"] else ""
    metadata = {
        "labels": list(LABELS),
        "input_size": str(INPUT_SIZE),
        "name": f"{network.depth}-fer2013",
        "version": next_version(out),
        "windows": list(SERVED.windows),
        "mirrored": SERVED.mirrored,
        "temperature": 1.0,
        "biases": dict.fromkeys(LABELS, 0.0),
        "cross_validation": {},
        "unsure_threshold": 0.0,
        "dataset": f"FER2013 training split{votes}",
        "training": {
            "recipe": state["recipe"],
            "epochs": state["epoch"],
            "ferplus_weight": state["ferplus_weight"],
            "started_from": state["started_from"],
        },
        "code_revision": code_revision(),
        "weights": {"stored": "float16"},
        "metrics": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / out.name
        stages, head, told = fold(network), network.classifier, metadata["weights"]
        expected = _trained_answers(network, splits)
        whole = build(stages, head, narrow=())
        label(whole, draft, metadata)
        told["parity"] = _parity(draft, expected, splits, PARITY)
        if weights != "float16":
            faces = faces_of(splits["Training"])
            narrow = sensitive_kernels(whole, faces, SERVED)
            model = quantise(build(stages, head, narrow=narrow), faces, SERVED)
            cost = _cost(model, metadata, splits["PublicTest"], draft)
            told["as_integers"] = {**cost, "in_float16": narrow}
            if weights == "int8" or cost["accuracy_lost"] <= MOST_LOST:
                told["stored"] = "int8"
        if told["stored"] == "float16":
            model = build(stages, head)
            label(model, draft, metadata)
            _parity(draft, expected, splits, STORED_PARITY)
        _calibrate_and_measure(model, metadata, splits, draft)
        card = write_card(draft, out.parent / REPORT)
        _move((draft, draft.with_suffix(".json"), card), out.parent)
    return metadata


def _move(files: tuple[Path, ...], folder: Path) -> None:
    """Bring files into a folder: all of them, or where there is no room for that, none."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = [folder / f"{path.name}.partial" for path in files]
    try:
        for path, copy in zip(files, partial, strict=True):
            shutil.copyfile(path, copy)
        for path, copy in zip(files, partial, strict=True):
            copy.replace(folder / path.name)
    finally:
        for copy in partial:
            copy.unlink(missing_ok=True)


@torch.no_grad()
def _trained_answers(network: EmotionVGG, splits: dict[str, Split]) -> np.ndarray:
    """Return torch's (N, 7) probabilities for up to PARITY_FACES faces of PublicTest."""
    inputs = splits["PublicTest"].inputs()[:PARITY_FACES]
    return torch.cat([network(part).softmax(1) for part in inputs.split(256)]).numpy()


def _parity(path: Path, expected: np.ndarray, splits: dict[str, Split], most: float) -> float:
    """Return the largest difference between a file's probabilities and ``_trained_answers``.

    Raises ExportError where it is above ``most``, or no number.
    """
    faces = faces_of(splits["PublicTest"])[:PARITY_FACES]
    served = EmotionClassifier(path).predict(faces, ONE_VIEW)
    difference = float(np.abs(served - expected).max())
    if not difference <= most:
        raise ExportError(f"torch and ONNX Runtime differ by {difference:.2g}")
    return difference


def _cost(model: onnx.ModelProto, metadata: dict, public: Split, draft: Path) -> dict:
    """Return what a network in integers costs on PublicTest: ``accuracy_lost``, as a share of all
    answers, and the share of ``same_answers``.

    At ``draft`` lies the network in float32; the one in integers takes its place.
    """
    faces = faces_of(public)
    before = EmotionClassifier(draft).logits(faces).argmax(1)
    label(model, draft, metadata)
    after = EmotionClassifier(draft).logits(faces).argmax(1)
    lost = (before == public.labels).mean() - (after == public.labels).mean()
    cost = {"accuracy_lost": lost, "same_answers": (before == after).mean()}
    return {name: round(float(share), 4) for name, share in cost.items()}


def _calibrate_and_measure(
    model: onnx.ModelProto, metadata: dict, splits: dict[str, Split], out: Path
) -> None:
    """Write the model to ``out`` and complete its metadata, there and in the given dict."""
    label(model, out, metadata)
    public = splits["PublicTest"]
    logits = torch.from_numpy(EmotionClassifier(out).logits(faces_of(public)))
    labels = torch.from_numpy(public.labels)
    temperature, biases = fit_calibration(logits, labels)
    metadata["temperature"] = temperature
    metadata["biases"] = dict(zip(LABELS, biases, strict=True))
    metadata["cross_validation"] = cross_validate(logits, labels)
    calibrated = ((logits + torch.tensor(biases)) / temperature).softmax(1).numpy()
    right = calibrated.argmax(1) == public.labels
    threshold = sure_threshold(calibrated.max(1), right, SURE_ACCURACY)
    metadata["unsure_threshold"] = round(threshold, 4)
    set_biases(model, biases)
    label(model, out, metadata)

    classifier = EmotionClassifier(out)
    metadata["metrics"] |= {
        "PrivateTest": report(classifier, splits, "PrivateTest"),
        "PublicTest": report(classifier, splits, "PublicTest"),
    }
    label(model, out, metadata)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Export, calibrate and measure a checkpoint.")
    parser.add_argument("--checkpoint", type=Path, default=Path("var/training/best.pt"))
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, .csv.gz or a folder")
    parser.add_argument("--out", type=Path, default=MODEL_PATH)
    parser.add_argument(
        "--weights",
        choices=WEIGHTS,
        help=f"by default int8, where it costs at most {100 * MOST_LOST:g} points on PublicTest; "
        "kernels that rounding would spoil are float16 in any case",
    )
    options = parser.parse_args(arguments)
    try:
        metadata = export(
            options.checkpoint, load_fer2013(options.data), options.out, options.weights
        )
    except (CardError, CheckpointError, DataError, ExportError, MLCoreError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; what was there before is intact", file=sys.stderr)
        return 128 + signal.SIGINT
    print(json.dumps(metadata, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
