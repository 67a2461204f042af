"""A training recipe: a TOML file, read into frozen dataclasses."""

import dataclasses
import json
import math
import tomllib
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from mlcore.preprocessing import FACE_SIZE
from training.augmentation import Augmentation
from training.model import CHANNELS, DEPTHS, SMALLEST_SIZE


class RecipeError(Exception):
    """The recipe file is missing or says something that cannot be trained."""


@dataclass(frozen=True)
class StepDecay:
    """From epoch ``start`` of a stage on, the rate is multiplied by ``factor`` after ``every``
    further epochs."""

    start: float
    every: float
    factor: float

    def at(self, epochs_done: float) -> float:
        return self.factor ** max(0, math.floor((epochs_done - self.start) / self.every))


@dataclass(frozen=True)
class Stage:
    """Some epochs of one network depth at one resolution; see ``recipes/grown.toml``.

    ``learning_rate`` is that at the start and at the end, half a cosine apart, or one number that
    stays; ``decay`` lowers it in steps besides. ``sharpness`` is how far the weights are moved up
    the gradient before the gradient that counts is taken (``run.Run._climb``), 0 for no such move.
    ``mixup`` is the largest share of another face in half of a batch's views (``targets.mix``).
    ``distillation`` is the share in the targets of what a teacher says of other views of the same
    faces (``targets.Teacher``), after all else, mixup included; 0 for no teacher. ``frozen`` is how
    many of the network's groups of convolutions between poolings, from the first, do not learn; it
    needs a network that has learned before. ``ema_decay`` stands in for the recipe's.
    """

    depth: str
    size: int
    epochs: int
    learning_rate: tuple[float, float]
    warmup_epochs: float = 0.0
    decay: StepDecay | None = None
    sharpness: float = 0.0
    mixup: float = 0.0
    distillation: float = 0.0
    frozen: int = 0
    ema_decay: float | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def gradients(self) -> int:
        """How many gradients a step takes."""
        return 2 if self.sharpness else 1

    def rate(self, epochs_done: float) -> float:
        """Return the learning rate at a point of the stage, after a linear warm-up."""
        start, end = self.learning_rate
        if epochs_done < self.warmup_epochs:
            return start * (0.1 + 0.9 * epochs_done / self.warmup_epochs)
        share = (epochs_done - self.warmup_epochs) / max(self.epochs - self.warmup_epochs, 1e-9)
        rate = end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
        return rate * self.decay.at(epochs_done) if self.decay else rate


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run computes, apart from the data.

    ``ferplus_weight`` is the share of the FER+ votes in the targets; ``ema_decay`` is per step,
    and 0 stands for no averaging; ``faces`` limits training to the first so many, 0 to none.
    ``ensemble_weight`` is the share in the targets of what the network itself said of a face in
    the passes before, averaged with ``ensemble_decay`` per answer; see ``run.Run``.
    """

    name: str
    seed: int
    batch_size: int
    momentum: float
    weight_decay: float
    label_smoothing: float
    ferplus_weight: float
    ema_decay: float
    stages: tuple[Stage, ...]
    nesterov: bool = True
    faces: int = 0
    ensemble_weight: float = 0.0
    ensemble_decay: float = 0.9

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stages)

    def ema_decay_in(self, stage: Stage) -> float:
        return self.ema_decay if stage.ema_decay is None else stage.ema_decay

    def stage_at(self, position: float) -> tuple[Stage, int]:
        """Return the stage at so many epochs of the schedule, and where that stage begins."""
        first = 0
        for stage in self.stages:
            if position < first + stage.epochs:
                return stage, first
            first += stage.epochs
        raise IndexError(f"the schedule has {self.epochs} epochs and ends before {position}")

    def left(self, position: float) -> list[tuple[Stage, float]]:
        """Return the stages that are not over yet, and how many epochs each of them has left."""
        left, end = [], 0
        for stage in self.stages:
            end += stage.epochs
            if position < end:
                left.append((stage, min(stage.epochs, end - position)))
        return left

    def settings(self) -> str:
        """Return all settings as JSON."""
        return json.dumps(dataclasses.asdict(self))

    def agrees_with(self, settings: str) -> bool:
        """Whether ``settings()``, of this or of an earlier release, trains an equal network.

        What an earlier release did not know stands at its default.
        """
        return _agree(json.loads(settings), self)


def _agree(stored: object, own: object) -> bool:
    if dataclasses.is_dataclass(own):
        fields = {f.name: f.default for f in dataclasses.fields(own)}
        return (
            stored is not None
            and stored.keys() <= fields.keys()
            and all(
                _agree(stored[name], getattr(own, name))
                if name in stored
                else getattr(own, name) == default
                for name, default in fields.items()
            )
        )
    if isinstance(own, tuple):
        return len(stored) == len(own) and all(map(_agree, stored, own))
    return stored == own


def _build(kind: type, values: dict, place: str):
    """Make a dataclass of a TOML table; raises ValueError that names what does not belong there."""
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{place} has no setting {name!r}")
        expected = known[name].type
        numbers = {float: (int, float), float | None: (int, float), int: (int,)}.get(expected, ())
        if numbers and (isinstance(value, bool) or not isinstance(value, numbers)):
            raise ValueError(f"{name} = {value!r} in {place} is no number of the right kind")
    for name, known_field in known.items():
        optional = (known_field.default, known_field.default_factory)
        if name not in values and optional == (dataclasses.MISSING, dataclasses.MISSING):
            raise ValueError(f"{place} lacks {name}")
    return kind(**values)


def _pair(value: object, place: str) -> tuple[float, float]:
    values = value if isinstance(value, list) else [value, value]
    if len(values) != 2 or any(type(number) not in (int, float) for number in values):
        raise ValueError(f"{value!r} in {place} is neither a number nor two")
    return values[0], values[1]


def _stage(values: dict, place: str) -> Stage:
    values = dict(values)
    ranges = dict(values.get("augmentation", {}))
    if "scale" in ranges:
        ranges["scale"] = _pair(ranges["scale"], f"{place}'s augmentation")
    values["augmentation"] = _build(Augmentation, ranges, f"{place}'s augmentation")
    if "decay" in values:
        values["decay"] = _build(StepDecay, values["decay"], f"{place}'s decay")
    if "learning_rate" in values:
        values["learning_rate"] = _pair(values["learning_rate"], place)
    stage = _build(Stage, values, place)
    largest = FACE_SIZE if stage.augmentation.ten_crop else math.inf
    for holds, wanted in (
        (stage.depth in DEPTHS, f"depth one of {', '.join(DEPTHS)}"),
        (SMALLEST_SIZE <= stage.size <= largest, f"size at least {SMALLEST_SIZE}, and at most "
         f"{FACE_SIZE} for crops"),
        (stage.epochs >= 1, "epochs at least 1"),
        (0 <= stage.warmup_epochs <= stage.epochs, "warmup_epochs between 0 and epochs"),
        (min(stage.learning_rate) >= 0, "learning_rate at least 0"),
        (0 <= stage.augmentation.erasing <= 1, "erasing from 0 to 1"),
        (0 <= stage.augmentation.blur <= 1, "blur from 0 to 1"),
        (0 <= stage.sharpness < math.inf, "sharpness at least 0"),
        (0 <= stage.mixup <= 0.5, "mixup from 0 to 0.5"),
        (0 <= stage.distillation <= 1, "distillation from 0 to 1"),
        (0 <= stage.frozen <= len(CHANNELS), f"frozen from 0 to {len(CHANNELS)}"),
        (stage.ema_decay is None or 0 < stage.ema_decay < 1, "ema_decay between 0 and 1"),
        (stage.decay is None or stage.decay.every > 0, "decay.every above 0"),
    ):  # fmt: skip
        if not holds:
            raise ValueError(f"{place} needs {wanted}")
    return stage


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; raises RecipeError with the reason where it cannot be used."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = values.pop("stage", [])
        stages = tuple(_stage(table, f"stage {n}") for n, table in enumerate(tables, start=1))
        recipe = _build(Recipe, {"name": path.stem, "stages": stages, **values}, "the recipe")
        for holds, wanted in (
            (stages, "a [[stage]]"),
            (recipe.batch_size >= 2, "batch_size at least 2"),
            (0 <= recipe.momentum < 1, "momentum from 0 to below 1"),
            (recipe.momentum > 0 or not recipe.nesterov, "momentum above 0 for nesterov"),
            (recipe.weight_decay >= 0, "weight_decay at least 0"),
            (0 <= recipe.label_smoothing <= 1, "label_smoothing from 0 to 1"),
            (0 <= recipe.ferplus_weight <= 1, "ferplus_weight from 0 to 1"),
            (0 <= recipe.ema_decay < 1, "ema_decay from 0 to below 1"),
            (0 <= recipe.ensemble_weight < 1, "ensemble_weight from 0 to below 1"),
            (0 <= recipe.ensemble_decay < 1, "ensemble_decay from 0 to below 1"),
            (not any(new.frozen and new.depth != old.depth for old, new in pairwise(stages)),
             "nothing frozen where layers are added"),
            (recipe.faces == 0 or recipe.faces >= recipe.batch_size, "faces for a batch"),
        ):  # fmt: skip
            if not holds:
                raise ValueError(f"it needs {wanted}")
        return recipe
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise RecipeError(f"{path}: {error}") from error
