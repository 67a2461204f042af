"""A teacher's answers about other views of the same faces, as part of what is to be learned."""

import dataclasses
from pathlib import Path

import pytest
import torch

from training import train as training_train
from training.model import EmotionVGG
from training.recipe import load_recipe
from training.run import Run, StopSignal
from training.schedule import FORWARD_SHARE, Schedule
from training.targets import second_look

RECIPE = load_recipe(Path(training_train.__file__).parent / "recipes" / "smoke.toml")


class Seen(torch.nn.Module):
    """Keeps the views that it is shown, and is sure of nothing."""

    def forward(self, views):
        self.views = views
        return torch.zeros(len(views), 7)


@pytest.fixture
def distilling():
    """Return a run whose first stage learns from nothing but a teacher, which there is."""
    first, second = RECIPE.stages
    stages = (dataclasses.replace(first, distillation=1.0), second)
    run = Run(dataclasses.replace(RECIPE, stages=stages), torch.device("cpu"))
    run.teacher = EmotionVGG("vgg11").eval().to(memory_format=torch.channels_last)
    torch.nn.init.normal_(run.teacher.classifier.weight)
    return run


def test_a_teacher_sees_faces_mirrored_or_not_and_as_near_as_the_served_views():
    column = torch.linspace(0, 1, 44)
    views = column.repeat(400, 3, 44, 1)
    teacher = Seen()
    said = second_look(teacher, views, torch.Generator().manual_seed(3), False)
    assert torch.allclose(said, torch.full((400, 7), 1 / 7))
    assert teacher.views.shape == views.shape
    middle = teacher.views[:, 0, 22]
    steepness = (middle[:, 26] - middle[:, 17]) / (column[26] - column[17])
    assert 140 < (steepness < 0).sum() < 260
    # A face that is seen nearer changes less from one pixel to the next.
    assert steepness.abs().min().item() == pytest.approx(44 / 48, abs=0.01)
    assert steepness.abs().max().item() == pytest.approx(50 / 48, abs=0.01)


def test_a_step_learns_what_the_teacher_says_of_other_views(distilling, splits):
    run, stage = distilling, distilling.recipe.stages[0]
    run.model.dropout.p = 0.0
    faces = torch.from_numpy(splits["Training"].images[:16])
    targets = torch.eye(7)[splits["Training"].labels[:16]]
    generator = torch.Generator().manual_seed(run.recipe.seed)
    views = stage.augmentation(faces, stage.size, generator)
    said = second_look(run.teacher, views, generator, False)
    with torch.no_grad():
        logits = run.model(views)
    expected, plain = (
        torch.nn.functional.cross_entropy(logits, wanted).item() for wanted in (said, targets)
    )
    weights = {name: value.clone() for name, value in run.teacher.state_dict().items()}
    loss, _ = run.train_step(faces, targets, 0.0)
    assert loss == pytest.approx(expected, rel=1e-4)
    assert loss != pytest.approx(plain, rel=1e-3)
    assert all(
        torch.equal(value, weights[name]) for name, value in run.teacher.state_dict().items()
    )


def test_the_average_after_a_pass_teaches_in_the_next(splits):
    run = Run(RECIPE, torch.device("cpu"))
    faces = torch.from_numpy(splits["Training"].images[:64])
    targets = torch.eye(7)[splits["Training"].labels[:64]]
    assert run.teacher is None
    run.begin_pass(faces, 1.0)
    assert run.train_pass(faces, targets, "", StopSignal())
    run.end_pass(
        faces, splits["PublicTest"].inputs(), torch.from_numpy(splits["PublicTest"].labels)
    )
    views = torch.rand(8, 3, 32, 32)
    before = run.teacher(views)
    assert torch.allclose(before, run.average.module.eval()(views))
    run.begin_pass(faces, 2.0)
    assert run.train_pass(faces, targets, "", StopSignal())
    assert torch.equal(run.teacher(views), before)
    assert not torch.allclose(run.average.module.eval()(views), before)


def test_where_no_stage_distils_no_teacher_is_kept(splits):
    stages = tuple(dataclasses.replace(stage, distillation=0.0) for stage in RECIPE.stages)
    run = Run(dataclasses.replace(RECIPE, stages=stages), torch.device("cpu"))
    faces = torch.from_numpy(splits["Training"].images[:16])
    targets = torch.eye(7)[splits["Training"].labels[:16]]
    run.begin_pass(faces, 1.0)
    assert run.train_pass(faces, targets, "", StopSignal())
    run.end_pass(
        faces, splits["PublicTest"].inputs(), torch.from_numpy(splits["PublicTest"].labels)
    )
    assert run.teacher is None


def test_the_time_that_a_teacher_takes_is_reckoned_with():
    plain = dataclasses.replace(RECIPE.stages[0], distillation=0.0)
    taught = dataclasses.replace(plain, distillation=0.5)
    seconds = []
    for stage in (plain, taught):
        schedule = Schedule(dataclasses.replace(RECIPE, stages=(stage,)), 1000, 0)
        schedule.measured_step(plain, 0.1)
        seconds.append(schedule.seconds_left(0.0))
    assert seconds[1] / seconds[0] == pytest.approx(1 + FORWARD_SHARE)
