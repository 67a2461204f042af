"""A user's records as one file, made while it is sent: CSV, JSON lines, or a ZIP with photos."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath

from django.core.files import File
from django.db.models import Q, QuerySet
from django.db.models.fields.files import FieldFile
from zipstream import ZIP_STORED, ZipStream

from mlcore.labels import LABELS
from predictions.models import Face, Prediction, Status

Files = Iterator[tuple[str, Iterator[bytes]]]
"""Names in an archive, and what each of these files holds."""

CHUNK = 200
"""Records that are read from the database at once."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "id", "status", "created_at", "finished_at", "name", "sha256", "photo_width", "photo_height",
    "face_index", "x", "y", "width", "height", "detection_confidence", "label", "confidence",
    "unsure", *LABELS, "correction", "advice", "model_name", "model_version", "error_code",
)  # fmt: skip


class _Line:
    """What csv.writer writes to; it hands the line back."""

    def write(self, line: str) -> str:
        return line


def csv_lines(predictions: Iterable[Prediction]) -> Iterator[str]:
    """Yield a header and one line a face, or one without face values where there is none."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for prediction in predictions:
        faces = prediction.faces.all() if prediction.status == Status.SUCCEEDED else ()
        for face in faces or (None,):
            yield writer.writerow(_row(prediction, face))


def _row(prediction: Prediction, face: Face | None) -> list:
    photo = prediction.photo
    # A spreadsheet takes a text that starts like a formula for one; the apostrophe stops it.
    name = f"'{photo.name}" if photo.name.startswith(FORMULA_STARTS) else photo.name
    row = [
        prediction.pk,
        prediction.status,
        prediction.created_at.isoformat(),
        prediction.finished_at.isoformat() if prediction.finished_at else "",
        name,
        photo.sha256,
        photo.width,
        photo.height,
    ]
    if face is None:
        row += [""] * (10 + len(LABELS))
    else:
        row += [face.index, face.x, face.y, face.width, face.height]
        row += [round(face.detection_confidence, 4), face.label, round(face.confidence, 4)]
        row += [str(face.unsure).lower()]
        row += [round(face.probabilities[label], 4) for label in LABELS]
        row += [face.correction]
    advice = prediction.advice if prediction.status == Status.SUCCEEDED else []
    row += [" ".join(advice), prediction.model_name, prediction.model_version]
    return [*row, prediction.error_code]


def json_lines(
    predictions: Iterable[Prediction], record: Callable[[Prediction], dict]
) -> Iterator[str]:
    """Yield one JSON object a line; ``record`` turns a prediction into what JSON knows."""
    for prediction in predictions:
        yield json.dumps(record(prediction), ensure_ascii=False) + "\n"


def clean_copy(prediction: Prediction) -> Files:
    """Yield the photo as it is shown, without metadata: none that is not analysed yet."""
    if content := _read(prediction.photo.display):
        yield f"photos/{prediction.pk}.jpg", content


def everything(prediction: Prediction) -> Files:
    """Yield the photo, its upload while that is still there, and where the network looked."""
    yield from clean_copy(prediction)
    if content := _read(prediction.photo.upload):
        suffix = PurePath(prediction.photo.name).suffix.lower()
        suffix = suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
        yield f"uploads/{prediction.pk}{suffix}", content
    for drawing in prediction.explanations.order_by("index").iterator(chunk_size=1):
        yield f"drawings/{prediction.pk}-{drawing.index}.jpg", iter([bytes(drawing.picture)])


def _read(file: FieldFile) -> Iterator[bytes] | None:
    try:
        opened = file.open("rb")
    except (FileNotFoundError, ValueError):  # There is none, or it was deleted meanwhile.
        return None
    return _chunks(opened)


def _chunks(opened: File) -> Iterator[bytes]:
    with opened:
        yield from opened.chunks()


def zip_chunks(
    predictions: QuerySet[Prediction],
    record: Callable[[Prediction], dict],
    note: Callable[[int], None] | None = None,
    files: Callable[[Prediction], Files] = clean_copy,
    **texts: str,
) -> Iterator[bytes]:
    """Yield a ZIP with records.csv, records.jsonl and the ``files`` of each, as it grows.

    ``note`` is that of ``in_chunks``; it hears of every record three times. ``texts`` are further
    files, by name without their .json.
    """
    archive = ZipStream(compress_type=ZIP_STORED)
    lists = (
        *((f"{name}.json", [text]) for name, text in texts.items()),
        ("records.csv", csv_lines(in_chunks(predictions, note))),
        ("records.jsonl", json_lines(in_chunks(predictions, note), record)),
    )
    for name, lines in lists:
        archive.add((line.encode() for line in lines), name)
        yield from archive.all_files()
    for prediction in in_chunks(predictions, note):
        for name, content in files(prediction):
            archive.add(content, name)
            yield from archive.all_files()
    yield from archive.finalize()


def in_chunks(
    predictions: QuerySet[Prediction], note: Callable[[int], None] | None = None
) -> Iterator[Prediction]:
    """Read records with their faces, newest first, a few at a time; ``note`` hears how many.

    Each is a query of its own: one that stays open while a slow reader takes the file would keep
    the database from tidying up.
    """
    predictions = predictions.order_by("-created_at", "-id").prefetch_related("faces")
    page = list(predictions[:CHUNK])
    while page:
        yield from page
        if note:
            note(len(page))
        last = page[-1]
        older = Q(created_at=last.created_at, id__lt=last.pk) | Q(created_at__lt=last.created_at)
        page = list(predictions.filter(older)[:CHUNK])
