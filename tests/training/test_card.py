"""The model card says what was measured, and nothing else."""

import json
from pathlib import Path

import pytest

from mlcore.labels import LABELS
from mlcore.model_info import MODEL_PATH
from training import card as training_card
from training.card import CARD, REPORT, main, render, write_card

HISTORY = Path(training_card.__file__).parent / "HISTORY.md"
METADATA = json.loads(MODEL_PATH.with_suffix(".json").read_text())
MEASURED = MODEL_PATH.parent / REPORT / "report.json"


def committed_report():
    return json.loads(MEASURED.read_text()) if MEASURED.exists() else None


def test_the_committed_card_is_that_of_the_committed_network():
    card = (MODEL_PATH.parent / CARD).read_text()
    assert card == render(METADATA, committed_report())
    private = METADATA["metrics"]["PrivateTest"]
    assert METADATA["sha256"] in card
    assert f"{private['accuracy'] * 100:.1f} %" in card
    for label in LABELS:
        assert f"| {label} | {sum(private['confusion'][LABELS.index(label)])} |" in card


@pytest.mark.skipif(not MEASURED.exists(), reason="no report is committed")
def test_the_committed_report_was_measured_on_the_committed_network():
    report = committed_report()
    assert report["model"]["sha256"] == METADATA["sha256"]
    figures = METADATA["metrics"]["PrivateTest"]
    assert report["served"]["confusion"] == figures["confusion"]


def test_the_history_names_the_committed_network_and_what_it_began_with():
    history = HISTORY.read_text()
    assert f"| {METADATA['sha256'][:12]}… |" in history
    start = METADATA["training"]["started_from"].removeprefix("vgg19-fer2013.onnx, SHA-256 ")
    assert f"| {start} |" in history


def report_of(metadata):
    share = {"count": 500, "accuracy": 0.6543, "accuracy_interval": [0.61, 0.69]}
    row = {**share, "same_answer": 0.87}
    return {
        "model": {"sha256": metadata["sha256"]},
        "split": "PrivateTest",
        "served": {"middle_view": {**share, "count": 502}},
        "without_near_copies": {**share, "left_out": 462},
        "ten_crop": share,
        "ferplus": {"majority": share, "votes": 0.6, "labels_majority": share, "labels_votes": 0.7},
        "robustness": [
            {**row, "change": "unchanged"},
            {**row, "change": "a thick fog", "accuracy": 0.4},
        ],
        "photos": {"size": [480, 360], "rows": [
            {**share, "side": 48, "looked_for": 510, "other_boxes": 3, "crop_accuracy": 0.66,
             "without_advice": share, "by_advice": {}},
            {**share, "side": 96, "looked_for": 510, "other_boxes": 3, "crop_accuracy": 0.66,
             "without_advice": share, "by_advice": {"too_dark": {**share, "count": 17}}},
        ]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "told"),
    [(0.0012, "−0.12 points"), (-0.002, "+0.20 points"), (0.00004, "+0.00 points")],
)
@pytest.mark.parametrize(
    ("stored", "words"), [("int8", "(against float32: "), ("float16", "(integers would mean ")]
)
def test_what_integers_change_is_told_with_its_sign(lost, told, stored, words):
    cost = {"accuracy_lost": lost, "same_answers": 0.95}
    weights = {"stored": stored, "parity": 1e-6, "as_integers": cost}
    assert f"{words}{told} on PublicTest, 95.0 %" in render({**METADATA, "weights": weights}, None)


def test_biases_are_told_with_their_signs():
    values = [-0.124, 0.451, 0.001, -0.002, 0, 1, -0.5]
    card = render(METADATA | {"biases": dict(zip(LABELS, values, strict=True))}, None)
    assert "angry −0.12, disgust +0.45, fear +0.00, happy +0.00, sad +0.00, surprise +1.00" in card


