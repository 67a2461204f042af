"""A training recipe: a TOML file, read into frozen dataclasses."""

import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from training.augmentation import Augmentation
from training.model import DEPTHS


class RecipeError(Exception):
    """The recipe file is missing or says something that cannot be trained."""


@dataclass(frozen=True)
class Stage:
    """Some epochs of one network depth at one resolution; see ``recipes/grown.toml``."""

    depth: str
    size: int
    epochs: int
    learning_rate: tuple[float, float]
    warmup_epochs: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def rate(self, epochs_done: float) -> float:
        """Return the learning rate at a point of the stage: linear warm-up, then half a cosine."""
        start, end = self.learning_rate
        if epochs_done < self.warmup_epochs:
            return start * (0.1 + 0.9 * epochs_done / self.warmup_epochs)
        share = (epochs_done - self.warmup_epochs) / max(self.epochs - self.warmup_epochs, 1e-9)
        return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run computes, apart from the data."""

    name: str
    seed: int
    batch_size: int
    momentum: float
    weight_decay: float
    label_smoothing: float
    ferplus_weight: float
    ema_decay: float
    stages: tuple[Stage, ...]

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)

    def stage_at(self, epoch: int) -> tuple[Stage, int]:
        """Return the stage that epoch 0, 1, ... belongs to, and that stage's first epoch."""
        first = 0
        for stage in self.stages:
            if epoch < first + stage.epochs:
                return stage, first
            first += stage.epochs
        raise IndexError(f"the recipe has {self.epochs} epochs, not {epoch + 1}")


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; raises RecipeError with the reason where it cannot be used."""
    try:
        values = tomllib.loads(path.read_text())
        stages = []
        for table in values.pop("stage"):
            ranges = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in table.pop("augmentation", {}).items()
            }
            rates = tuple(table.pop("learning_rate"))
            stage = Stage(augmentation=Augmentation(**ranges), learning_rate=rates, **table)
            if stage.depth not in DEPTHS or stage.size < 32 or len(rates) != 2:
                raise ValueError(f"stage {len(stages) + 1}: {table}")
            stages.append(stage)
        return Recipe(name=path.stem, stages=tuple(stages), **values)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from error
