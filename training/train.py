"""Train the network: ``python -m training.train --data fer2013.csv.gz --votes fer2013new.csv``."""

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from tqdm import tqdm

from mlcore.labels import LABELS
from mlcore.preprocessing import INPUT_SIZE
from training.data import DataError, Split, label_given_votes, load_fer2013
from training.export import ExportError, load_exported
from training.model import EmotionVGG, grow
from training.recipe import Recipe, RecipeError, load_recipe

STATISTICS_FACES = 8192


def soft_targets(split: Split, recipe: Recipe) -> torch.Tensor:
    """Return (N, 7) float32 rows that sum to 1: the smoothed label mixed with the FER+ votes."""
    targets = np.eye(len(LABELS), dtype=np.float32)[split.labels]
    targets = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / len(LABELS)
    if recipe.ferplus_weight:
        targets += recipe.ferplus_weight * (label_given_votes(split) - targets)
    return torch.from_numpy(targets)


def parameter_groups(model: EmotionVGG, recipe: Recipe) -> list[dict]:
    """Decay kernels only; normalisation and biases are left alone."""
    kernels = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


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
    """The state of a training run: everything that a checkpoint must hold to go on exactly."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, device
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self.epoch = 0
        self.best = 0.0
        self.adopt(EmotionVGG(recipe.stages[0].depth).to(device))

    def adopt(self, model: EmotionVGG) -> None:
        """Train this network from here on, with a fresh average and optimiser."""
        recipe = self.recipe
        self.model = model.to(memory_format=torch.channels_last)
        average = get_ema_multi_avg_fn(recipe.ema_decay)
        self.average = AveragedModel(model, multi_avg_fn=average)
        self.optimiser = torch.optim.SGD(
            parameter_groups(model, recipe), lr=0.0, momentum=recipe.momentum, nesterov=True
        )

    def enter_stage(self, faces: torch.Tensor) -> None:
        """Grow the network where the next epoch opens a stage of another depth."""
        stage, first = self.recipe.stage_at(self.epoch)
        if self.epoch == first and self.model.depth != stage.depth:
            views = stage.augmentation(faces[:512], stage.size, self.generator)
            shallow = self.average.module
            self.adopt(grow(shallow, stage.depth, views))

    def measure_statistics(self, faces: torch.Tensor) -> None:
        """Give the averaged network normalisation statistics of its own.

        Averaged kernels do not see the activations that either end of the average saw, so their
        statistics are measured anew, on STATISTICS_FACES faces (Izmailov et al., 2018).
        """
        stage, _ = self.recipe.stage_at(self.epoch - 1)
        generator = torch.Generator(self.device).manual_seed(self.recipe.seed)
        views = (
            stage.augmentation(part, stage.size, generator)
            for part in faces[:STATISTICS_FACES].split(256)
        )
        update_bn(views, self.average, device=self.device)

    def train_epoch(self, faces: torch.Tensor, targets: torch.Tensor) -> float:
        """Run one epoch over (N, 48, 48) uint8 faces and return its mean loss."""
        stage, first = self.recipe.stage_at(self.epoch)
        batch = self.recipe.batch_size
        order = torch.randperm(len(faces), generator=self.generator, device=self.device)
        steps = len(order) // batch
        losses = []
        self.model.train()
        progress = tqdm(
            range(steps), f"epoch {self.epoch + 1}/{self.recipe.epochs}", mininterval=5, leave=False
        )
        for step in progress:
            rate = stage.rate(self.epoch - first + step / steps)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            chosen = order[step * batch : (step + 1) * batch]
            views = stage.augmentation(faces[chosen], stage.size, self.generator)
            views = views.contiguous(memory_format=torch.channels_last)
            loss = functional.cross_entropy(self.model(views), targets[chosen])
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss.item()} in epoch {self.epoch + 1}, step {step + 1}"
                )
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.average.update_parameters(self.model)
            losses.append(loss.item())
            progress.set_postfix(loss=f"{np.mean(losses[-100:]):.3f}")
        self.epoch += 1
        return float(np.mean(losses))

    def save(self, path: Path) -> None:
        """Write the checkpoint beside its final place first, so that an old one is never torn."""
        state = {
            "recipe": self.recipe.name,
            "depth": self.model.depth,
            "epoch": self.epoch,
            "best": self.best,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch_generator": torch.get_rng_state(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same recipe."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.adopt(EmotionVGG(state["depth"]).to(self.device))
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"].cpu())
        torch.set_rng_state(state["torch_generator"].cpu())
        self.epoch, self.best = state["epoch"], state["best"]


def train(
    recipe: Recipe, splits: dict[str, Split], out: Path, resume: bool, start: Path | None = None
) -> Run:
    """Train to the end of the recipe and leave ``last.pt``, ``best.pt`` and ``log.csv`` in out.

    ``start`` is an exported network to begin from instead of random weights.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    out.mkdir(parents=True, exist_ok=True)
    faces = torch.from_numpy(splits["Training"].images).to(device)
    targets = soft_targets(splits["Training"], recipe).to(device)
    check_inputs = splits["PublicTest"].inputs().to(device)
    check_labels = torch.from_numpy(splits["PublicTest"].labels).to(device)
    run = Run(recipe, device)
    if resume and (out / "last.pt").exists():
        run.load(out / "last.pt")
    elif start is not None:
        stage, _ = recipe.stage_at(0)
        views = stage.augmentation(faces[:512], stage.size, run.generator)
        run.adopt(load_exported(start, views))
    while run.epoch < recipe.epochs:
        started = time.monotonic()
        run.enter_stage(faces)
        loss = run.train_epoch(faces, targets)
        stage, _ = recipe.stage_at(run.epoch - 1)
        run.measure_statistics(faces)
        score = accuracy(run.average, check_inputs, check_labels, stage.size)
        # Only a network of the depth and resolution that serving uses can be the best one.
        final = (stage.depth, stage.size) == (recipe.stages[-1].depth, recipe.stages[-1].size)
        if final and score > run.best:
            run.best = score
            run.save(out / "best.pt")
        run.save(out / "last.pt")
        seconds = time.monotonic() - started
        row = [run.epoch, stage.depth, stage.size, f"{loss:.4f}", f"{score:.4f}", f"{seconds:.0f}"]
        with (out / "log.csv").open("a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(["epoch", "depth", "size", "loss", "public_accuracy", "seconds"])
            writer.writerow(row)
        print("epoch {} {} {} px: loss {}, PublicTest {}, {} s".format(*row), flush=True)
    return run


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train the network on FER2013.")
    parser.add_argument("--recipe", type=Path, default=Path("training/recipes/grown.toml"))
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv or .csv.gz")
    parser.add_argument("--votes", type=Path, help="fer2013new.csv of FER+")
    parser.add_argument("--out", type=Path, default=Path("var/training"))
    parser.add_argument("--start", type=Path, help="an exported network to begin from")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all)")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        recipe = load_recipe(options.recipe)
        splits = load_fer2013(options.data, options.votes)
        train(recipe, splits, options.out, options.resume, options.start)
    except (DataError, ExportError, RecipeError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
