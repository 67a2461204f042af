"""Write the model card: ``python -m training.card``.

``MODEL_CARD.md`` beside a model says what is in the JSON file beside it, and what ``report/`` there
measured of the same file. Equal figures give an equal card.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from mlcore.labels import LABELS
from mlcore.model_info import MODEL_PATH
from mlcore.preprocessing import INPUT_SIZE
from mlcore.views import FACE_SIZE, Views

CARD, REPORT = "MODEL_CARD.md", "report"
MOST_FREQUENT = 5
FLOAT16 = "stored as float16, computed in float32"

HEAD = """\
# {name}

A network that says which of seven expressions a face shows, as FER2013 would have labelled it:
{labels}. It sees how a face looks, not how a person feels.

*Written by `python -m training.card` from {sources}; not edited by hand.*
"""

USE = """
## What it may be used for

Showing a person what the expression on a photo of a willing person resembles, with the
uncertainty in sight; teaching and research on expression recognition and on its errors. Answers
below the *unsure* threshold are to be shown as unsure.

## Where it must not be used

- At work and in schools: inferring emotions there is prohibited in the European Union, with narrow
  medical and safety exceptions (AI Act, Article 5(1)(f)).
- By police, at borders, in hiring, in courts, for insurance or credit, for diagnosis, or anywhere
  else where an answer decides about a person.
- On people who do not know: wherever emotion recognition is permitted, those exposed to it must be
  told (AI Act, Article 50(3)).
- On children, masked or covered faces, profiles, drawings and animals: nobody measured it there.

## Data

FER2013 (Goodfellow et al., 2013): 35,887 grey faces of 48 × 48 pixels from a web image search,
28,709 in Training, 3,589 in PublicTest, 3,589 in PrivateTest. The network learned from:
{dataset}. Known flaws:

- **Labels are noisy.** They come from the words that were searched for, and people then sorted
  out what did not fit. FER+ had ten people tag each face anew: their most frequent tag is
  FER2013's label for about two faces in three.
- **Copies stand across the splits.**{copies} `python -m training.audit` lists them.
- **Classes are uneven:** 547 of the 35,887 faces are labelled disgust, 8,989 happy.
- **Nobody recorded who is shown.** Age, gender, skin and origin are unknown, so nothing can be
  said about how errors are spread over groups of people, and they must be expected to be uneven.
- Many faces are posed, many pictures are stock photographs (some show the watermark), some are
  drawings, and a few show no face at all.
"""

REPRODUCE = """
## Reproduce

    python -m training.train --recipe training/recipes/{recipe}.toml{start} \\
        --data fer2013.csv {votes}
    python -m training.export --checkpoint var/training/best.pt --data fer2013.csv
    python -m training.evaluate --report mlcore/models/report \\
        --data fer2013.csv --votes fer2013new.csv
    python -m training.card

The last three wrote every figure above. `evaluate` repeats those of PrivateTest, and with
`--split PublicTest` those of PublicTest, from the file itself; only the temperature, the biases
and what they were judged by, the threshold and what integers cost need the checkpoint, which is
`last.pt` in place of `best.pt` where that is right more often as served
([HISTORY.md](../../training/HISTORY.md)).

## Licence

