"""Stopping, resuming and what goes wrong in between."""

import copy
import dataclasses
import resource
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.support.runs import RECIPES, SMOKE, StopAfter, equal
from training.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from training.data import Split
from training.model import EmotionVGG
from training.recipe import RecipeError, load_recipe
from training.run import Run, StopSignal, digest_of, narrow_arithmetic_pays
from training.targets import Teacher
from training.train import Stopped, main, train


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(SMOKE)


@pytest.fixture(scope="module")
def whole(recipe, splits, tmp_path_factory):
    """Return the folder of a run that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole")
    train(recipe, splits, out)
    return out


def test_a_run_stopped_anywhere_and_resumed_ends_with_the_same_state(
    recipe, splits, whole, tmp_path
):
    # Six steps a pass: in the first pass, between two, in the second and in the deeper network.
    for steps in (2, 4, 3, 7):
        with pytest.raises(Stopped):
            train(recipe, splits, tmp_path, resume=True, stop=StopAfter(steps))
    stopped = read_checkpoint(tmp_path / "last.pt")
    assert (stopped["depth"], stopped["step"]) == ("vgg13", 4)
    train(recipe, splits, tmp_path, resume=True)
    for name in ("last.pt", "best.pt"):
        one, other = read_checkpoint(whole / name), read_checkpoint(tmp_path / name)
        assert [key for key in one if not equal(one[key], other[key])] == []
    logs = [(folder / "log.csv").read_text().splitlines() for folder in (whole, tmp_path)]
    assert [row.rsplit(",", 1)[0] for row in logs[0]] == [row.rsplit(",", 1)[0] for row in logs[1]]


def test_ctrl_c_in_mid_epoch_ends_with_one_line_and_a_checkpoint(
    fer2013, tmp_path, monkeypatch, capsys
):
    step = Run.train_step

    def interrupted(run, *arguments):
        if (run.epoch, run.step) == (1, 2):
            signal.raise_signal(signal.SIGINT)
        return step(run, *arguments)

    monkeypatch.setattr(Run, "train_step", interrupted)
    before = signal.getsignal(signal.SIGINT)
    arguments = ["--recipe", str(SMOKE), "--data", str(fer2013[0]), "--votes", str(fer2013[1])]
    assert main([*arguments, "--out", str(tmp_path)]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert "stopped in epoch 2 after step 3" in last_line
    assert "--resume" in last_line
    state = read_checkpoint(tmp_path / "last.pt")
    assert (state["epoch"], state["step"]) == (1, 3)


def test_a_second_ctrl_c_ends_at_once_and_leaves_the_checkpoint_before(
    fer2013, tmp_path, monkeypatch, capsys
):
    step = Run.train_step

    def interrupted(run, *arguments):
        if (run.epoch, run.step) == (1, 2):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return step(run, *arguments)

    monkeypatch.setattr(Run, "train_step", interrupted)
    arguments = ["--recipe", str(SMOKE), "--data", str(fer2013[0]), "--votes", str(fer2013[1])]
    assert main([*arguments, "--out", str(tmp_path)]) == 130
    assert "--resume" in capsys.readouterr().err.splitlines()[-1]
    state = read_checkpoint(tmp_path / "last.pt")
    assert (state["epoch"], state["step"]) == (1, 0)


def test_a_run_is_not_resumed_with_other_faces(recipe, splits, whole, tmp_path):
    (tmp_path / "last.pt").write_bytes((whole / "last.pt").read_bytes())
    training = splits["Training"]
    fewer = Split(training.images[:64], training.labels[:64], training.votes[:64])
    otherwise = Split(training.images, np.roll(training.labels, 1), training.votes)
    voteless = Split(training.images, training.labels, None)
    plain = dataclasses.replace(recipe, ferplus_weight=0.0)
    for other in (fewer, otherwise):
        with pytest.raises(CheckpointError, match="was trained on other faces, labels or votes"):
            train(recipe, {**splits, "Training": other}, tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="differs from smoke as it is now"):
        train(plain, {**splits, "Training": voteless}, tmp_path, resume=True)


def test_a_checkpoint_without_a_digest_is_not_resumed_with_fewer_faces(
    recipe, splits, whole, tmp_path
):
    state = read_checkpoint(whole / "last.pt")
    old = {key: value for key, value in state.items() if key not in ("data", "narrow")}
    torch.save(old, tmp_path / "last.pt")
    training = splits["Training"]
    fewer = Split(training.images[:64], training.labels[:64], training.votes[:64])
    with pytest.raises(CheckpointError, match="was trained on 96 faces, not 64"):
        train(recipe, {**splits, "Training": fewer}, tmp_path, resume=True)
    assert train(recipe, splits, tmp_path, resume=True).epoch == 3


def test_votes_belong_to_the_data_only_where_they_count(recipe, splits):
    training = splits["Training"]
    turned = dataclasses.replace(training, votes=np.roll(training.votes, 1, axis=0))
    plain = dataclasses.replace(recipe, ferplus_weight=0.0)
    assert digest_of(training, recipe) != digest_of(turned, recipe)
    assert digest_of(training, plain) == digest_of(turned, plain)


def test_a_run_goes_on_in_the_precision_it_began_with(recipe, whole):
    state = read_checkpoint(whole / "last.pt")
    run = Run(recipe, torch.device("cpu"), not state["narrow"], state["data"])
    run.load(whole / "last.pt")
    assert run.narrow is state["narrow"]


@pytest.mark.parametrize("part", ["model", "average"])
def test_weights_that_are_no_numbers_never_replace_a_checkpoint(recipe, whole, tmp_path, part):
    path = tmp_path / "last.pt"
    path.write_bytes((whole / "last.pt").read_bytes())
    run = Run(recipe, torch.device("cpu"))
    with torch.no_grad():
        next(getattr(run, part).parameters())[0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"last\.pt is as it was"):
        run.save(path)
    assert path.read_bytes() == (whole / "last.pt").read_bytes()


def test_a_run_is_not_begun_anew_over_another(recipe, splits, whole):
    before = (whole / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match="--resume goes on from it"):
        train(recipe, splits, whole)
    assert (whole / "last.pt").read_bytes() == before


def test_a_checkpoint_of_another_recipe_is_refused_in_one_line(splits, whole, tmp_path):
    path = tmp_path / "smoke.toml"
    path.write_text(SMOKE.read_text().replace("momentum = 0.9", "momentum = 0.8"))
    with pytest.raises(CheckpointError, match="differs from smoke as it is now"):
        train(load_recipe(path), splits, whole, resume=True)
    with pytest.raises(CheckpointError, match="was trained with the recipe smoke"):
        train(load_recipe(RECIPES / "grown.toml"), splits, whole, resume=True)


@pytest.mark.parametrize("spoil", ["depth", "cut", "text"])
def test_a_checkpoint_of_another_architecture_or_a_damaged_one_is_refused(
    recipe, splits, whole, tmp_path, spoil
):
    path = tmp_path / "last.pt"
    if spoil == "depth":
        torch.save({**read_checkpoint(whole / "last.pt"), "depth": "vgg11"}, path)
    elif spoil == "cut":
        path.write_bytes((whole / "last.pt").read_bytes()[:100_000])
    else:
        path.write_text("epoch 3")
    reason = r"of this network: .*key\(s\) in state_dict" if spoil == "depth" else r""
    with pytest.raises(CheckpointError, match=rf"last\.pt is no checkpoint.*{reason}") as e:
        train(recipe, splits, tmp_path, resume=True)
    assert "\n" not in str(e.value)
    assert "weights_only" not in str(e.value)


def test_a_full_disk_leaves_the_checkpoint_before_intact(tmp_path):
    path = tmp_path / "last.pt"
    write_checkpoint(path, {"epoch": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses to let any file grow beyond 4 MB, which looks like a disk that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r"last\.pt cannot be written: .*intact"):
            write_checkpoint(path, {"epoch": 2, "weights": torch.zeros(2_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_checkpoint(path) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_an_earlier_release_goes_on_at_its_epoch(recipe, splits, whole, tmp_path):
    state = read_checkpoint(whole / "best.pt")
    old = ("recipe", "depth", "epoch", "best", "model", "average", "optimiser", "generator",
           "torch_generator")  # fmt: skip
    torch.save({key: state[key] for key in old}, tmp_path / "old.pt")
    run = Run(recipe, torch.device("cpu"))
    run.load(tmp_path / "old.pt")
    assert (run.epoch, run.position, run.order) == (3, 3.0, None)


def test_the_schedule_ends_in_the_hours_that_are_given(recipe, splits, tmp_path, monkeypatch):
    ticks = iter(range(10**6))
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    for module in ("training.schedule", "training.train", "training.run"):
        monkeypatch.setattr(f"{module}.time", clock)
    rates = []
    step = Run.train_step

    def noted(run, *arguments):
        loss = step(run, *arguments)
        rates.append(run.optimiser.param_groups[0]["lr"])
        return loss

    monkeypatch.setattr(Run, "train_step", noted)
    # On this clock a step of the first stage takes a quarter of a second, and all three passes of
    # the recipe more time than is left when they are first counted.
    run = train(recipe, splits, tmp_path, hours=17 / 3600)
    assert run.position == recipe.epochs
    assert next(ticks) <= 17
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["vgg11", "vgg13"]
    assert rates[-1] < 0.001


def test_hours_that_are_too_few_are_refused_before_anything_is_trained(
    recipe, splits, tmp_path, capsys
):
    with pytest.raises(RecipeError, match="one pass of each stage of smoke takes about"):
        train(recipe, splits, tmp_path, hours=1e-9)
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit):
        main(["--data", "x", "--hours", "0"])
    assert "--hours" in capsys.readouterr().err


def test_measuring_the_speed_changes_nothing_of_the_run(recipe, splits):
    run = Run(recipe, torch.device("cpu"))
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    state, drawn = run.generator.get_state(), torch.get_rng_state()
    faces = torch.from_numpy(splits["Training"].images)
    targets = torch.full((len(faces), 7), 1 / 7)
    assert run.step_seconds(faces, targets) > 0
    assert equal(before, dict(run.model.state_dict()))
    assert torch.equal(state, run.generator.get_state())
    assert torch.equal(drawn, torch.get_rng_state())


def test_bfloat16_is_the_default_only_where_the_hardware_has_it(monkeypatch):
    cpu = torch.device("cpu")
    for names, pays in (({}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True}, True)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda names=names: names, raising=False)
        assert narrow_arithmetic_pays(cpu) is pays
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert narrow_arithmetic_pays(cpu) is False


def test_bfloat16_learns_nearly_the_same(recipe, splits):
    faces = torch.from_numpy(splits["Training"].images[:16])
    targets = torch.eye(7)[splits["Training"].labels[:16]]
    losses = []
    for narrow in (False, True):
        run = Run(recipe, torch.device("cpu"), narrow)
        losses.append(run.train_step(faces, targets, 0.0)[0])
        assert all(p.dtype == torch.float32 for p in run.model.parameters())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_targets_lean_towards_what_the_network_said_of_the_face_before(recipe, splits):
    run = Run(recipe, torch.device("cpu"))
    faces = torch.from_numpy(splits["Training"].images)
    targets = torch.eye(7)[splits["Training"].labels]
    run.begin_pass(faces, 1.0)
    seen = run.order[: len(faces) // recipe.batch_size * recipe.batch_size]
    assert run.train_pass(faces, targets, "", StopSignal())
    assert torch.allclose(run.ensemble.sum(1), torch.ones(len(faces)))
    # Half of each row is still the label, and half what a network says that has learned little.
    label_shares = (run.ensemble * targets).sum(1)[seen]
    assert label_shares.min() > 0.499
    assert label_shares.median() < 0.75
    assert (targets.sum(1) == 1).all()
    assert set(targets.unique().tolist()) == {0, 1}


def test_a_sharp_step_takes_the_gradient_of_higher_ground_and_makes_it_from_below(recipe, splits):
    stage, _ = recipe.stages
    recipe = dataclasses.replace(
        recipe,
        weight_decay=0.0,
        stages=(
            dataclasses.replace(
                stage, sharpness=0.2, warmup_epochs=0.0, learning_rate=(0.01, 0.01)
            ),
        ),
    )
    run = Run(recipe, torch.device("cpu"))
    run.model.dropout.p = 0.0
    other = copy.deepcopy(run.model)
    faces = torch.from_numpy(splits["Training"].images[:16])
    targets = torch.eye(7)[splits["Training"].labels[:16]]
    generator = torch.Generator().manual_seed(recipe.seed)
    views = recipe.stages[0].augmentation(faces, stage.size, generator)
    views = views.contiguous(memory_format=torch.channels_last)

    def gradients():
        other.zero_grad()
        loss = torch.nn.functional.cross_entropy(other(views), targets)
        loss.backward()
        return loss.item(), [p.grad.clone() for p in other.parameters()]

    low, uphill = gradients()
    statistics = [value.clone() for value in other.buffers()]
    length = torch.cat([gradient.flatten() for gradient in uphill]).norm()
    before = [p.detach().clone() for p in other.parameters()]
    with torch.no_grad():
        for p, gradient in zip(other.parameters(), uphill, strict=True):
            p += 0.2 * gradient / length
    high, expected = gradients()
    assert high > low + 0.1

    loss, _ = run.train_step(faces, targets, 0.0)
    assert loss == pytest.approx(low, rel=1e-4)
    for seen, expected_value in zip(run.model.buffers(), statistics, strict=True):
        assert torch.allclose(seen, expected_value, rtol=1e-4, atol=1e-6)
    # The first step of Nesterov's momentum is 1.9 times the gradient.
    steps = [start - p.detach() for p, start in zip(run.model.parameters(), before, strict=True)]
    made, wanted, naive = (
        torch.cat([part.flatten() for part in parts]) for parts in (steps, expected, uphill)
    )
    assert torch.nn.functional.cosine_similarity(made, wanted, dim=0) > 0.999
    assert torch.nn.functional.cosine_similarity(made, naive, dim=0) < 0.95
    assert made.norm().item() == pytest.approx(0.01 * 1.9 * wanted.norm().item(), rel=0.01)


def test_without_averaging_the_average_is_the_network_itself(recipe, splits, tmp_path):
    path = tmp_path / "plain.toml"
    path.write_text(SMOKE.read_text().replace("ema_decay = 0.5", "ema_decay = 0.0"))
    run = Run(load_recipe(path), torch.device("cpu"))
    faces = torch.from_numpy(splits["Training"].images[:16])
    targets = torch.eye(7)[splits["Training"].labels[:16]]
    for _ in range(2):
        run.train_step(faces, targets, 0.5)
    assert equal(dict(run.model.state_dict()), dict(run.average.module.state_dict()))


@pytest.mark.parametrize(("position", "decay"), [(0.5, 0.5), (2.5, 0.4)])
def test_a_stage_averages_over_as_many_steps_as_it_says(recipe, splits, position, decay):
    run = Run(recipe, torch.device("cpu"))
    run.teacher = Teacher(EmotionVGG("vgg11"), 32)
    faces = torch.from_numpy(splits["Training"].images[:16])
    targets = torch.eye(7)[splits["Training"].labels[:16]]
    run.train_step(faces, targets, position)
    before = copy.deepcopy(run.average.module)
    run.train_step(faces, targets, position)
    networks = (before, run.model, run.average.module)
    for old, new, average in zip(*(network.parameters() for network in networks), strict=True):
        assert not torch.equal(old, new)
        assert torch.allclose(average, new.lerp(old, decay), atol=1e-6)


def test_a_deeper_network_is_no_start_for_a_shallow_recipe(recipe, tmp_path, splits, monkeypatch):
    monkeypatch.setattr("training.run.load_exported", lambda path, views: EmotionVGG("vgg13"))
    with pytest.raises(RecipeError, match="is a vgg13, deeper than the vgg11"):
        train(recipe, splits, tmp_path, start=tmp_path / "deep.onnx")
