"""Train the network: ``python -m training.train --data fer2013.csv.gz --votes fer2013new.csv``.

Leaves in OUT: ``last.pt``, to go on from; ``best.pt``, the averaged network that did best on
PublicTest, one view a face; ``log.csv``, a line an epoch. On a CPU, a run that was stopped anywhere
and resumed ends with the same weights, to the bit, as one that was not.
"""

import argparse
import csv
import dataclasses
import signal
import sys
import time
from pathlib import Path

import torch

from training.arguments import hours, positive
from training.checkpoint import CheckpointError
from training.data import DataError, Split, load_fer2013
from training.export import ExportError
from training.recipe import Recipe, RecipeError, load_recipe
from training.run import (
    STATISTICS_FACES,
    Run,
    StopSignal,
    digest_of,
    narrow_arithmetic_pays,
)
from training.schedule import Schedule, duration
from training.targets import soft_targets


class Stopped(Exception):
    """The run was asked to stop, and its last checkpoint says where."""


def train(
    recipe: Recipe,
    splits: dict[str, Split],
    out: Path,
    *,
    resume: bool = False,
    start: Path | None = None,
    hours: float | None = None,
    narrow: bool | None = None,
    stop: StopSignal | None = None,
) -> Run:
    """Train to the end of the recipe and leave ``last.pt``, ``best.pt`` and ``log.csv`` in out.

    ``start`` is an exported network to begin from instead of random weights; ``hours`` fits what
    is left of the recipe to a time; ``narrow`` is bfloat16, by default as the checkpoint had it, or
    where it pays. Raises Stopped, with the checkpoint written, after ``stop`` was signalled.
    """
    stop = stop or StopSignal()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    out.mkdir(parents=True, exist_ok=True)
    last = out / "last.pt"
    if last.exists() and not resume:
        raise CheckpointError(f"{last} exists: --resume goes on from it, another --out keeps it")

    chosen = slice(recipe.faces or None)
    faces = torch.from_numpy(splits["Training"].images[chosen]).to(device)
    targets = soft_targets(splits["Training"], recipe)[chosen].to(device)
    check_inputs = splits["PublicTest"].inputs().to(device)
    check_labels = torch.from_numpy(splits["PublicTest"].labels).to(device)
    if len(faces) < recipe.batch_size:
        raise RecipeError(f"{len(faces)} faces are no batch of {recipe.batch_size}")

    data = digest_of(splits["Training"], recipe)
    run = Run(recipe, device, narrow_arithmetic_pays(device), data)
    if last.exists():
        run.load(last)
    elif resume:
        print(f"{last} is not there: beginning anew", file=sys.stderr)
    if run.ensemble is not None and len(run.ensemble) != len(faces):
        raise CheckpointError(f"{last} was trained on {len(run.ensemble)} faces, not {len(faces)}")
    if narrow is not None:
        run.narrow = narrow
    looked_at = len(check_inputs) + min(len(faces), STATISTICS_FACES)
    schedule = Schedule(recipe, len(faces), looked_at, hours)
    if start is not None and not last.exists():
        if recipe.ensemble_weight:
            print(f"asking {start} about {len(faces)} faces", file=sys.stderr, flush=True)
        run.start_from(start, faces)
    if recipe.stages[0].distillation and run.teacher is None:
        raise RecipeError(f"{recipe.name} begins with a teacher: --start names an exported network")
    if recipe.stages[0].frozen and not (
        run.started_from and run.model.depth == recipe.stages[0].depth
    ):
        raise RecipeError(
            f"{recipe.name} freezes convolutions that have not learned yet: --start names an "
            f"exported {recipe.stages[0].depth}"
        )
    if hours is not None and run.position < recipe.epochs:
        stage, _ = recipe.stage_at(run.position)
        schedule.measured_step(stage, run.step_seconds(faces, targets))
        schedule.check(run.position)

    while run.position < recipe.epochs:
        started = time.monotonic()
        stage, _ = recipe.stage_at(run.position)
        whole = run.order is None
        if whole:
            run.begin_pass(faces, schedule.next_position(run.position))
        left = duration(schedule.seconds_left(run.position))
        if not run.train_pass(faces, targets, left, stop):
            run.save(last)
            raise Stopped(f"stopped in epoch {run.epoch + 1} after step {run.step}")
        loss, score = run.end_pass(faces, check_inputs, check_labels)
        seconds = time.monotonic() - started
        if whole:
            schedule.measured_pass(stage, seconds)
        # Only a network of the depth and resolution that serving uses can be the best one.
        final = (stage.depth, stage.size) == (recipe.stages[-1].depth, recipe.stages[-1].size)
        if final and score > run.best:
            run.best = score
            run.save(out / "best.pt")
        run.save(last)
        row = [run.epoch, stage.depth, stage.size, f"{loss:.4f}", f"{score:.4f}", f"{seconds:.0f}"]
        log(out / "log.csv", row)
        line = "epoch {} {} {} px: loss {}, PublicTest {}, {} s".format(*row)
        left = duration(schedule.seconds_left(run.position))
        print(f"{line}; {run.position / recipe.epochs:.0%} done, {left} left", flush=True)
    return run


def log(path: Path, row: list[object]) -> None:
    """Append a line to the log, which any table or plotting tool reads."""
    try:
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(["epoch", "depth", "size", "loss", "public_accuracy", "seconds"])
            writer.writerow(row)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror}") from error


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Train the network on FER2013.")
    parser.add_argument("--recipe", type=Path, default=Path("training/recipes/grown.toml"))
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, .csv.gz or a folder")
    votes = parser.add_mutually_exclusive_group()
    votes.add_argument("--votes", type=Path, help="fer2013new.csv of FER+")
    votes.add_argument(
        "--no-votes", action="store_true", help="train on the labels alone, whatever the recipe"
    )
    parser.add_argument("--out", type=Path, default=Path("var/training"))
    parser.add_argument("--start", type=Path, help="an exported network to begin from")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    parser.add_argument(
        "--hours", type=hours, help="fit what is left of the schedule to this time from now"
    )
    parser.add_argument(
        "--precision",
        choices=["auto", "float32", "bfloat16"],
        default="auto",
        help="auto: as before where a run is resumed, else bfloat16 where the GPU or CPU has it "
        "in hardware",
    )
    parser.add_argument("--threads", type=positive, help="CPU threads (default: all)")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    narrow = {"auto": None, "float32": False, "bfloat16": True}[options.precision]
    stop = StopSignal()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        recipe = load_recipe(options.recipe)
        if options.no_votes:
            recipe = dataclasses.replace(recipe, ferplus_weight=0.0)
        elif recipe.ferplus_weight and options.votes is None:
            raise RecipeError(
                f"{recipe.name} uses FER+ votes: --votes names their file, --no-votes does without"
            )
        splits = load_fer2013(options.data, options.votes)
        train(
            recipe,
            splits,
            options.out,
            resume=options.resume,
            start=options.start,
            hours=options.hours,
            narrow=narrow,
            stop=stop,
        )
    except (
        CheckpointError, DataError, ExportError, FloatingPointError, OSError, RecipeError,
    ) as error:  # fmt: skip
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Stopped, KeyboardInterrupt) as stopped:
        what = str(stopped) or "stopped at once; the last checkpoint is as it was"
        print(f"{what}: go on with the same command and --resume", file=sys.stderr)
        return 128 + (stop.number or signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


if __name__ == "__main__":
    sys.exit(main())
