"""The facts about the network, for processes that must not load it."""

import json

import pytest

from mlcore.classification import EmotionClassifier
from mlcore.errors import ModelMismatch, ModelUnavailable
from mlcore.model_info import MODEL_PATH, read_model_info
from mlcore.views import Views
from tests.support.tiny_model import build_tiny_model


def test_the_json_file_says_what_the_model_file_says(tiny_model):
    info = EmotionClassifier(tiny_model, threads=1).model
    assert read_model_info(tiny_model) == info
    assert read_model_info(tiny_model.with_suffix(".json")) == info


def test_values_may_be_json_values_instead_of_strings(tmp_path):
    strings = build_tiny_model(tmp_path, {"windows": "[44, 50]", "mirrored": "true"})
    metadata = json.loads(strings.with_suffix(".json").read_text())
    metadata["labels"] = metadata["labels"].split(",")
    metadata["temperature"] = float(metadata["temperature"])
    metadata["metrics"] = json.loads(metadata["metrics"])
    metadata |= {"windows": [44, 50], "mirrored": True}
    path = tmp_path / "model.json"
    path.write_text(json.dumps(metadata))
    assert read_model_info(path) == read_model_info(strings)
    assert read_model_info(path).views == Views((44, 50), mirrored=True)


def test_a_missing_file_is_unavailable(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"none\.json"):
        read_model_info(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"sha256": 5}'])
def test_a_malformed_file_is_a_mismatch(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(ModelMismatch):
        read_model_info(path)


def test_the_shipped_files_agree():
    assert read_model_info() == EmotionClassifier(MODEL_PATH, threads=1).model