def test_what_biases_give_other_faces_is_told():
    told = {
        "without_biases": {"accuracy": 0.7275, "macro_recall": 0.7094},
        "with_biases": {"accuracy": 0.7287, "macro_recall": 0.7141},
    }
    card = render(METADATA | {"cross_validation": told}, None)
    assert "72.87 % right with them and 72.75 % without, macro recall 0.714 and 0.709 |" in card
    assert "nine tenths" not in render(METADATA | {"cross_validation": {}}, None)


def test_layers_that_are_no_integers_are_named():
    cost = {"accuracy_lost": 0.001, "same_answers": 0.95, "in_float16": ["conv4_3", "conv4_4"]}
    for stored, words in (
        ("int8", "for each channel, those of conv4_3, conv4_4 as float16 (against float32: −0.10"),
        ("float16", "(integers, those of conv4_3, conv4_4 as float16 would mean −0.10"),
    ):
        weights = {"stored": stored, "as_integers": cost}
        assert words in render({**METADATA, "weights": weights}, None)


@pytest.mark.parametrize(
    ("windows", "mirrored", "told"),
    [
        ([48], False, "| Served | the logits of one view of a face |"),
        (
            [44, 50],
            False,
            "the logits of 2 views: 44 and 50 pixels around the middle of the 48 × 48",
        ),
        ([48], True, "of 2 views: 48 pixels around the middle of the 48 × 48 face, with their"),
        ([44, 50], True, "of 4 views: 44 and 50 pixels"),
    ],
)
def test_the_views_that_an_answer_is_the_mean_of_are_named(windows, mirrored, told):
    assert told in render({**METADATA, "windows": windows, "mirrored": mirrored}, None)


def test_a_report_of_the_same_file_is_told():
    card = render(METADATA, report_of(METADATA))
    for text in (
        "65.4 % (61.0–69.0)",
        "462 PrivateTest images",
        "a thick fog costs most: 25.4 points",
        "| As served | 3589 |",
        "| One view alone | 3589 |",
        "| One view of the middle 44 pixels alone, as they are | 502 | 65.4 % (61.0–69.0) |",
        "| Mean of the whole face and its mirror image | 3589 |",
        "| Mean of ten crops | 500 | 65.4 % (61.0–69.0) |",
        "| 48 pixels | 500 of 510 |",
        "of the faces found at 96 pixels",
        "| none | 500 | 65.4 % (61.0–69.0) |",
        "| `too_dark` | 17 | 65.4 % (61.0–69.0) |",
        f"{REPORT}/robustness.png",
    ):
        assert text in card


def test_a_report_of_another_file_is_left_out():
    other = report_of({**METADATA, "sha256": "0" * 64})
    assert render(METADATA, other) == render(METADATA, None)


def test_the_recipe_and_the_start_are_named():
    training = {"recipe": "continued", "epochs": 14, "started_from": "old.onnx"}
    card = render({**METADATA, "training": training}, None)
    assert "--data fer2013.csv --votes fer2013new.csv" in card
    labels_alone = render({**METADATA, "training": {**training, "ferplus_weight": 0.0}}, None)
    assert "--data fer2013.csv --no-votes" in labels_alone
    assert "training/recipes/continued.toml`](../../training/recipes/continued.toml), 14" in card
    assert "`old.onnx`" in card


def test_a_model_that_nobody_measured_gets_no_card(tmp_path, capsys):
    model = tmp_path / "vgg19-fer2013.onnx"
    assert main(["--model", str(model)]) == 2
    model.with_suffix(".json").write_text(json.dumps({**METADATA, "metrics": {}}))
    assert main(["--model", str(model)]) == 2
    assert capsys.readouterr().err.count("\n") == 2
    assert not (tmp_path / CARD).exists()


def test_the_card_lies_beside_the_model(tmp_path):
    model = tmp_path / "vgg19-fer2013.onnx"
    model.with_suffix(".json").write_text(json.dumps(METADATA))
    assert write_card(model) == tmp_path / CARD
    assert METADATA["version"] in (tmp_path / CARD).read_text()
