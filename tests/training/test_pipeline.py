"""Recipe -> training -> checkpoint -> export -> evaluation, on a few invented faces."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from mlcore import EmotionClassifier
from mlcore.labels import LABELS
from mlcore.model_info import read_model_info
from training import evaluate, export
from training.recipe import RecipeError, load_recipe
from training.train import main, soft_targets, train

RECIPE = """
seed = 5
batch_size = 16
momentum = 0.9
weight_decay = 5e-4
label_smoothing = 0.05
ferplus_weight = 0.3
ema_decay = 0.5

[[stage]]
depth = "vgg11"
size = 32
epochs = 2
warmup_epochs = 0.5
learning_rate = [0.02, 0.01]

[[stage]]
depth = "vgg13"
size = 44
epochs = 1
learning_rate = [0.01, 0.0]
augmentation = { erasing = 0.25, scale = [0.95, 1.05] }
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipes") / "tiny.toml"
    path.write_text(RECIPE)
    return load_recipe(path)


@pytest.fixture(scope="module")
def trained(recipe, splits, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    train(recipe, splits, out, resume=False)
    return out


@pytest.fixture(scope="module")
def exported(trained, splits, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "vgg19-fer2013.onnx"
    return path, export.export(trained / "best.pt", splits, path)


@pytest.mark.parametrize("name", ["grown", "continued"])
def test_every_recipe_ends_with_the_network_that_is_served(name):
    recipe = load_recipe(export.MODEL_PATH.parents[2] / "training" / "recipes" / f"{name}.toml")
    last, _ = recipe.stage_at(recipe.epochs - 1)
    assert (last.depth, last.size) == ("vgg19", 44)


@pytest.mark.parametrize(
    ("old", "new"),
    [("vgg13", "vgg12"), ("size = 32", "size = 31"), ("seed", "sead"), ("[0.02, 0.01]", "[0.02]")],
)
def test_a_recipe_that_cannot_be_trained_is_refused_by_name(tmp_path, old, new):
    path = tmp_path / "odd.toml"
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(RecipeError, match=r"odd\.toml"):
        load_recipe(path)


def test_the_rate_warms_up_and_falls_within_its_stage(recipe):
    stage, first = recipe.stage_at(1)
    assert first == 0
    assert stage.rate(0.0) == pytest.approx(0.002)
    assert stage.rate(0.5) == pytest.approx(0.02)
    assert stage.rate(2.0) == pytest.approx(0.01)


def test_targets_are_probabilities_that_favour_the_label(recipe, splits):
    targets = soft_targets(splits["Training"], recipe)
    assert targets.sum(1).numpy() == pytest.approx(1, abs=1e-5)
    assert (targets.argmax(1).numpy() == splits["Training"].labels).all()


def test_training_logs_every_epoch_and_keeps_checkpoints(trained):
    rows = (trained / "log.csv").read_text().splitlines()
    assert len(rows) == 4
    assert [row.split(",")[1] for row in rows[1:]] == ["vgg11", "vgg11", "vgg13"]
    assert (trained / "last.pt").exists()
    assert not list(trained.glob("*.partial"))


def test_a_resumed_run_ends_with_the_same_weights(recipe, splits, trained, tmp_path, monkeypatch):
    saves = []

    class Interrupted(Exception):
        pass

    from training.train import Run

    save = Run.save

    def save_then_stop(run, path):
        save(run, path)
        saves.append(path)
        raise Interrupted

    monkeypatch.setattr(Run, "save", save_then_stop)
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(recipe, splits, tmp_path, resume=True)
    monkeypatch.setattr(Run, "save", save)
    train(recipe, splits, tmp_path, resume=True)
    whole = torch.load(trained / "last.pt", weights_only=True)
    parts = torch.load(tmp_path / "last.pt", weights_only=True)
    assert len(saves) == 2
    for name, value in whole["average"].items():
        assert torch.equal(value, parts["average"][name]), name


def test_a_loss_that_is_no_number_stops_the_run(recipe, splits, tmp_path, monkeypatch):
    monkeypatch.setattr("training.recipe.Stage.rate", lambda stage, epochs: 1e30)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        train(recipe, splits, tmp_path, resume=False)


def test_bad_arguments_end_with_one_line(tmp_path, capsys):
    assert main(["--data", str(tmp_path / "nothing.csv")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nothing.csv" in error


def test_the_exported_file_answers_like_the_trained_network(exported, trained, splits):
    path, metadata = exported
    network = export.with_stored_weights(export.load_averaged(trained / "best.pt"))
    with torch.no_grad():
        logits = network(splits["PrivateTest"].inputs()) / metadata["temperature"]
    served = EmotionClassifier(path).predict(evaluate.faces_of(splits["PrivateTest"]))
    assert np.abs(served - logits.softmax(1).numpy()).max() < export.PARITY


def test_stored_kernels_are_the_trained_ones_to_float16(exported, trained):
    stored = {c.name: numpy_helper.to_array(c) for c in onnx.load(exported[0]).graph.initializer}
    folded = export.fold(export.load_averaged(trained / "best.pt"))
    kernels = [kernel for stage in folded for kernel, _ in stage]
    names = [name for name in stored if name.endswith(".float16")]
    assert len(names) == len(kernels) == 10
    for name, kernel in zip(names, kernels, strict=True):
        np.testing.assert_allclose(stored[name], kernel, rtol=1e-3, atol=1e-7)


def test_an_exported_network_can_be_trained_on_from_where_it_was(exported, splits):
    path, metadata = exported
    inputs = splits["Training"].inputs()
    network = export.load_exported(path, inputs)
    with torch.no_grad():
        logits = network(splits["PublicTest"].inputs()) / metadata["temperature"]
        network.dropout.p = 0.0
        in_training = network.train()(inputs).softmax(1)
        in_service = network.eval()(inputs).softmax(1)
    served = EmotionClassifier(path).predict(evaluate.faces_of(splits["PublicTest"]))
    assert np.abs(served - logits.softmax(1).numpy()).max() < export.PARITY
    assert (in_training - in_service).abs().max() < 0.05


def test_a_file_that_is_no_export_cannot_be_started_from(recipe, splits, tmp_path):
    odd = tmp_path / "odd.onnx"
    odd.write_bytes(b"no network")
    with pytest.raises(export.ExportError, match=r"odd\.onnx is no export"):
        train(recipe, splits, tmp_path, resume=False, start=odd)


def test_the_file_and_its_neighbour_tell_the_same(exported):
    path, metadata = exported
    inside = EmotionClassifier(path).model
    assert read_model_info(path) == inside
    assert inside.temperature == metadata["temperature"]
    assert inside.metrics["PrivateTest"]["count"] == 40


def test_the_command_measures_what_the_metadata_says(exported, fer2013, capsys):
    path, metadata = exported
    assert evaluate.main(["--model", str(path), "--data", str(fer2013[0])]) == 0
    assert json.loads(capsys.readouterr().out) == metadata["metrics"]["PrivateTest"]


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, fer2013, capsys):
    odd = tmp_path / "odd.pt"
    torch.save({"depth": "vgg11", "average": {"module.nothing": torch.zeros(1)}}, odd)
    arguments = ["--checkpoint", str(odd), "--data", str(fer2013[0])]
    assert export.main([*arguments, "--out", str(tmp_path / "out.onnx")]) == 2
    assert "odd.pt is no checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()


def test_measures_of_a_known_table():
    labels = np.array([0, 0, 1, 3])
    probabilities = np.full((4, 7), 0.02)
    for row, (answer, confidence) in enumerate([(0, 0.88), (1, 0.88), (1, 0.88), (3, 0.88)]):
        probabilities[row, answer] = confidence
    figures = evaluate.measure(probabilities, labels, unsure_threshold=0.5)
    assert figures["accuracy"] == 0.75
    assert figures["recall"]["angry"] == 0.5
    assert figures["precision"]["disgust"] == 0.5
    assert figures["confusion"][0][:2] == [1, 1]
    assert figures["ece"] == pytest.approx(0.13)
    assert figures["sure_coverage"] == 1
    assert figures["confidence_groups"]["disgust"][2] == {
        "from": 0.7, "to": 0.9, "count": 2, "right": 1,
    }  # fmt: skip
    assert set(figures["recall"]) == set(LABELS)


def test_the_threshold_keeps_the_wanted_accuracy():
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, True, False, True, False])
    assert evaluate.sure_threshold(confidence, right, 0.9) == 0.8
    assert evaluate.sure_threshold(confidence, right, 0.75) == 0.6
    assert evaluate.sure_threshold(confidence, right, 0.5) == 0.0
    assert evaluate.sure_threshold(confidence, ~right, 1.1) == 1.0


def test_the_interval_is_wilsons():
    low, high = evaluate.interval(2598, 3589)
    assert (low, high) == (pytest.approx(0.7090, abs=1e-4), pytest.approx(0.7383, abs=1e-4))


def test_copies_of_training_images_are_found(splits):
    training, private = splits["Training"], splits["PrivateTest"]
    assert evaluate.without_copies(private, training).all()
    assert not evaluate.without_copies(training, private, training).any()
