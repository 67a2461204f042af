"""What is known about the shipped network. Needs the standard library only."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlcore.errors import ModelMismatch, ModelUnavailable
from mlcore.labels import LABELS
from mlcore.views import ONE_VIEW, Views

MODEL_PATH = Path(__file__).parent / "models" / "vgg19-fer2013.onnx"


@dataclass(frozen=True)
class ModelInfo:
    """Identity and measured behaviour of a network.

    ``sha256`` is the hex digest of the ONNX file; ``temperature`` divides the logits before the
    softmax; these are the mean of the logits of ``views``, for which temperature, threshold and
    metrics were measured; an answer whose confidence is below ``unsure_threshold`` (0...1) counts
    as unsure; ``metrics`` are the numbers measured on the exported file, by name.
    """

    name: str
    version: str
    sha256: str
    temperature: float
    unsure_threshold: float
    dataset: str
    code_revision: str
    metrics: Mapping[str, object]
    views: Views = ONE_VIEW


def parse_metadata(metadata: Mapping[str, object], sha256: str) -> ModelInfo:
    """Check the metadata of a model file, whose values may be strings, and return it typed.

    Raises ModelMismatch where a field is missing, malformed, or names other emotions.
    """
    try:
        labels = metadata["labels"]
        labels = tuple(labels.split(",") if isinstance(labels, str) else labels)
        metrics = metadata["metrics"]
        metrics = json.loads(metrics) if isinstance(metrics, str) else metrics
        info = ModelInfo(
            name=str(metadata["name"]),
            version=str(metadata["version"]),
            sha256=sha256,
            temperature=float(metadata["temperature"]),
            unsure_threshold=float(metadata["unsure_threshold"]),
            dataset=str(metadata["dataset"]),
            code_revision=str(metadata["code_revision"]),
            metrics=metrics,
            views=Views.of(metadata),
        )
    except KeyError as error:
        raise ModelMismatch(f"the model's metadata has no {error.args[0]!r}") from error
    except (TypeError, ValueError) as error:
        raise ModelMismatch(f"the model's metadata is malformed: {error}") from error
    if labels != LABELS:
        raise ModelMismatch(f"the model answers {labels}, not {LABELS}")
    if not (math.isfinite(info.temperature) and info.temperature > 0):
        raise ModelMismatch(f"the model's temperature is {info.temperature}, not a positive number")
    if not 0 <= info.unsure_threshold <= 1:
        raise ModelMismatch(
            f"the model's unsure threshold is {info.unsure_threshold}, not in 0...1"
        )
    if not isinstance(info.metrics, dict):
        raise ModelMismatch("the model's metrics are no JSON object")
    return info


def read_model_info(path: Path | str | None = None) -> ModelInfo:
    """Read the JSON file that lies beside a model: its metadata and its ``sha256``.

    ``path`` names either of the two files; the default is the shipped model. Raises
    ModelUnavailable where the JSON file cannot be read, ModelMismatch where it is malformed.
    """
    path = Path(path or MODEL_PATH).with_suffix(".json")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ModelMismatch(f"{path} is no JSON object") from error
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise ModelMismatch(f"{path} is no JSON object: {error}") from error
    if not isinstance(metadata, dict) or not isinstance(metadata.get("sha256"), str):
        raise ModelMismatch(f"{path} is no JSON object with a sha256")
    return parse_metadata(metadata, metadata["sha256"])


def verify_model_file(path: Path | str | None = None) -> ModelInfo:
    """Make sure that a model file is the one that the JSON file beside it describes.

    The file is hashed again only after it has changed; no network is loaded. Raises
    ModelUnavailable where a file is missing, empty or unreadable, and ModelMismatch where the two
    do not belong together.
    """
    path = Path(path or MODEL_PATH)
    try:
        state = path.stat()
        if not state.st_size:
            raise ModelUnavailable(f"{path} is empty")
        digest = _sha256(path, state.st_mtime_ns, state.st_size, state.st_ino)
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error.strerror}") from error
    info = read_model_info(path)
    if digest != info.sha256:
        raise ModelMismatch(f"{path} is not the file that {path.with_suffix('.json')} describes")
    return info


@lru_cache(maxsize=4)
def _sha256(path: Path, _changed: int, _size: int, _inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
