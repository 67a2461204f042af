"""Recipe -> training -> checkpoint -> export -> evaluation, on a few invented faces."""

import dataclasses
import errno
import json
import re

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from mlcore import EmotionClassifier
from mlcore.model_info import read_model_info
from mlcore.views import ONE_VIEW, Views
from tests.support.runs import RECIPES, StopAfter
from training import evaluate, export
from training.calibration import cross_validate, fit_calibration
from training.card import CARD, render
from training.checkpoint import read_checkpoint
from training.recipe import load_recipe
from training.run import Run
from training.targets import soft_targets
from training.train import Stopped, main, train


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(RECIPES / "smoke.toml")


@pytest.fixture(scope="module")
def trained(recipe, splits, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    train(recipe, splits, out)
    return out


@pytest.fixture(scope="module")
def fitted():
    """Return a list of the logits and labels that ``exported`` was calibrated with."""
    return []


@pytest.fixture(scope="module")
def exported(trained, splits, fitted, tmp_path_factory):
    def noted(*pair):
        fitted.append(pair)
        return fit_calibration(*pair)

    path = tmp_path_factory.mktemp("exported") / "vgg19-fer2013.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "fit_calibration", noted)
        return path, export.export(trained / "best.pt", splits, path, "float16")


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


def test_a_loss_that_is_no_number_stops_the_run(recipe, splits, tmp_path, monkeypatch):
    monkeypatch.setattr("training.recipe.Stage.rate", lambda stage, epochs: 1e30)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        train(recipe, splits, tmp_path)


def test_bad_arguments_end_with_one_line(tmp_path, capsys):
    data = ["--data", str(tmp_path / "nothing.csv")]
    for arguments, reason in ((["--no-votes"], "nothing.csv"), ([], "grown uses FER+ votes")):
        assert main([*data, *arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert reason in error
    with pytest.raises(SystemExit):
        main([*data, "--threads", "0"])
    assert "--threads" in capsys.readouterr().err


def test_labels_alone_can_be_trained_on(fer2013, tmp_path, monkeypatch):
    told = []

    def noted(recipe, splits, out, **options):
        told.append(soft_targets(splits["Training"], recipe))

    monkeypatch.setattr("training.train.train", noted)
    smoke = str(RECIPES / "smoke.toml")
    assert main(["--recipe", smoke, "--data", str(fer2013[0]), "--no-votes"]) == 0
    # 5 % of each target is spread over all classes, and nothing of it is a vote.
    assert told[0].max(1).values.numpy() == pytest.approx(0.95 + 0.05 / 7)


def test_a_run_from_an_export_tells_of_the_votes_that_taught_it(continuing, exported, splits):
    labels_alone = dataclasses.replace(continuing, ferplus_weight=0.0)
    run = Run(labels_alone, torch.device("cpu"))
    assert not run.votes
    run.start_from(exported[0], torch.from_numpy(splits["Training"].images))
    assert run.votes


def test_the_exported_file_answers_like_the_trained_network(exported, trained, splits):
    path, metadata = exported
    network, _ = export.load_averaged(trained / "best.pt")
    with torch.no_grad():
        logits = network(splits["PrivateTest"].inputs())
        logits += torch.tensor(list(metadata["biases"].values()))
        logits /= metadata["temperature"]
    served = EmotionClassifier(path).predict(evaluate.faces_of(splits["PrivateTest"]), ONE_VIEW)
    assert metadata["weights"]["parity"] < export.PARITY
    # The file's kernels are rounded to float16, which that is measured without.
    assert np.abs(served - logits.softmax(1).numpy()).max() < export.STORED_PARITY


def spoil_folding(stages):
    stages[2][0][1][:] += 0.05
    return stages


def spoil_with_nan(stages):
    stages[0][0][0][0] = np.nan
    return stages


@pytest.mark.parametrize("spoil", [spoil_folding, spoil_with_nan])
def test_a_file_that_computes_something_else_is_not_exported(
    trained, splits, tmp_path, monkeypatch, spoil
):
    fold = export.fold
    monkeypatch.setattr(export, "fold", lambda network: spoil(fold(network)))
    with pytest.raises(export.ExportError, match="torch and ONNX Runtime differ by"):
        export.export(trained / "best.pt", splits, tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_what_was_there(exported, trained, splits, monkeypatch):
    path, _ = exported
    before = {each: each.read_bytes() for each in path.parent.iterdir()}
    copy = export.shutil.copyfile

    def full(source, target):
        if source.suffix == ".json":
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return copy(source, target)

    monkeypatch.setattr(export.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        export.export(trained / "best.pt", splits, path, "float16")
    assert {each: each.read_bytes() for each in path.parent.iterdir()} == before


def test_a_damaged_neighbour_is_named(tmp_path):
    out = tmp_path / "network.onnx"
    for content in ("{", "[]", "{}"):
        out.with_suffix(".json").write_text(content)
        with pytest.raises(export.ExportError, match=r"network\.json is damaged"):
            export.next_version(out)


def test_stored_kernels_are_the_trained_ones_to_float16(exported, trained):
    stored = {c.name: numpy_helper.to_array(c) for c in onnx.load(exported[0]).graph.initializer}
    folded = export.fold(export.load_averaged(trained / "best.pt")[0])
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
        logits = network(splits["PublicTest"].inputs())
        network.dropout.p = 0.0
        in_training = network.train()(inputs).softmax(1)
        in_service = network.eval()(inputs).softmax(1)
    served = EmotionClassifier(path).logits(evaluate.faces_of(splits["PublicTest"]), ONE_VIEW)
    # What calibration added to the file's answers is no part of the network.
    biases = np.array(list(metadata["biases"].values()), np.float32)
    assert np.abs(biases).max() > 10 * export.PARITY
    assert np.abs(served - biases - logits.numpy()).max() < export.PARITY
    assert (in_training - in_service).abs().max() < 0.05


@pytest.fixture(scope="module")
def continuing(recipe):
    """Return a recipe that an exported network can be trained on with, quickly."""
    stage = dataclasses.replace(recipe.stages[1], size=32, sharpness=0.0)
    return dataclasses.replace(recipe, stages=(stage,))


def test_a_run_from_an_export_begins_with_its_answers(continuing, exported, splits):
    training = splits["Training"]
    run = Run(continuing, torch.device("cpu"))
    path, metadata = exported
    run.start_from(path, torch.from_numpy(training.images))
    served = EmotionClassifier(path).logits(evaluate.faces_of(training), Views(mirrored=True))
    odds = np.exp(served - list(metadata["biases"].values()))
    assert np.abs(run.ensemble.numpy() - odds / odds.sum(1, keepdims=True)).max() < 0.05
    single = EmotionClassifier(path).logits(evaluate.faces_of(training), ONE_VIEW)
    taught = run.teacher.network(training.inputs()).numpy()
    assert np.abs(single - list(metadata["biases"].values()) - taught).max() < 0.05


def test_a_run_from_an_export_that_is_stopped_and_resumed_ends_the_same(
    continuing, exported, splits, tmp_path
):
    train(continuing, splits, tmp_path / "whole", start=exported[0])
    with pytest.raises(Stopped):
        train(continuing, splits, tmp_path / "parts", start=exported[0], stop=StopAfter(2))
    train(continuing, splits, tmp_path / "parts", start=exported[0], resume=True)
    one, other = (read_checkpoint(tmp_path / part / "last.pt") for part in ("whole", "parts"))
    assert torch.equal(one["ensemble"], other["ensemble"])
    assert all(torch.equal(value, other["model"][name]) for name, value in one["model"].items())


def test_the_file_is_calibrated_for_its_answers_as_they_are_served(exported, fitted, splits):
    path, metadata = exported
    ((logits, labels),) = fitted
    temperature, biases = fit_calibration(logits, labels)
    assert (metadata["temperature"], [*metadata["biases"].values()]) == (temperature, biases)
    assert metadata["cross_validation"] == cross_validate(logits, labels)
    public, served = splits["PublicTest"], EmotionClassifier(path)
    assert labels.tolist() == public.labels.tolist()
    expected = logits.numpy() + np.array(biases, np.float32)
    difference = {
        views: np.abs(served.logits(evaluate.faces_of(public), views) - expected).max()
        for views in (export.SERVED, ONE_VIEW)
    }
    assert difference[export.SERVED] < export.PARITY < 0.01 < difference[ONE_VIEW]
    assert served.model.views == export.SERVED


def test_a_file_that_is_no_export_cannot_be_started_from(recipe, splits, tmp_path):
    odd = tmp_path / "odd.onnx"
    odd.write_bytes(b"no network")
    with pytest.raises(export.ExportError, match=r"odd\.onnx is no export"):
        train(recipe, splits, tmp_path, start=odd)


def test_the_file_and_its_neighbour_tell_the_same(exported):
    path, metadata = exported
    inside = EmotionClassifier(path).model
    assert read_model_info(path) == inside
    assert inside.temperature == metadata["temperature"]
    assert inside.metrics["PrivateTest"]["count"] == 40


def test_an_export_brings_its_card(exported):
    path, metadata = exported
    card = (path.parent / CARD).read_text()
    beside = json.loads(path.with_suffix(".json").read_text())
    assert card == render(beside, None)
    assert metadata["training"] == {
        "recipe": "smoke",
        "epochs": 3,
        "ferplus_weight": 0.3,
        "started_from": "",
    }
    assert "training/recipes/smoke.toml" in card
    assert "Macro F1" in card


def test_networks_of_one_day_have_versions_of_their_own(tmp_path):
    out = tmp_path / "network.onnx"
    first = export.next_version(out)
    assert re.fullmatch(r"\d{4}\.\d\d\.\d\d", first)
    for shipped, following in ((first, f"{first}.2"), (f"{first}.9", f"{first}.10")):
        out.with_suffix(".json").write_text(json.dumps({"version": shipped}))
        assert export.next_version(out) == following
    out.with_suffix(".json").write_text(json.dumps({"version": "2001.01.01.3"}))
    assert export.next_version(out) == first


def test_a_failed_export_leaves_what_was_there(exported, trained, splits, monkeypatch):
    path, _ = exported
    before = {each: each.read_bytes() for each in path.parent.iterdir()}
    monkeypatch.setattr(export, "PARITY", -1.0)
    with pytest.raises(export.ExportError, match="differ"):
        export.export(trained / "best.pt", splits, path)
    assert {each: each.read_bytes() for each in path.parent.iterdir()} == before


def test_the_command_measures_what_the_metadata_says(exported, fer2013, capsys):
    path, metadata = exported
    assert evaluate.main(["--model", str(path), "--data", str(fer2013[0])]) == 0
    assert json.loads(capsys.readouterr().out) == metadata["metrics"]["PrivateTest"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"depth": "vgg11", "average": {"module.nothing": torch.zeros(1)}}, "is no checkpoint"),
        ({"depth": "vgg99", "average": {}}, "is no checkpoint"),
        ([1, 2], "is no checkpoint"),
        ({"depth": "vgg11", "average": {}, "step": 7}, "was stopped in mid-epoch"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, fer2013, capsys, content, reason):
    odd = tmp_path / "odd.pt"
    torch.save(content, odd)
    arguments = ["--checkpoint", str(odd), "--data", str(fer2013[0])]
    assert export.main([*arguments, "--out", str(tmp_path / "out.onnx")]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "fer2013.csv" not in line]
    assert f"odd.pt {reason}" in line
    assert not (tmp_path / "out.onnx").exists()
