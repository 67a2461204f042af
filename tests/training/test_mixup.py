"""Faces that are mixed with others, in the view and in what is to be answered."""

import dataclasses

import pytest
import torch

from tests.support.runs import SMOKE
from training.recipe import load_recipe
from training.run import Run, StopSignal
from training.targets import mix


@pytest.fixture
def run():
    """Return a run whose first stage mixes faces."""
    recipe = load_recipe(SMOKE)
    first, second = recipe.stages
    stages = (dataclasses.replace(first, mixup=0.5), second)
    return Run(dataclasses.replace(recipe, stages=stages), torch.device("cpu"))


def test_each_face_is_mixed_by_a_share_of_its_own_in_view_and_target():
    generator = torch.Generator().manual_seed(1)
    views = torch.rand(9, 3, 8, 8, generator=generator)
    targets = torch.rand(9, 7, generator=generator).softmax(1)
    mixed, wanted = mix(views, targets, 4, 0.5, generator)
    assert torch.equal(mixed[4:], views[4:])
    assert torch.equal(wanted[4:], targets[4:])
    shares = []
    for index, other in enumerate((3, 0, 1, 2)):
        share = ((mixed[index] - views[index]) / (views[other] - views[index])).median()
        for before, after in ((views, mixed), (targets, wanted)):
            expected = before[index].lerp(before[other], share)
            assert torch.allclose(after[index], expected, atol=1e-5)
        shares.append(round(share.item(), 3))
    assert len(set(shares)) == 4
    assert 0 < min(shares) < max(shares) < 0.5


def test_a_step_learns_from_mixed_views_and_targets(run, splits):
    stage = run.recipe.stages[0]
    run.model.dropout.p = 0.0
    faces = torch.from_numpy(splits["Training"].images[:16])
    targets = torch.eye(7)[splits["Training"].labels[:16]]
    generator = torch.Generator().manual_seed(run.recipe.seed)
    views = stage.augmentation(faces, stage.size, generator)
    mixed, wanted = mix(views, targets, 8, 0.5, generator)
    with torch.no_grad():
        expected = torch.nn.functional.cross_entropy(run.model(mixed), wanted).item()
        plain = torch.nn.functional.cross_entropy(run.model(views), targets).item()
    loss, _ = run.train_step(faces, targets, 0.0)
    assert loss == pytest.approx(expected, rel=1e-4)
    assert loss != pytest.approx(plain, rel=1e-3)


def test_what_is_said_of_mixed_views_is_no_answer_about_a_face(run, splits):
    faces = torch.from_numpy(splits["Training"].images)
    targets = torch.eye(7)[splits["Training"].labels]
    run.begin_pass(faces, 1.0)
    batch = run.recipe.batch_size
    steps = len(faces) // batch
    halves = run.order[: steps * batch].view(steps, 2, -1)
    assert run.train_pass(faces, targets, "", StopSignal())
    answered = (run.ensemble != targets).any(1)
    assert answered[halves[:, 1]].all()
    assert answered.sum() == halves[:, 1].numel()
