"""Insights and export: only one's own, counted and written right."""

import csv
import io
import json
import zipfile

import pytest
from django.test import Client

from mlcore.labels import LABELS
from predictions import services
from predictions.export import COLUMNS
from predictions.export_slots import Slots
from predictions.models import Prediction
from tests.support.api import PREDICTIONS, assert_problem

INSIGHTS = "/api/v1/insights/"
EXPORT = "/api/v1/export/"


def export(client, kind: str, **query) -> bytes:
    response = client.get(EXPORT, {"as": kind, **query})
    assert response.status_code == 200
    assert response["Content-Disposition"].endswith(f'.{kind}"')
    assert response["Cache-Control"] == "private, no-store"
    return response.getvalue()


@pytest.fixture
def history(analyse, queue, stranger, make_image):
    """One photo with a face that its owner corrected, one without, one that waits; and another
    user's."""
    smile = analyse()
    face = smile.faces.get()
    services.correct(face, "surprise")
    analyse(user=stranger)
    empty = analyse(make_image("JPEG"))
    return [queue(), empty, smile]


def test_insights_count_ones_own_records(client, history):
    answer = client.get(INSIGHTS)
    assert answer.status_code == 200
    found = answer.json()
    label = history[2].label
    assert found["predictions"] == {
        "queued": 1, "running": 0, "succeeded": 2, "failed": 0, "canceled": 0,
    }  # fmt: skip
    assert found["without_face"] == 1
    assert found["faces"] == 1
    assert found["emotions"][label] == {"faces": 1, "unsure": int(history[2].unsure)}
    assert sum(emotion["faces"] for emotion in found["emotions"].values()) == 1
    [day] = found["days"]
    assert day["date"] == history[2].created_at.strftime("%Y-%m-%d")
    assert day["emotions"] == {name: int(name == label) for name in LABELS}
    corrections = found["corrections"]
    assert (corrections["count"], corrections["agreed"]) == (1, int(label == "surprise"))
    assert corrections["confusion"][LABELS.index("surprise")][LABELS.index(label)] == 1
    assert sum(map(sum, corrections["confusion"])) == 1


def test_insights_take_the_filters_of_the_list(client, history):
    found = client.get(INSIGHTS, {"created_before": "2001-01-01T00:00:00Z"}).json()
    assert found["faces"] == 0
    assert found["days"] == []
    assert_problem(client.get(INSIGHTS, {"status": "lost"}), 400, "invalid_input")


def test_insights_of_nothing_are_zeros(client):
    found = client.get(INSIGHTS).json()
    assert set(found["predictions"].values()) == {0}
    assert set(found["emotions"]) == set(LABELS)


def test_json_lines_are_the_records(client, history):
    lines = export(client, "jsonl").decode().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["id"] for record in records] == [str(each.pk) for each in history]
    for record in records:
        shown = client.get(f"{PREDICTIONS}{record['id']}/").json()
        position = shown.pop("queue_position")
        assert position == (0 if shown["status"] == "queued" else None)
        assert record == shown, "all but the place in the queue, which the file outlives"


