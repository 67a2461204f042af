"""Stages of a network that do not learn, while the rest does."""

import copy
import dataclasses
from pathlib import Path

import pytest
import torch

from training import train as training_train
from training.recipe import load_recipe
from training.run import Run, StopSignal
from training.schedule import Schedule

RECIPE = load_recipe(Path(training_train.__file__).parent / "recipes" / "smoke.toml")


def run_with(**changes):
    """Return a run whose first stage of one epoch differs so, and whose second is as the first."""
    first = dataclasses.replace(RECIPE.stages[0], epochs=1)
    stages = (dataclasses.replace(first, **changes), first)
    return Run(dataclasses.replace(RECIPE, stages=stages), torch.device("cpu"))


@pytest.fixture
def batch(splits):
    labels = splits["Training"].labels[:16]
    return torch.from_numpy(splits["Training"].images[:16]), torch.eye(7)[labels]


def learned(run, faces, targets, position):
    """Return for each stage of the network whether a step changed its weights."""
    before = copy.deepcopy(run.model)
    run.train_step(faces, targets, position)
    return [
        any(
            not torch.equal(value, other)
            for block, old in zip(blocks, old_blocks, strict=True)
            for value, other in zip(block.parameters(), old.parameters(), strict=True)
        )
        for blocks, old_blocks in zip(run.model.stages(), before.stages(), strict=True)
    ]


def test_frozen_stages_keep_their_weights_until_their_time_is_over(batch):
    run = run_with(frozen=2)
    assert learned(run, *batch, 0.5) == [False, False, True, True, True]
    assert learned(run, *batch, 1.5) == [True] * 5
    assert learned(run, *batch, 0.5) == [False, False, True, True, True]


def test_the_linear_layer_learns_where_all_stages_are_frozen(batch):
    run = run_with(frozen=5)
    before = run.model.classifier.weight.detach().clone()
    assert learned(run, *batch, 0.5) == [False] * 5
    assert not torch.equal(run.model.classifier.weight, before)


def test_a_sharp_step_leaves_frozen_stages_alone(batch):
    assert learned(run_with(frozen=1, sharpness=0.1), *batch, 0.5) == [False] + [True] * 4


def test_the_average_of_frozen_stages_is_what_they_are(splits):
    run = run_with(frozen=2)
    faces = torch.from_numpy(splits["Training"].images[:64])
    targets = torch.eye(7)[splits["Training"].labels[:64]]
    run.begin_pass(faces, 1.0)
    assert run.train_pass(faces, targets, "", StopSignal())
    pairs = zip(run.model.stages(), run.average.module.stages(), strict=True)
    same = [
        all(
            torch.allclose(a.weight, b.weight, atol=1e-7)
            for block, other in zip(blocks, others, strict=True)
            for a, b in ((block[0], other[0]), (block[1], other[1]))
        )
        for blocks, others in pairs
    ]
    assert same == [True, True, False, False, False]


def test_the_time_that_frozen_stages_save_is_reckoned_with():
    def pass_seconds(frozen):
        stages = (dataclasses.replace(RECIPE.stages[0], epochs=1, frozen=frozen),)
        schedule = Schedule(dataclasses.replace(RECIPE, stages=stages), 1000, 0)
        schedule.measured_step(RECIPE.stages[0], 0.1)
        return schedule.seconds_left(0.0)

    times = [pass_seconds(frozen) for frozen in range(6)]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 6
    assert times[5] / times[0] == pytest.approx(1 / 3, rel=1e-6)