The weights are under the project's MIT licence. The photographs of FER2013 belong to their owners;
none of them is part of the file or of the project. The FER+ votes are Microsoft's, under the MIT
licence.
"""


class CardError(Exception):
    """The files that a card tells of are missing or damaged, or it cannot be written."""


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{share * 100:.{digits}f} %"


def with_interval(figures: dict) -> str:
    """Return an accuracy and its 95 % interval, for example ``63.7 % (62.1–65.2)``."""
    if figures["accuracy"] is None:
        return "–"
    low, high = figures["accuracy_interval"]
    return f"{percent(figures['accuracy'])} ({low * 100:.1f}–{high * 100:.1f})"


def table(header: list[str], rows: Iterable[list[object]], rule: str = "---:") -> str:
    lines = [header, ["---", *[rule] * (len(header) - 1)], *rows]
    return "\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def render(metadata: dict, report: dict | None) -> str:
    """Return the card of the model whose JSON file is ``metadata``.

    ``report`` is what ``training.evaluate --report`` wrote, or None; it is left out where it was
    measured on another file.
    """
    if report is not None and report["model"]["sha256"] != metadata["sha256"]:
        report = None
    metrics, training = metadata["metrics"], metadata.get("training", {})
    private, public = metrics["PrivateTest"], metrics["PublicTest"]
    sources = "the JSON file beside the network"
    parts = [
        HEAD.format(
            name=metadata["name"],
            labels=", ".join(LABELS),
            sources=sources if report is None else f"{sources} and `{REPORT}/report.json`",
        ),
        _identity(metadata),
        USE.format(dataset=metadata["dataset"], copies=_copies(private, public, report)),
        _training(training),
        _accuracy(private, public, report),
        _classes(private),
        _calibration(private, metadata["unsure_threshold"], report),
    ]
    if report is not None:
        parts += [_conditions(report), _photos(report)]
    parts += [_failures(private, report), _reproduce(training)]
    return "".join(parts)


def _identity(metadata: dict) -> str:
    size = metadata["input_size"]
    return table(
        ["Fact", "Value"],
        [
            ["File", f"`{metadata['name']}.onnx`, {metadata['bytes'] / 1e6:.1f} MB"],
            ["SHA-256", f"`{metadata['sha256']}`"],
            ["Version", metadata["version"]],
            ["Code", f"`{metadata['code_revision']}`"],
            ["Input", f"`input` float32 (N, 3, {size}, {size}), grey, 0…1"],
            ["Output", "`logits` float32 (N, 7), in the order above"],
            ["Kernels", _kernels(metadata["weights"])],
            ["Served", _served(metadata)],
            ["Temperature", f"{metadata['temperature']}: divides that mean before the softmax"],
            ["Biases", _biases(metadata)],
            ["Unsure", f"below a confidence of {percent(metadata['unsure_threshold'])}"],
        ],
        rule="---",
    )


def _served(metadata: dict) -> str:
    views = Views.of(metadata)
    if views.count == 1:
        return "the logits of one view of a face"
    sides = " and ".join(map(str, views.windows))
    images = ", with their mirror images" if views.mirrored else ""
    return (
        f"the mean of the logits of {views.count} views: {sides} pixels around the middle of the "
        f"{FACE_SIZE} × {FACE_SIZE} face{images}"
    )


def _biases(metadata: dict) -> str:
    values = (f"{label} {value:+z.2f}" for label, value in metadata["biases"].items())
    text = f"part of the logits, fitted with it: {', '.join(values)}".replace("-", "−")
    told = metadata.get("cross_validation")
    if not told:
        return text
    without, with_biases = told["without_biases"], told["with_biases"]
    return (
        f"{text}. Fitted on nine tenths of PublicTest to answer the other tenth, by turns: "
        f"{percent(with_biases['accuracy'], 2)} right with them and "
        f"{percent(without['accuracy'], 2)} without, macro recall "
        f"{with_biases['macro_recall']:.3f} and {without['macro_recall']:.3f}"
    )


def _kernels(weights: dict) -> str:
    cost = weights.get("as_integers")
    if cost is None:
        return FLOAT16
    change = f"{-100 * cost['accuracy_lost']:+z.2f}".replace("-", "−")
    change += f" points on PublicTest, {percent(cost['same_answers'])} of the answers unchanged"
    kept = cost.get("in_float16")
    but = f", those of {', '.join(kept)} as float16" if kept else ""
    if weights["stored"] == "float16":
        return f"{FLOAT16} (integers{but} would mean {change})"
    return f"integers from −64 to 64 with a scale for each channel{but} (against float32: {change})"


def _copies(private: dict, public: dict, report: dict | None) -> str:
    text = (
        f"\n  {private['copies_in_training']} PrivateTest and {public['copies_in_training']} "
        "PublicTest images are exact copies of\n  Training images"
    )
    near = report and report["without_near_copies"]
    if near and report["split"] == "PrivateTest":
        text += f"; with near copies, {near['left_out']} PrivateTest images have one there"
    return text + "."


def _training(training: dict) -> str:
    lines = [
        "\n## Training\n",
        "VGG19 with batch normalisation (the paper's Table 1), trained by `training/train.py` on",
        "FER2013's Training split only. PublicTest chose the epoch, the views, the temperature and",
        "the biases, the *unsure* threshold and whether kernels become integers; PrivateTest was",
        "measured after that.",
    ]
    if "recipe" in training:
        path = f"training/recipes/{training['recipe']}.toml"
        lines.append(
            f"Recipe: [`{path}`](../../{path}), {training['epochs']} epochs to the chosen one."
        )
    if training.get("started_from"):
        lines.append(f"It went on from the network `{training['started_from']}`:")
        lines.append(
            "[HISTORY.md](../../training/HISTORY.md) names the commits of earlier networks."
        )
    lines.append("Normalisations are folded into the kernels.")
    return "\n".join(lines) + "\n"


def _right(text: str, figures: dict) -> list[object]:
    """Return the row that says of how many faces how many answers are right."""
    return [text, figures["count"], with_interval(figures)]


def _accuracy(private: dict, public: dict, report: dict | None) -> str:
    single = private["single_view"]
    rows = [
        _right("As served", private),
        [
            "… without exact copies of Training images",
            private["count"] - private["copies_in_training"],
            percent(private["accuracy_without_copies"]),
        ],
    ]
    text = ""
    if report is not None and report["split"] == "PrivateTest":
        near, ten = report["without_near_copies"], report["ten_crop"]
        middle, mirrored = report["served"]["middle_view"], private["with_mirror_image"]
        rows += [
            _right("… without near copies as well", near),
            _right("One view alone", single),
            _right(f"One view of the middle {INPUT_SIZE} pixels alone, as they are", middle),
            _right("Mean of the whole face and its mirror image", mirrored),
            _right("Mean of ten crops", ten),
        ]
        if report["ferplus"]:
            votes = report["ferplus"]
            one, labels = votes["majority"], votes["labels_majority"]
            rows += [
                _right("Agrees with the majority of FER+", one),
                _right("… as FER2013's labels do", labels),
            ]
            text = (
                f"\nOf a face's ten FER+ taggers, {percent(votes['votes'])} chose what the network "
                f"answers, and {percent(votes['labels_votes'])}\nchose FER2013's label.\n"
            )
    else:
        rows.append(_right("One view alone", single))
    rows += [
        _right("PublicTest, as served", public),
        _right("… one view alone", public["single_view"]),
    ]
    other = [
        ["Macro recall", f"{private['macro_recall']:.3f}"],
        ["… of one view alone", f"{single['macro_recall']:.3f}"],
    ]
    if "macro_f1" in private:
        other.append(["Macro F1", f"{private['macro_f1']:.3f}"])
    other.append(["Negative log-likelihood", f"{private['nll']:.3f}"])
    if "brier" in private:
        other.append(["Brier score (0…2)", f"{private['brier']:.3f}"])
    return (
        "\n## Measured\n\nOn PrivateTest unless another split is named, of the exported file, "
        "through `mlcore`. In brackets:\nthe 95 % interval (Wilson), in per cent.\n"
        + table(["Accuracy", "Faces", "Right"], rows)
        + text
        + table(["Of all classes", "Value"], other)
    )


def _classes(private: dict) -> str:
    counts = {label: sum(row) for label, row in zip(LABELS, private["confusion"], strict=True)}
    rows = [
        [
            label,
            counts[label],
            percent(private["recall"][label], 0),
            percent(private["precision"][label], 0),
        ]
        for label in LABELS
    ]
    confusion = [[label, *row] for label, row in zip(LABELS, private["confusion"], strict=True)]
    return (
        "\n### By class\n"
        + table(["Label", "Faces", "Recall", "Precision"], rows)
        + "\nRows are labels, columns are answers:\n"
        + table(["Label", *LABELS], confusion)
    )


def _calibration(private: dict, threshold: float, report: dict | None) -> str:
    text = (
        f"\n### Confidence\n\nExpected calibration error (15 bins): {private['ece']:.3f}. Sure (at "
        f"least {percent(threshold)}) of {percent(private['sure_coverage'])} of the\nfaces, and "
        f"right on {percent(private['sure_accuracy'])} of these.\n"
    )
    if "accuracy_at_coverage" in private:
        rows = private["accuracy_at_coverage"]
        text += table(
            ["The surest", *(percent(row["coverage"], 0) for row in rows)],
            [["Right", *(percent(row["accuracy"], 0) for row in rows)]],
        )
    groups = private["confidence_groups"]
    header = [f"{group['from']:.1f}…{group['to']:.1f}" for group in groups[LABELS[0]]]
    rows = [
        [label, *(f"{g['right']} of {g['count']}" if g["count"] else "–" for g in groups[label])]
        for label in LABELS
    ]
    text += "\nHow often an answer was right, by its confidence:\n"
    text += table(["Answer", *header], rows)
    if report is not None:
        text += (
            f"\n![Reliability diagram]({REPORT}/reliability.png)\n"
            f"![Accuracy against coverage]({REPORT}/coverage.png)\n"
        )
    return text


def _conditions(report: dict) -> str:
    rows = [
        [row["change"], with_interval(row), percent(row["same_answer"], 0)]
        for row in report["robustness"]
    ]
    return (
        f"\n### Bad pictures\n\n{report['robustness'][0]['count']} faces of {report['split']}, "
        "each change applied to the 48-pixel face.\n"
        + table(["Change", "Right", "Same answer as unchanged"], rows)
        + f"\n![Accuracy on bad pictures]({REPORT}/robustness.png)\n"
    )


def _photos(report: dict) -> str:
    if not report["photos"]:
        return "\n### Whole photos\n\nNot measured: no face detector was installed.\n"
    width, height = report["photos"]["size"]
    found = any(row["count"] for row in report["photos"]["rows"])
    rows = [
        [
            f"{row['side']} pixels",
            f"{row['count']} of {row['looked_for']}",
            with_interval(row),
            percent(row["crop_accuracy"]),
            row["other_boxes"],
        ]
        for row in report["photos"]["rows"]
    ]
    largest = max(report["photos"]["rows"], key=lambda row: row["side"])
    by_advice = {"none": largest["without_advice"]}
    by_advice |= {f"`{word}`": right for word, right in largest["by_advice"].items()}
    by_advice_rows = [_right(name, figures) for name, figures in by_advice.items()]
    return (
        f"\n### Whole photos\n\nThe same faces, put into soft coloured backgrounds of {width} × "
        f"{height} pixels and found again by\nthe detector. Right counts the found ones, beside "
        "the same faces as given crops.\n"
        + table(["Face", "Found", "Right", "As crops", "False boxes"], rows)
        + (f"\n![Accuracy by size]({REPORT}/photos.png)\n" if found else "")
        + f"\nBy the advice beside the answer, of the faces found at {largest['side']} pixels:\n"
        + table(["Advice", "Faces", "Right"], by_advice_rows)
    )


def _failures(private: dict, report: dict | None) -> str:
    recall = private["recall"]
    weakest = sorted(LABELS, key=lambda label: recall[label])[:2]
    confusions = sorted(
        (
            (count / sum(row), label, answer)
            for label, row in zip(LABELS, private["confusion"], strict=True)
            for answer, count in zip(LABELS, row, strict=True)
            if answer != label and sum(row)
        ),
        key=lambda item: (-item[0], item[1:]),
    )
    lines = [
        "\n## Where it fails\n",
        f"- Weakest classes: {weakest[0]} (it finds {percent(recall[weakest[0]], 0)}) and "
        f"{weakest[1]} ({percent(recall[weakest[1]], 0)}).",
        "- Most frequent confusions: "
        + ", ".join(
            f"{percent(share, 0)} of {label} as {answer}"
            for share, label, answer in confusions[:MOST_FREQUENT]
        )
        + ".",
    ]
    if report is not None:
        before, *changed = report["robustness"]
        worst = min(changed, key=lambda row: row["accuracy"])
        loss = (before["accuracy"] - worst["accuracy"]) * 100
        lines.append(f"- Of the changes above, {worst['change']} costs most: {loss:.1f} points.")
        lines.append(f"\n![Confusion matrix]({REPORT}/confusion.png)")
    return "\n".join(lines) + "\n"


def _reproduce(training: dict) -> str:
    start = training.get("started_from", "").split(",")[0]
    return REPRODUCE.format(
        recipe=training.get("recipe", "grown"),
        start=f" --start {start}" if start else "",
        votes="--no-votes" if training.get("ferplus_weight") == 0 else "--votes fer2013new.csv",
    )


def write_card(model_path: Path, report_folder: Path | None = None) -> Path:
    """Write the card beside a model and return its path; needs the JSON file there.

    A report is told of where one lies in ``report_folder``, by default the one beside the model.
    Raises CardError where a file is missing or damaged, or there is no room.
    """
    measured = (report_folder or model_path.parent / REPORT) / "report.json"
    card = model_path.parent / CARD
    try:
        metadata = json.loads(model_path.with_suffix(".json").read_text(encoding="utf-8"))
        report = json.loads(measured.read_text(encoding="utf-8")) if measured.exists() else None
        card.write_text(render(metadata, report), encoding="utf-8")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CardError(f"no card of {model_path}: {error!r}") from error
    return card


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the model card beside a model.")
    parser.add_argument("--model", type=Path, default=MODEL_PATH)
    options = parser.parse_args(arguments)
    try:
        print(write_card(options.model))
    except CardError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
