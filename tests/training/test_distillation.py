"""A teacher's answers about other views of the same faces, as part of what is to be learned."""

import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from mlcore.preprocessing import FACE_SIZE
from tests.support.runs import SMOKE
from training.augmentation import Augmentation
from training.export import SERVED
from training.model import EmotionVGG
from training.recipe import RecipeError, load_recipe
from training.run import Run, StopSignal
from training.schedule import FORWARD_SHARE, Schedule
from training.targets import Teacher, mix
from training.train import train

RECIPE = load_recipe(SMOKE)


def distilling(share: float, **changes):
    """Return the recipe with such a share of a teacher's answers in the targets of its first
    stage."""
    first, second = RECIPE.stages
    stages = (dataclasses.replace(first, distillation=share, **changes), second)
    return dataclasses.replace(RECIPE, stages=stages)


@pytest.fixture
def teacher():
    """Return a teacher that tells views apart, though it learned nothing."""
    torch.manual_seed(3)
    network = EmotionVGG("vgg11")
    torch.nn.init.normal_(network.classifier.weight)
    return Teacher(network, 32)


@pytest.fixture
def batch(splits):
    labels = splits["Training"].labels[:16]
    return torch.from_numpy(splits["Training"].images[:16]), torch.eye(7)[labels]


class Seen(torch.nn.Module):
    """Keeps the views that it is shown, and is sure of nothing."""

    def forward(self, views):
        self.views = views
        return torch.zeros(len(views), 7)


def test_a_teacher_sees_faces_mirrored_or_not_and_as_near_as_the_served_views():
    column = torch.linspace(0, 1, 44)
    teacher = Teacher(Seen(), 44)
    said = teacher.look_again(
        column.repeat(400, 3, 44, 1), torch.Generator().manual_seed(3), narrow=False
    )
    assert torch.allclose(said, torch.full((400, 7), 1 / 7))
    assert teacher.network.views.shape == (400, 3, 44, 44)
    middle = teacher.network.views[:, 0, 22]
    steepness = (middle[:, 26] - middle[:, 17]) / (column[26] - column[17])
    assert 140 < (steepness < 0).sum() < 260
    # A face that is seen nearer changes less from one pixel to the next.
    ends = [side / FACE_SIZE for side in (min(SERVED.windows), max(SERVED.windows))]
    assert steepness.abs().min().item() == pytest.approx(ends[0], abs=0.01)
    assert steepness.abs().max().item() == pytest.approx(ends[1], abs=0.01)


def test_a_teacher_sees_the_resolution_that_it_learned_at():
    teacher = Teacher(Seen(), 32)
    teacher.look_again(torch.rand(2, 3, 44, 44), torch.Generator(), narrow=False)
    assert teacher.network.views.shape == (2, 3, 32, 32)


def test_a_step_learns_a_share_of_what_the_teacher_says_of_mixed_views(teacher, batch):
    faces, targets = batch
    recipe = distilling(0.4, mixup=0.5, augmentation=Augmentation(erasing=1.0))
    run = Run(recipe, torch.device("cpu"))
    run.teacher, stage = teacher, recipe.stages[0]
    run.model.dropout.p = 0.0
    generator = torch.Generator().manual_seed(recipe.seed)
    views = stage.augmentation(faces, stage.size, generator)
    views, wanted = mix(views, targets, 8, 0.5, generator)
    said = teacher.look_again(views, generator, narrow=False)
    with torch.no_grad():
        logits = run.model(views)
    weights = {name: value.clone() for name, value in teacher.network.state_dict().items()}
    loss, _ = run.train_step(faces, targets, 0.0)
    assert loss == pytest.approx(cross_entropy(logits, wanted.lerp(said, 0.4)).item(), rel=1e-4)
    for other in (said, wanted):
        assert loss != pytest.approx(cross_entropy(logits, other).item(), rel=1e-3)
    after = teacher.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in weights.items())


def test_the_average_after_a_pass_teaches_in_the_next(teacher, splits, monkeypatch):
    run = Run(distilling(0.5), torch.device("cpu"))
    run.teacher = teacher
    faces = torch.from_numpy(splits["Training"].images[:64])
    targets = torch.eye(7)[splits["Training"].labels[:64]]
    checked = splits["PublicTest"].inputs(), torch.from_numpy(splits["PublicTest"].labels)
    asked, look_again = [], Teacher.look_again

    def noted(teacher, *arguments):
        asked.append(teacher)
        return look_again(teacher, *arguments)

    monkeypatch.setattr(Teacher, "look_again", noted)
    views, said = torch.rand(8, 3, 32, 32), []
    for pass_end in (1.0, 2.0):
        run.begin_pass(faces, pass_end)
        assert run.train_pass(faces, targets, "", StopSignal())
        run.end_pass(faces, *checked)
        with torch.no_grad():
            said.append(run.average.module.eval()(views))
    first, second = asked[0], asked[-1]
    assert [each is first for each in asked] == [True] * 4 + [False] * 4
    assert first is teacher
    with torch.no_grad():
        assert torch.allclose(second.network(views), said[0], atol=1e-6)
    assert not torch.allclose(said[1], said[0], atol=1e-3)
    assert second.size == 32


def test_where_no_stage_distils_no_teacher_is_kept(splits):
    stages = tuple(dataclasses.replace(stage, distillation=0.0) for stage in RECIPE.stages)
    run = Run(dataclasses.replace(RECIPE, stages=stages), torch.device("cpu"))
    faces = torch.from_numpy(splits["Training"].images[:16])
    targets = torch.eye(7)[splits["Training"].labels[:16]]
    run.begin_pass(faces, 1.0)
    assert run.train_pass(faces, targets, "", StopSignal())
    labels = torch.from_numpy(splits["PublicTest"].labels)
    run.end_pass(faces, splits["PublicTest"].inputs(), labels)
    assert run.teacher is None


def test_a_run_that_begins_with_a_teacher_does_not_begin_without_one(splits, tmp_path):
    with pytest.raises(RecipeError, match="begins with a teacher: --start names"):
        train(distilling(0.5), splits, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_time_that_a_teacher_takes_is_reckoned_with():
    plain, taught = (distilling(share).stages[0] for share in (0.0, 0.5))

    def seconds_left(stage, measured):
        schedule = Schedule(dataclasses.replace(RECIPE, stages=(stage,)), 1000, 0)
        schedule.measured_step(measured, 0.1)
        return schedule.seconds_left(0.0)

    assert seconds_left(taught, plain) / seconds_left(plain, plain) == pytest.approx(
        1 + FORWARD_SHARE
    )
    assert seconds_left(taught, taught) == pytest.approx(seconds_left(plain, plain))
