"""The state of a training run, and one step, one pass and one measurement of it."""

import contextlib
import hashlib
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from tqdm import tqdm

from mlcore.preprocessing import INPUT_SIZE
from training.checkpoint import CheckpointError, read_checkpoint, reading, write_checkpoint
from training.data import Split
from training.export import exported_with_votes, load_exported
from training.model import LAYERS, EmotionVGG, grow
from training.recipe import Recipe, RecipeError
from training.targets import Teacher, mix, mixed_faces, opinions
from training.winograd import use_winograd

STATISTICS_FACES = 8192
SPEED_STEPS = 4


class StopSignal:
    """A signal handler that lets the step in hand end; a second signal ends it at once."""

    number = 0

    def __call__(self, number: int, frame: object) -> None:
        if self.number:
            raise KeyboardInterrupt
        self.number = number
        # Printing could fail here, where the terminal is gone, and take the step with it.
        with contextlib.suppress(OSError):
            os.write(2, b"\nstopping after this step; once more stops at once\n")


def digest_of(split: Split, recipe: Recipe) -> str:
    """Return what tells whether a recipe makes the same of another split: the digest of its faces,
    labels and, where they count, votes."""
    votes = [split.votes] if recipe.ferplus_weight else []
    digest = hashlib.sha256()
    for part in (split.images, split.labels, *votes):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def parameter_groups(model: EmotionVGG, recipe: Recipe) -> list[dict]:
    """Decay kernels only; normalisation and biases are left alone."""
    kernels = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def narrow_arithmetic_pays(device: torch.device) -> bool:
    """Whether this machine computes bfloat16 in hardware; elsewhere float32 is far quicker."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older releases of torch cannot tell.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


@torch.no_grad()
def accuracy(
    model: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor, size: int
) -> float:
    """Return the share of right answers on prepared inputs, seen at the stage's resolution."""
    model.eval()
    right = 0
    for part, truth in zip(inputs.split(256), labels.split(256), strict=True):
        if size != INPUT_SIZE:
            part = functional.interpolate(part, size, mode="bilinear", antialias=True)
        part = part.to(memory_format=torch.channels_last)
        right += (model(part).argmax(1) == truth).sum().item()
    return right / len(labels)


