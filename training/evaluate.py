"""Measure an exported network as it is served: ``python -m training.evaluate --data fer2013.csv``.

Everything goes through ``mlcore``: the file, the preprocessing and the calibration that users get,
not the network that was trained. What one view of a face alone would give, and it with its mirror
image, is told besides. Without ``--report`` one split is measured, as ``training.export`` does,
which takes a minute on two cores; ``--windows`` measures other views than those that are served.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from mlcore import EmotionAnalyser, EmotionClassifier
from mlcore.errors import MLCoreError
from mlcore.model_info import MODEL_PATH, ModelInfo
from mlcore.preprocessing import FACE_SIZE, INPUT_SIZE
from mlcore.views import ONE_VIEW, Views
from training.arguments import positive
from training.audit import find_copies
from training.data import DataError, Split, load_fer2013, majority, shares_of_labels
from training.metrics import measure, share_right
from training.photos import PHOTO, measure_photos
from training.robustness import measure_robustness

SEED = 2013

UNCALIBRATED = ("count", "accuracy", "accuracy_interval", "macro_recall")
"""Figures that are told of views that are not served: the others depend on the temperature. The
biases in the logits, which were fitted for the served views, too, are left as they are."""

OTHER_VIEWS = {
    "single_view": ONE_VIEW,
    "middle_view": Views((INPUT_SIZE,)),
    "with_mirror_image": Views(mirrored=True),
}
"""The middle is what the paper calls a crop: as large as the network learned, not resampled."""

CROP = Views((INPUT_SIZE,), mirrored=True)


def faces_of(split: Split) -> list[Image.Image]:
    """Return the faces of a split as the grey images that a user would send."""
    return [Image.fromarray(image) for image in split.images]


def ten_crop(face: Image.Image) -> list[Image.Image]:
    """Return a 48 × 48 face moved five times, so that each of the 44 × 44 windows in its corners
    and its middle comes to lie in the middle; with their mirror images, CROP shows ten crops."""
    far = FACE_SIZE - INPUT_SIZE
    pixels = np.pad(np.asarray(face), far // 2, mode="edge")
    corners = ((0, 0), (far, 0), (0, far), (far, far), (far // 2, far // 2))
    return [
        Image.fromarray(pixels[top : top + FACE_SIZE, left : left + FACE_SIZE])
        for left, top in corners
    ]


def without_copies(split: Split, *others: Split) -> np.ndarray:
    """Return an (N,) mask of the images that are no exact copy of one in the other splits."""
    known = {image.tobytes() for other in others for image in other.images}
    return np.array([image.tobytes() not in known for image in split.images])


def _figures(
    probabilities: np.ndarray, splits: dict[str, Split], name: str, model: ModelInfo
) -> dict:
    split = splits[name]
    figures = measure(probabilities, split.labels, model.unsure_threshold)
    fresh = without_copies(split, splits["Training"])
    right = probabilities.argmax(1) == split.labels
    figures["copies_in_training"] = int((~fresh).sum())
    figures["accuracy_without_copies"] = round(float(right[fresh].mean()), 4)
    return figures


def _measured(
    classifier: EmotionClassifier, splits: dict[str, Split], name: str
) -> tuple[dict, np.ndarray]:
    """Return the figures of one split and its (N,) served answers."""
    faces = faces_of(splits[name])
    probabilities = classifier.predict(faces)
    figures = _figures(probabilities, splits, name, classifier.model)
    for key, views in OTHER_VIEWS.items():
        figures[key] = report_views(classifier, splits[name], views)
    return figures, probabilities.argmax(1)


def report_views(classifier: EmotionClassifier, split: Split, views: Views) -> dict:
    """Return the accuracy, its interval and the macro recall that these views of a face give."""
    rows = classifier.predict(faces_of(split), views)
    figures = measure(rows, split.labels, classifier.model.unsure_threshold)
    return {key: figures[key] for key in UNCALIBRATED}


def report(classifier: EmotionClassifier, splits: dict[str, Split], name: str) -> dict:
    """Return the figures of one split as it is served, with the accuracy on images that were never
    trained on, and for each of OTHER_VIEWS what is UNCALIBRATED."""
    return _measured(classifier, splits, name)[0]


def without_near_copies(right: np.ndarray, split: Split, training: Split) -> dict:
    """Return the accuracy on faces that have no copy in Training, not even a near one."""
    fresh = np.ones(len(right), bool)
    fresh[[pair.first for pair in find_copies(split.images, training.images)]] = False
    return {"left_out": int((~fresh).sum()), **share_right(right[fresh])}


def agreement_with_votes(answers: np.ndarray, split: Split) -> dict:
    """Return how far answers and FER2013's own labels agree with ten FER+ taggers a face.

    ``majority`` counts the faces whose most frequent vote is one of the seven classes, without a
    tie; ``votes`` is the share of a face's taggers who chose the answer, over all faces.
    """
    chosen, shares = majority(split.votes), shares_of_labels(split.votes)
    known, rows = chosen >= 0, np.arange(len(answers))
    return {
        "majority": share_right(answers[known] == chosen[known]),
        "votes": round(float(shares[rows, answers].mean()), 4),
        "labels_majority": share_right(split.labels[known] == chosen[known]),
        "labels_votes": round(float(shares[rows, split.labels].mean()), 4),
    }


def full_report(
    model_path: Path,
    splits: dict[str, Split],
    name: str,
    sample: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict:
    """Return everything that is measured of one split; what takes long on ``sample`` faces that are
    drawn from it, by default on all.

    ``say`` hears of every step as it begins. Raises MLCoreError where the model cannot be loaded.
    """
    classifier = EmotionClassifier(model_path)
    model, split, faces = classifier.model, splits[name], faces_of(splits[name])
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(faces))[:sample])
    some, labels = [faces[row] for row in chosen], split.labels[chosen]

    say(f"{model.views.count} views of {len(faces)} faces")
    served, answers = _measured(classifier, splits, name)
    right = answers == split.labels
    say("copies in Training")
    result = {
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "split": name,
        "seed": SEED,
        "served": served,
        "without_near_copies": without_near_copies(right, split, splits["Training"]),
        "ferplus": None if split.votes is None else agreement_with_votes(answers, split),
    }
    say(f"ten crops of {len(faces)} faces")
    crops = [classifier.logits(ten_crop(face), CROP).mean(0) for face in faces]
    result["ten_crop"] = share_right(np.argmax(crops, 1) == split.labels)
    say(f"blur, darkness, compression, turns and sizes of {len(some)} faces")
    result["robustness"] = measure_robustness(classifier, some, labels, answers[chosen])
    say(f"photos with {len(some)} faces")
    analyser = EmotionAnalyser(model_path)
    rows = measure_photos(analyser, some, labels, answers[chosen], SEED)
    result["photos"] = None if rows is None else {"size": PHOTO, "rows": rows}
    return result


def write_report(folder: Path, figures: dict) -> None:
    """Write ``report.json`` and its figures as PNG into a folder."""
    # Only this needs matplotlib, and loading it takes as long as some of the measuring.
    from training.figures import draw

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(figures, indent=1) + "\n")
    draw(figures, folder)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure an exported network on FER2013.")
    parser.add_argument("--model", type=Path, default=MODEL_PATH)
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv, .csv.gz or a folder")
    parser.add_argument("--votes", type=Path, help="fer2013new.csv of FER+, for the report")
    parser.add_argument(
        "--split",
        choices=["PublicTest", "PrivateTest"],
        help="default: PublicTest with --windows, since that is where they are chosen, else "
        "PrivateTest",
    )
    measured = parser.add_mutually_exclusive_group()
    measured.add_argument(
        "--windows",
        type=positive,
        nargs="+",
        metavar="PIXELS",
        help="measure the mean over these windows around the middle of the 48-pixel face and their "
        "mirror images, instead of what is served",
    )
    measured.add_argument(
        "--report",
        type=Path,
        metavar="FOLDER",
        help="measure everything (several views, FER+ votes, bad pictures, whole photos) and write "
        "report.json and figures here; a quarter of an hour on two cores",
    )
    parser.add_argument(
        "--sample",
        type=positive,
        help="faces for the slow parts of the report (default: all)",
    )
    options = parser.parse_args(arguments)
    try:
        views = options.windows and Views(tuple(options.windows), mirrored=True)
    except ValueError as error:
        parser.error(str(error))
    split = options.split or ("PublicTest" if views else "PrivateTest")
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:4.0f} s  {line}", file=sys.stderr, flush=True)

    try:
        splits = load_fer2013(options.data, options.votes)
        if views:
            figures = report_views(EmotionClassifier(options.model), splits[split], views)
            print(json.dumps(figures, indent=2))
        elif options.report is None:
            figures = report(EmotionClassifier(options.model), splits, split)
            print(json.dumps(figures, indent=2))
        else:
            figures = full_report(options.model, splits, split, options.sample, say)
            write_report(options.report, figures)
            say(f"written to {options.report}; python -m training.card brings the card up to date")
    except (DataError, MLCoreError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
