"""The command line: ``python -m mlcore PHOTO... [--json]``."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.errors import DecoderUnavailable, MLCoreError, UnreadableImage
from mlcore.labels import EMOJI

if TYPE_CHECKING:
    from mlcore.analysis import Analysis, Face
    from mlcore.images import Photo

BAR_LENGTH = 24
"""Characters for a probability of 1."""

ADVICE = {
    "no_face": "No face was found. Try a photo where the face is larger, upright and unhidden.",
    "detector_missing": "The face detector is not installed: the whole picture counts as one face.",
    "face_small": "A face has fewer pixels than the network needs: read its answer with care.",
    "faces_left_out": "There are more faces than one analysis holds: the largest are shown.",
    "photo_turned": "The photo seems to be turned: a face is clearer on another side of it.",
    "too_dark": "The photo is too dark to read a face well: take it in more light.",
    "face_turned": "The largest face is turned aside: one seen from the front is read better.",
    "looks_drawn": "The largest face looks drawn: the network has learned from photographs.",
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m mlcore",
        description="Find the faces in photos and read their expressions.",
        epilog="Exit status: 0, or 2 where a photo could not be done; the others still are.",
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument(
        "--faces-are-cropped", action="store_true", help="every photo is one face, framed tightly"
    )
    parser.add_argument(
        "--annotate", type=Path, metavar="OUT.png", help="write the photo with its faces marked"
    )
    parser.add_argument("--model", type=Path, metavar="ONNX", help="another network's file")
    options = parser.parse_args(arguments)
    if options.annotate and len(options.photos) > 1:
        parser.error("--annotate takes a single PHOTO")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    # A name or an emoji that the terminal cannot show is no reason to stop.
    sys.stdout.reconfigure(errors="replace")
    try:
        status = run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough. The interpreter flushes once more as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def run(options: argparse.Namespace) -> int:
    from mlcore.decoder import shared_decoder

    # It loads its decoders while the network is loaded here.
    shared_decoder().start()
    from mlcore.analysis import EmotionAnalyser

    try:
        analyser = EmotionAnalyser(options.model)
    except MLCoreError as error:
        return complain(str(error))
    status = 0
    for path in options.photos:
        try:
            photo = shared_decoder().decode(path)
            analysis = analyser.analyse(photo, options.faces_are_cropped)
            if options.annotate:
                write_annotated(photo, analysis, options.annotate)
        except (UnreadableImage, DecoderUnavailable) as error:
            status = complain(f"{path}: {error} [{error.code}]")
            continue
        except (OSError, ValueError) as error:
            status = complain(f"{options.annotate} cannot be written: {error}")
            continue
        if options.json:
            print(json.dumps(record(path, analysis)))
        else:
            print("\n".join(table(path, analysis)), end="\n\n")
    return status


def complain(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return 2


def record(path: Path, analysis: "Analysis") -> dict:
    """Return the fields of the API's record that a photo has without an account."""
    model = analysis.model
    return {
        "photo": str(path),
        "width": analysis.width,
        "height": analysis.height,
        "faces": [
            {
                "index": index,
                "box": asdict(face.box),
                "detection_confidence": face.detection_confidence,
                "label": face.label,
                "emoji": EMOJI[face.label],
                "confidence": face.confidence,
                "unsure": face.unsure,
                "probabilities": dict(face.probabilities),
            }
            for index, face in enumerate(analysis.faces)
        ],
        "advice": list(analysis.advice),
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "timings": asdict(analysis.timings),
    }


def table(path: Path, analysis: "Analysis") -> Iterator[str]:
    """Yield the lines that a person reads."""
    count = len(analysis.faces)
    faces = "1 face" if count == 1 else f"{count} faces"
    milliseconds = analysis.timings.total * 1000
    yield f"{path}: {analysis.width} x {analysis.height}, {faces}, {milliseconds:.0f} ms"
    for index, face in enumerate(analysis.faces):
        box = face.box
        yield ""
        yield f"  {index}  {title(face)} {EMOJI[face.label]}"
        yield f"     {box.width} x {box.height} pixels at {box.x}, {box.y}"
        for label, probability in face.probabilities.items():
            bar = "█" * round(probability * BAR_LENGTH)
            yield f"     {label:8} {probability:6.1%} {bar}".rstrip()
    for word in analysis.advice:
        yield f"  {ADVICE[word]}"


def title(face: "Face") -> str:
    unsure = ", unsure" if face.unsure else ""
    return f"{face.label} {face.confidence:.0%}{unsure}"


def write_annotated(photo: "Photo", analysis: "Analysis", path: Path) -> None:
    """Write a copy of the photo with a box and a label on every face, numbered if several.

    Raises OSError or ValueError where the file cannot be written in the format of its name.
    """
    from mlcore.drawing import Mark, annotate

    numbered = len(analysis.faces) > 1
    marks = [
        Mark(**asdict(face.box), text=f"{index} {title(face)}" if numbered else title(face))
        for index, face in enumerate(analysis.faces)
    ]
    annotate(photo.image, marks, photo.width).save(path)


if __name__ == "__main__":
    sys.exit(main())