class Run:
    """The state of a training run: everything that a checkpoint must hold to go on exactly.

    ``position`` is where in the schedule the present pass began, ``pass_end`` where it ends;
    ``order`` are the faces in the order of this pass, of which ``step`` batches are done.
    ``narrow`` computes in bfloat16 where that is safe. ``votes`` says whether FER+ votes taught the
    network anything, in this run or before, and ``data`` is the digest of what it is trained on.

    ``ensemble`` is (N, 7) float32 where the recipe asks for temporal ensembling (Laine & Aila,
    2017): for each face a running average of what the network said of its views, as far as no other
    face was mixed into them. It is part of the face's target, and holds the network to one answer
    for all views of a face, and to what it learned from all faces where a label says something
    else. The network that a run starts from gives the first of these answers; in a run from random
    weights they are the targets.

    ``teacher`` is, where a stage of the recipe distils, the average after the pass before, and in
    the first pass the network that the run starts from.
    """

    def __init__(
        self, recipe: Recipe, device: torch.device, narrow: bool = False, data: str = ""
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.narrow = recipe, device, narrow
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self.epoch, self.position, self.pass_end = 0, 0.0, 0.0
        self.order: torch.Tensor | None = None
        self.step, self.losses = 0, []
        self.best = 0.0
        self.started_from, self.votes, self.data = "", bool(recipe.ferplus_weight), data
        self.ensemble: torch.Tensor | None = None
        self.teacher: Teacher | None = None
        self.adopt(EmotionVGG(recipe.stages[0].depth).to(device))

    def adopt(self, model: EmotionVGG) -> None:
        """Train this network from here on, with a fresh average and optimiser."""
        recipe = self.recipe
        self.model = model.to(memory_format=torch.channels_last)
        if self.device.type == "cpu":
            use_winograd(self.model)
        self.average = AveragedModel(model)
        self.optimiser = torch.optim.SGD(
            parameter_groups(model, recipe),
            lr=0.0,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
        )

    def train_step(
        self, faces: torch.Tensor, targets: torch.Tensor, position: float
    ) -> tuple[float, torch.Tensor]:
        """Learn from one batch at a position of the schedule; return its loss and its logits."""
        stage, first = self.recipe.stage_at(position)
        for group in self.optimiser.param_groups:
            group["lr"] = stage.rate(position - first)
        self.model.freeze(stage.frozen)
        self.average.multi_avg_fn = get_ema_multi_avg_fn(self.recipe.ema_decay_in(stage))
        views = stage.augmentation(faces, stage.size, self.generator)
        mixed = mixed_faces(stage, len(faces))
        if mixed:
            views, targets = mix(views, targets, mixed, stage.mixup, self.generator)
        views = views.contiguous(memory_format=torch.channels_last)
        if stage.distillation:
            said = self.teacher.look_again(views, self.generator, self.narrow)
            targets = targets.lerp(said, stage.distillation)
        loss, logits = self._measure_gradient(views, targets)
        if stage.sharpness:
            values = [*self.model.parameters(), *self.model.buffers()]
            before = [value.detach().clone() for value in values]
            self._climb(stage.sharpness)
            self._measure_gradient(views, targets)
            with torch.no_grad():
                torch._foreach_copy_(values, before)
        self.optimiser.step()
        self.average.update_parameters(self.model)
        return loss, logits

    def _measure_gradient(
        self, views: torch.Tensor, targets: torch.Tensor
    ) -> tuple[float, torch.Tensor]:
        """Leave the gradient of the loss in the parameters; return the loss and the logits."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.narrow):
            logits = self.model(views).float()
        loss = functional.cross_entropy(logits, targets)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss.item()} in epoch {self.epoch + 1}, step {self.step + 1}"
            )
        self.optimiser.zero_grad()
        loss.backward()
        return loss.item(), logits.detach()

    @torch.no_grad()
    def _climb(self, distance: float) -> None:
        """Move the weights up the gradient, by a distance in the space of all of them.

        The gradient taken there is that of sharpness-aware minimisation (Foret et al., 2021). It
        leads to wide minima: a label that only a sharp one could tell from its neighbours, as wrong
        labels are, is not learned by heart. A step takes twice the time.
        """
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        gradients = [weight.grad for weight in weights]
        length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        steepest = torch._foreach_mul(gradients, distance / length.clamp(min=1e-12))
        torch._foreach_add_(weights, steepest)

    def begin_pass(self, faces: torch.Tensor, pass_end: float) -> None:
        """Draw a new order, and grow the network where a stage of another depth begins."""
        stage, _ = self.recipe.stage_at(self.position)
        if self.model.depth != stage.depth:
            views = stage.augmentation(faces[:512], stage.size, self.generator)
            self.adopt(grow(self.average.module, stage.depth, views))
        self.order = torch.randperm(len(faces), generator=self.generator, device=self.device)
        self.pass_end, self.step, self.losses = pass_end, 0, []

    def train_pass(
        self, faces: torch.Tensor, targets: torch.Tensor, left: str, stop: StopSignal
    ) -> bool:
        """Go on with the pass over (N, 48, 48) uint8 faces; return whether it came to its end."""
        batch = self.recipe.batch_size
        steps = len(self.order) // batch
        if self.recipe.ensemble_weight and self.ensemble is None:
            self.ensemble = targets.clone()
        stage, _ = self.recipe.stage_at(self.position)
        mixed = mixed_faces(stage, batch)
        self.model.train()
        share = self.position / self.recipe.epochs
        with tqdm(
            total=steps,
            initial=self.step,
            desc=f"epoch {self.epoch + 1} at {share:.0%}, {left} left in all",
            mininterval=5,
            leave=False,
        ) as progress:
            while self.step < steps:
                if stop.number:
                    return False
                chosen = self.order[self.step * batch : (self.step + 1) * batch]
                position = self.position + (self.pass_end - self.position) * self.step / steps
                wanted = targets[chosen]
                if self.ensemble is not None:
                    wanted = wanted.lerp(self.ensemble[chosen], self.recipe.ensemble_weight)
                loss, logits = self.train_step(faces[chosen], wanted, position)
                if self.ensemble is not None:
                    decay = self.recipe.ensemble_decay
                    seen, said = chosen[mixed:], logits[mixed:].softmax(1)
                    self.ensemble[seen] = self.ensemble[seen].lerp(said, 1 - decay)
                self.losses.append(loss)
                self.step += 1
                progress.set_postfix(loss=f"{np.mean(self.losses[-100:]):.3f}", refresh=False)
                progress.update()
        return True

    def end_pass(
        self, faces: torch.Tensor, inputs: torch.Tensor, labels: torch.Tensor
    ) -> tuple[float, float]:
        """Make the average fit to be used; return the pass's mean loss and the accuracy there."""
        stage, _ = self.recipe.stage_at(self.position)
        if self.recipe.ema_decay_in(stage):
            self._measure_statistics(faces)
        self._follow(self.average.module, stage.size)
        loss, score = (
            float(np.mean(self.losses)),
            accuracy(self.average, inputs, labels, stage.size),
        )
        self.epoch, self.position = self.epoch + 1, self.pass_end
        self.order, self.step, self.losses = None, 0, []
        return loss, score

    def _follow(self, network: EmotionVGG, size: int) -> None:
        """Let this network, as it is now, be the teacher, where the recipe asks for one."""
        if any(stage.distillation for stage in self.recipe.stages):
            self.teacher = Teacher(network, size)

    def _measure_statistics(self, faces: torch.Tensor) -> None:
        """Give the averaged network normalisation statistics of its own.

        Averaged kernels do not see the activations that either end of the average saw, so their
        statistics are measured anew, on STATISTICS_FACES faces (Izmailov et al., 2018).
        """
        stage, _ = self.recipe.stage_at(self.position)
        generator = torch.Generator(self.device).manual_seed(self.recipe.seed)
        views = (
            stage.augmentation(part, stage.size, generator)
            for part in faces[:STATISTICS_FACES].split(256)
        )
        update_bn(views, self.average, device=self.device)

    def step_seconds(self, faces: torch.Tensor, targets: torch.Tensor) -> float:
        """Return how long one step takes, tried on a network that is thrown away."""
        batch = self.recipe.batch_size
        with torch.random.fork_rng():
            trial = Run(self.recipe, self.device, self.narrow)
            stage, _ = self.recipe.stage_at(self.position)
            trial.adopt(EmotionVGG(stage.depth).to(self.device))
            trial.teacher = self.teacher
            trial.train_step(faces[:batch], targets[:batch], self.position)
            started = time.monotonic()
            for _ in range(SPEED_STEPS):
                trial.train_step(faces[:batch], targets[:batch], self.position)
            return (time.monotonic() - started) / SPEED_STEPS

    def save(self, path: Path) -> None:
        """Write the checkpoint. What was there stays where that fails, which raises
        CheckpointError, and where weights are no numbers, which raises FloatingPointError."""
        for network in (self.model, self.average):
            if not all(value.isfinite().all() for value in network.state_dict().values()):
                raise FloatingPointError(
                    f"weights are no numbers any more after epoch {self.epoch}, step {self.step}; "
                    f"{path} is as it was"
                )
        on_gpu = self.device.type == "cuda"
        state = {
            "recipe": self.recipe.name,
            "settings": self.recipe.settings(),
            "depth": self.model.depth,
            "epoch": self.epoch,
            "position": self.position,
            "pass_end": self.pass_end,
            "order": self.order,
            "step": self.step,
            "losses": self.losses,
            "best": self.best,
            "started_from": self.started_from,
            "ensemble": self.ensemble,
            "teacher": self.teacher and self.teacher.state(),
            "votes": self.votes,
            "data": self.data,
            "narrow": self.narrow,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch_generator": torch.get_rng_state(),
            "cuda_generator": torch.cuda.get_rng_state() if on_gpu else None,
        }
        write_checkpoint(path, state)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; raises CheckpointError for one of another recipe or data."""
        state = read_checkpoint(path, self.device)
        with reading(path):
            settings = state.get("settings", self.recipe.settings())
            if state["recipe"] != self.recipe.name or not self.recipe.agrees_with(settings):
                raise CheckpointError(
                    f"{path} was trained with the recipe {state['recipe']}, which differs from "
                    f"{self.recipe.name} as it is now"
                )
            if state.get("data", self.data) != self.data:
                raise CheckpointError(f"{path} was trained on other faces, labels or votes")
            # New networks draw random weights, so they come before the generators' states.
            if state.get("teacher"):
                self.teacher = Teacher.restored(state["teacher"], self.device)
            self.adopt(EmotionVGG(state["depth"]).to(self.device))
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.generator.set_state(state["generator"].cpu())
            torch.set_rng_state(state["torch_generator"].cpu())
            if state.get("cuda_generator") is not None and self.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_generator"].cpu())
            self.epoch, self.best = state["epoch"], state["best"]
            self.position = state.get("position", float(self.epoch))
            self.pass_end = state.get("pass_end", self.position)
            self.order, self.step = state.get("order"), state.get("step", 0)
            self.losses = state.get("losses", [])
            self.started_from = state.get("started_from", "")
            self.votes = state.get("votes", self.votes)
            self.narrow = state.get("narrow", self.narrow)
            self.ensemble = state.get("ensemble")

    def start_from(self, path: Path, faces: torch.Tensor) -> None:
        """Begin with an exported network instead of random weights."""
        stage, _ = self.recipe.stage_at(0)
        network = load_exported(path, stage.augmentation(faces[:512], stage.size, self.generator))
        if list(LAYERS).index(network.depth) > list(LAYERS).index(stage.depth):
            raise RecipeError(
                f"{path} is a {network.depth}, deeper than the {stage.depth} that the recipe "
                f"{self.recipe.name} begins with"
            )
        if self.recipe.ensemble_weight:
            self.ensemble = opinions(network, faces, self.narrow)
        self._follow(network, INPUT_SIZE)
        self.adopt(network)
        self.votes |= exported_with_votes(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.started_from = f"{path.name}, SHA-256 {digest[:12]}…"
