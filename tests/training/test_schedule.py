"""Schedules under a clock of our own: what they promise must hold whatever a pass takes."""

import pytest

from tests.support.runs import RECIPES
from training import schedule
from training.recipe import RecipeError, load_recipe
from training.schedule import Schedule, duration

RECIPE = load_recipe(RECIPES / "grown.toml")
PASS = {("vgg11", 36): 120.0, ("vgg11", 44): 180.0, ("vgg19", 44): 480.0}
"""Seconds that a pass takes on the invented machine."""

NATURAL = 7 * 120 + 2 * 180 + 2 * 480


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(schedule, "time", clock)
    return clock


def travel(clock, hours=None, slower=1.0, step_seconds=0.3):
    """Run through the schedule and return (position, stage) at the start of each pass."""
    plan = Schedule(RECIPE, 28709, 3589 + 8192, hours)
    position, passes = 0.0, []
    if hours is not None:
        plan.measured_step(RECIPE.stages[0], step_seconds)
    while position < RECIPE.epochs:
        stage, _ = RECIPE.stage_at(position)
        passes.append((position, stage))
        position = plan.next_position(position)
        seconds = PASS[stage.depth, stage.size] * slower
        clock.now += seconds
        plan.measured_pass(stage, seconds)
    assert position == RECIPE.epochs
    return passes


def test_without_a_limit_a_pass_is_an_epoch(clock):
    assert [position for position, _ in travel(clock)] == list(range(11))


@pytest.mark.parametrize("share", [0.5, 0.8, 1.3, 4.0])
@pytest.mark.parametrize("slower", [0.7, 1.0, 1.4])
def test_the_whole_schedule_is_fitted_to_the_time(clock, share, slower):
    budget = NATURAL * share
    passes = travel(clock, hours=budget / 3600, slower=slower)
    spent = clock.now - 1000
    longest = max(PASS.values()) * slower
    assert spent <= budget + longest / 2
    assert spent >= budget - 2 * longest
    assert {stage for _, stage in passes} == set(RECIPE.stages)


def test_a_time_that_is_too_short_is_refused_before_it_is_spent(clock):
    plan = Schedule(RECIPE, 28709, 3589 + 8192, hours=0.1)
    plan.measured_step(RECIPE.stages[0], 0.3)
    with pytest.raises(RecipeError, match="one pass of each stage of grown takes about 1"):
        plan.check(0.0)
    plan = Schedule(RECIPE, 28709, 3589 + 8192, hours=1)
    plan.measured_step(RECIPE.stages[0], 0.3)
    plan.check(0.0)


def test_the_time_left_is_that_of_the_passes_left(clock):
    plan = Schedule(RECIPE, 28709, 3589 + 8192)
    assert plan.seconds_left(0.0) is None
    plan.measured_pass(RECIPE.stages[0], 100.0)
    assert plan.seconds_left(6.0) > plan.seconds_left(8.0) > plan.seconds_left(10.0) > 100
    assert plan.seconds_left(11.0) == 0


def test_durations_are_words():
    assert [duration(s) for s in (None, 12, 90, 3660)] == ["unknown time", "12 s", "2 min",
                                                           "1 h 1 min"]  # fmt: skip


def test_a_pass_with_two_gradients_a_step_is_reckoned_as_nearly_twice_as_long(clock):
    recipe = load_recipe(RECIPES / "flattened.toml")
    first, second, third = recipe.stages
    assert [stage.gradients for stage in recipe.stages] == [1, 2, 1]
    assert first.size == second.size == third.size
    plan = Schedule(recipe, 28709, 3589 + 8192)
    plan.measured_pass(first, 100.0)
    of_second = plan.seconds_left(0.0) - 100 * (first.epochs + third.epochs)
    assert 1.8 * 100 < of_second / second.epochs < 2 * 100
    plan.measured_step(second, 2.0)
    slow = plan.seconds_left(0.0)
    plan.measured_step(first, 1.0)
    assert plan.seconds_left(0.0) == slow
