"""Groups of convolutions that do not learn, while the rest does."""

import copy
import dataclasses

import pytest
import torch

from tests.support.runs import SMOKE, StopAfter, equal
from training.checkpoint import read_checkpoint
from training.model import EmotionVGG
from training.recipe import RecipeError, load_recipe
from training.run import Run, StopSignal
from training.schedule import FORWARD_SHARE, Schedule
from training.train import Stopped, train

RECIPE = load_recipe(SMOKE)
PLAIN = dataclasses.replace(RECIPE.stages[0], epochs=1)


def recipe_of(*stages):
    return dataclasses.replace(RECIPE, stages=stages)


def run_with(**changes):
    """Return a run whose first stage of one epoch differs so, and whose second does not."""
    return Run(recipe_of(dataclasses.replace(PLAIN, **changes), PLAIN), torch.device("cpu"))


@pytest.fixture
def batch(splits):
    labels = splits["Training"].labels[:16]
    return torch.from_numpy(splits["Training"].images[:16]), torch.eye(7)[labels]


def differing(one, other):
    """Return for each group of two networks whether any of its weights differ."""
    return [
        any(
            not torch.equal(value, counterpart)
            for pair in zip(blocks, others, strict=True)
            for value, counterpart in zip(*(block.parameters() for block in pair), strict=True)
        )
        for blocks, others in zip(one.stages(), other.stages(), strict=True)
    ]


def learned(run, faces, targets, position):
    """Return for each group of the network whether a step changed its weights."""
    before = copy.deepcopy(run.model)
    run.train_step(faces, targets, position)
    return differing(run.model, before)


def test_frozen_groups_keep_their_weights_until_their_time_is_over(batch):
    run = run_with(frozen=2)
    assert learned(run, *batch, 0.5) == [False, False, True, True, True]
    assert learned(run, *batch, 1.5) == [True] * 5
    assert learned(run, *batch, 0.5) == [False, False, True, True, True]


def test_the_linear_layer_learns_where_all_groups_are_frozen(batch):
    run = run_with(frozen=5)
    before = run.model.classifier.weight.detach().clone()
    assert learned(run, *batch, 0.5) == [False] * 5
    assert not torch.equal(run.model.classifier.weight, before)


def test_a_sharp_step_leaves_frozen_groups_alone(batch):
    assert learned(run_with(frozen=1, sharpness=0.1), *batch, 0.5) == [False] + [True] * 4


def test_the_average_of_frozen_groups_is_what_they_are(splits):
    run = run_with(frozen=2)
    faces = torch.from_numpy(splits["Training"].images[:64])
    targets = torch.eye(7)[splits["Training"].labels[:64]]
    run.begin_pass(faces, 1.0)
    assert run.train_pass(faces, targets, "", StopSignal())
    assert differing(run.model, run.average.module) == [False, False, True, True, True]


def test_the_time_that_frozen_groups_save_is_reckoned_with():
    def pass_seconds(frozen):
        schedule = Schedule(recipe_of(dataclasses.replace(PLAIN, frozen=frozen)), 1000, 0)
        schedule.measured_step(RECIPE.stages[0], 0.1)
        return schedule.seconds_left(0.0)

    times = [pass_seconds(frozen) for frozen in range(6)]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 6
    assert times[5] / times[0] == pytest.approx(FORWARD_SHARE)


def test_a_run_that_freezes_halfway_is_stopped_and_resumed_to_the_bit(splits, tmp_path):
    recipe = recipe_of(PLAIN, dataclasses.replace(PLAIN, frozen=2), PLAIN)
    recipe = dataclasses.replace(recipe, faces=48)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(recipe, splits, whole)
    for steps in (2, 2):  # of three a pass: before groups are frozen, and while they are
        with pytest.raises(Stopped):
            train(recipe, splits, parts, resume=True, stop=StopAfter(steps))
    train(recipe, splits, parts, resume=True)
    one, other = (read_checkpoint(folder / "last.pt") for folder in (whole, parts))
    assert [key for key in one if not equal(one[key], other[key])] == []


def frozen_from(depth, tmp_path, monkeypatch):
    """Return a recipe that freezes a VGG13, and the path of an exported network of a depth."""
    start = tmp_path / "start.onnx"
    start.write_bytes(b"an exported network")
    monkeypatch.setattr("training.run.exported_with_votes", lambda path: False)
    monkeypatch.setattr("training.run.load_exported", lambda path, views: EmotionVGG(depth))
    return recipe_of(dataclasses.replace(PLAIN, depth="vgg13", frozen=1)), start


@pytest.mark.parametrize("depth", [None, "vgg11"])
def test_what_has_not_learned_yet_is_not_frozen(splits, tmp_path, monkeypatch, depth):
    recipe, start = frozen_from(depth, tmp_path, monkeypatch)
    reason = "freezes convolutions that have not learned yet: --start names an exported vgg13"
    with pytest.raises(RecipeError, match=reason):
        train(recipe, splits, tmp_path / "out", start=depth and start)
    assert not list((tmp_path / "out").iterdir())


def test_what_has_learned_is_frozen(splits, tmp_path, monkeypatch):
    recipe, start = frozen_from("vgg13", tmp_path, monkeypatch)
    train(recipe, splits, tmp_path / "out", start=start)
    assert (tmp_path / "out" / "last.pt").exists()