def test_csv_has_one_line_a_face(client, history):
    rows = list(csv.DictReader(io.StringIO(export(client, "csv").decode())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == [str(each.pk) for each in history]
    waiting, empty, smile = rows
    face = history[2].faces.get()
    assert waiting["status"] == "queued"
    assert waiting["label"] == empty["label"] == ""
    assert empty["advice"] == "no_face"
    assert smile["label"] == face.label
    assert smile["correction"] == "surprise"
    assert smile["unsure"] == str(face.unsure).lower()
    assert float(smile["happy"]) == pytest.approx(face.probabilities["happy"], abs=1e-4)
    assert int(smile["x"]) == face.x
    assert smile["model_version"] == history[2].model_version


def test_a_file_name_is_no_formula(client, queue):
    prediction = queue()
    prediction.photo.name = '=HYPERLINK("http://x","y"),.png'
    prediction.photo.save()
    [row] = csv.DictReader(io.StringIO(export(client, "csv").decode()))
    assert row["name"] == "'" + prediction.photo.name


def test_a_zip_holds_records_and_photos(client, history):
    with zipfile.ZipFile(io.BytesIO(export(client, "zip"))) as archive:
        assert archive.testzip() is None
        names = {f"photos/{each.pk}.jpg" for each in history[1:]}
        assert set(archive.namelist()) == {"records.csv", "records.jsonl", *names}
        with history[2].photo.display.open("rb") as file:
            assert archive.read(f"photos/{history[2].pk}.jpg") == file.read()
        assert archive.read("records.jsonl") == export(client, "jsonl")


def test_an_export_takes_the_filters_of_the_list(client, history):
    lines = export(client, "jsonl", status="queued").decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [str(history[0].pk)]


def test_csv_is_what_one_gets_without_a_choice(client, history):
    response = client.get(EXPORT)
    assert response["Content-Type"] == "text/csv"
    assert response.getvalue().startswith(b"id,status,")


@pytest.mark.parametrize("accept", ["*/*", "text/csv", "application/zip", "application/x-ndjson"])
def test_what_is_asked_for_decides_and_not_what_is_accepted(client, queue, accept):
    queue()
    response = client.get(EXPORT, {"as": "jsonl"}, headers={"accept": accept})
    assert response.status_code == 200
    assert json.loads(response.getvalue())["status"] == "queued"


def test_a_long_history_is_read_in_several_pages(client, queue, monkeypatch):
    monkeypatch.setattr("predictions.export.CHUNK", 2)
    records = [queue() for _ in range(5)]
    Prediction.objects.filter(pk__in=[each.pk for each in records[:3]]).update(
        created_at=records[0].created_at
    )
    found = [json.loads(line)["id"] for line in export(client, "jsonl").decode().splitlines()]
    assert found == [str(pk) for pk in Prediction.objects.values_list("pk", flat=True)]
    assert len(found) == 5


def test_so_many_files_at_a_time(client, strangers_client, queue, monkeypatch):
    monkeypatch.setattr("predictions.api.reports.SLOTS", Slots(2))
    queue()
    mine, theirs = client.get(EXPORT), strangers_client.get(EXPORT)
    assert [mine.status_code, theirs.status_code] == [200, 200]
    refused = client.get(EXPORT)
    assert_problem(refused, 503, "too_many_exports")
    assert int(refused["Retry-After"]) > 0
    assert mine.getvalue()
    assert export(client, "csv")
    assert theirs.getvalue()


def test_one_user_leaves_half_of_a_processs_places_to_others(
    client, strangers_client, queue, monkeypatch
):
    monkeypatch.setattr("predictions.api.reports.SLOTS", Slots(4))
    queue()
    held = [client.get(EXPORT) for _ in range(2)]
    assert_problem(client.get(EXPORT), 503, "too_many_exports")
    held += [strangers_client.get(EXPORT) for _ in range(2)]
    assert [response.status_code for response in held] == [200] * 4
    for response in held:
        assert response.getvalue()
    assert export(client, "csv")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "zip"])
def test_a_user_downloads_only_so_many_files_at_once(
    client, strangers_client, owner, queue, settings, kind
):
    settings.QUOTA_EXPORTS = 1
    queue()
    first = client.get(EXPORT, {"as": kind})
    assert first.status_code == 200
    refused = client.get(EXPORT, {"as": kind})
    problem = assert_problem(refused, 429, "quota_exceeded")
    assert problem["quota"] == {"name": "exports", "used": 1, "limit": 1}
    assert int(refused["Retry-After"]) > 0
    assert strangers_client.get(EXPORT).getvalue(), "another user has a quota of their own"
    assert first.getvalue()
    assert export(client, kind)


def test_an_unknown_kind_is_refused(client):
    assert_problem(client.get(EXPORT, {"as": "xml"}), 400, "invalid_input")
    assert_problem(client.get(EXPORT, headers={"accept": "image/png"}), 406, "not_acceptable")


def test_visitors_get_nothing():
    assert_problem(Client().get(INSIGHTS), 401, "not_authenticated")
    assert_problem(Client().get(EXPORT), 401, "not_authenticated")
