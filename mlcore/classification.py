"""Face crops -> calibrated probabilities."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from mlcore.errors import ModelMismatch, ModelUnavailable
from mlcore.labels import LABELS
from mlcore.model_info import MODEL_PATH, ModelInfo, parse_metadata
from mlcore.preprocessing import INPUT_SIZE, preprocess_views
from mlcore.views import Views

BATCH_SIZE = 32
"""Faces per run of the network; more of them would cost memory and gain no speed."""


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class EmotionClassifier:
    """The network, loaded and checked; one instance may serve many threads.

    ``model_path`` is an ONNX file that carries its own metadata, by default the shipped one;
    ``threads`` is how many CPU threads one call may use, by default all that the process may, up
    to 4. Raises ModelUnavailable where the file cannot be read as a network, and ModelMismatch
    where its metadata, inputs or outputs are not the expected ones.
    """

    model: ModelInfo

    def __init__(self, model_path: Path | str | None = None, threads: int | None = None) -> None:
        path = Path(model_path or MODEL_PATH)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelUnavailable(f"{path} cannot be read: {error.strerror}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or min(4, _processors())
        options.inter_op_num_threads = 1
        # Threads that spin while they wait take the processor from everybody else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # The engine's errors have no common parent of their own.
            raise ModelUnavailable(f"{path} is no network that can be loaded: {error}") from error
        self._check_signature()
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.model = parse_metadata(metadata, hashlib.sha256(content).hexdigest())
        if metadata.get("input_size") != str(INPUT_SIZE):
            raise ModelMismatch(
                f"the model's input size is {metadata.get('input_size')}, not {INPUT_SIZE}"
            )

    def _check_signature(self) -> None:
        expected = (
            ("input", "tensor(float)", [3, INPUT_SIZE, INPUT_SIZE]),
            ("logits", "tensor(float)", [len(LABELS)]),
        )
        ends = (self._session.get_inputs(), self._session.get_outputs())
        for nodes, (name, kind, shape) in zip(ends, expected, strict=True):
            found = [(node.name, node.type, node.shape) for node in nodes]
            batch_is_dynamic = len(found) == 1 and not isinstance(found[0][2][0], int)
            if not batch_is_dynamic or (*found[0][:2], found[0][2][1:]) != (name, kind, shape):
                raise ModelMismatch(f"expected {name} {kind} (N, {shape}), the model has {found}")

    def predict(self, faces: Sequence[Image.Image], views: Views | None = None) -> np.ndarray:
        """Return (N, 7) float32 probabilities in LABELS order, each row summing to 1.

        ``faces`` are upright, square crops framed as FER2013's; N may be 0. ``views`` are those
        of ``logits``; only with their default are the probabilities calibrated.
        """
        scaled = self.logits(faces, views).astype(np.float64) / self.model.temperature
        odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)

    def logits(self, faces: Sequence[Image.Image], views: Views | None = None) -> np.ndarray:
        """Return (N, 7) float32 logits in LABELS order, with the file's biases, before the
        temperature.

        They are the mean of the logits of ``views``, by default those that the file's metadata
        name. With mirror images among them a photo and a selfie, which phones mirror, have one
        answer; with several windows it counts less how tightly a face was cropped.
        """
        views = views or self.model.views
        logits = np.zeros((len(faces), len(LABELS)), dtype=np.float32)
        for start in range(0, len(faces), BATCH_SIZE):
            for batch in preprocess_views(faces[start : start + BATCH_SIZE], views):
                logits[start : start + len(batch)] += self._run(batch) / views.count
        return logits

    def _run(self, batch: np.ndarray) -> np.ndarray:
        (logits,) = self._session.run(["logits"], {"input": batch})
        return logits
