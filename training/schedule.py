"""How many passes over the data each stage of a recipe gets, and how long that takes."""

import time

from training.model import work
from training.recipe import Recipe, RecipeError, Stage

FORWARD_SHARE = 1 / 3
"""Of the time that training on an image takes, what only looking at it takes; with the convolutions
of ``training.winograd`` nearer a half. What passes take is measured, so this only parts it."""


class Schedule:
    """Leads through a recipe, in its own number of epochs or in a given time.

    A position is a number of epochs of the recipe, 0...recipe.epochs. Without a time limit a pass
    over the data is one epoch. With one, passes are longer or shorter steps through the same
    schedule, so that the learning rate reaches its end in any case; what was measured of the passes
    before decides, and every stage gets one pass at least.

    ``trained`` and ``looked_at`` are the images that a pass trains on and only looks at.
    """

    def __init__(
        self, recipe: Recipe, trained: int, looked_at: int, hours: float | None = None
    ) -> None:
        self.recipe = recipe
        self._trained, self._looked_at = trained, looked_at
        self._deadline = None if hours is None else time.monotonic() + hours * 3600
        self._speed: float | None = None

    @property
    def is_limited(self) -> bool:
        return self._deadline is not None

    @staticmethod
    def _work(stage: Stage) -> float:
        """Return what training on an image takes, where looking at it takes ``model.work``."""
        looking = work(stage.depth, stage.size)
        # What does not learn needs no gradient, which takes the rest of the time.
        learning = looking - work(stage.depth, stage.size, stage.frozen)
        gradient = looking + learning * (1 / FORWARD_SHARE - 1)
        return stage.gradients * gradient + (looking if stage.distillation else 0)

    def measured_step(self, stage: Stage, seconds: float) -> None:
        """Learn from the time that one training step took."""
        self._speed = self.recipe.batch_size * self._work(stage) / seconds

    def measured_pass(self, stage: Stage, seconds: float) -> None:
        """Learn from the time that a whole pass took, with all that belongs to it."""
        self._speed = self._pass_work(stage) / seconds

    def _pass_work(self, stage: Stage) -> float:
        looking = self._looked_at * work(stage.depth, stage.size)
        return self._trained * self._work(stage) + looking

    def _pass_seconds(self, stage: Stage) -> float:
        return self._pass_work(stage) / self._speed

    def _passes(self, position: float) -> list[tuple[Stage, float, int]]:
        """Return the stages that are left, their epochs, and the passes that they get."""
        left = self.recipe.left(position)
        stretch = 1.0
        if left and self.is_limited and self._speed:
            needed = sum(epochs * self._pass_seconds(stage) for stage, epochs in left)
            stretch = max(0.0, self._deadline - time.monotonic()) / needed
        return [(stage, epochs, max(1, int(epochs * stretch + 1e-9))) for stage, epochs in left]

    def check(self, position: float) -> None:
        """Raise RecipeError where the time is too short for one pass of each stage."""
        least = sum(self._pass_seconds(stage) for stage, _ in self.recipe.left(position))
        given = self._deadline - time.monotonic()
        if least > given:
            raise RecipeError(
                f"one pass of each stage of {self.recipe.name} takes about {duration(least)} "
                f"here, and {duration(max(given, 0))} are given"
            )

    def next_position(self, position: float) -> float:
        """Return where in the schedule the pass that begins at a position ends."""
        stage, epochs, passes = self._passes(position)[0]
        _, first = self.recipe.stage_at(position)
        return first + stage.epochs if passes == 1 else position + epochs / passes

    def seconds_left(self, position: float) -> float | None:
        """Return how long the rest takes, or None before anything was measured."""
        if not self._speed:
            return None
        return sum(
            passes * self._pass_seconds(stage) for stage, _, passes in self._passes(position)
        )


def duration(seconds: float | None) -> str:
    """Return seconds in words, for example ``1 h 20 min``."""
    if seconds is None:
        return "unknown time"
    minutes = round(seconds / 60)
    if minutes == 0:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
