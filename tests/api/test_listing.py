"""The list of predictions: whose, which and in what pages."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from mlcore.labels import LABELS
from predictions.models import Face, Photo, Prediction
from tests.support.api import PREDICTIONS, assert_problem

START = datetime(2026, 1, 1, tzinfo=UTC)


def make(owner, number: int, **fields) -> Prediction:
    """Store a prediction of ``number`` minutes after the start."""
    picture = Photo.objects.create(
        name=f"{number}.png", sha256=f"{number:064x}", bytes=1, width=100, height=100
    )
    prediction = Prediction.objects.create(owner=owner, photo=picture, **fields)
    prediction.created_at = START + timedelta(minutes=number)
    prediction.save()
    return prediction


def add_face(prediction: Prediction, index: int) -> None:
    Face.objects.create(
        prediction=prediction,
        index=index,
        x=0,
        y=0,
        width=50,
        height=50,
        detection_confidence=0.9,
        label="happy",
        confidence=0.9,
        unsure=False,
        probabilities=dict.fromkeys(LABELS, 1 / 7),
    )


def ids(records) -> list[str]:
    return [record["id"] for record in records]


def test_pages_stay_put_while_new_records_arrive(client, owner, stranger):
    known = [str(make(owner, number).pk) for number in range(60)]
    make(stranger, 5)
    first = client.get(PREDICTIONS).json()
    assert set(first) == {"next", "previous", "results"}
    assert first["previous"] is None
    seen = ids(first["results"])
    assert len(seen) == 25

    make(owner, 100)
    page = first
    while page["next"]:
        page = client.get(page["next"]).json()
        seen += ids(page["results"])
        make(owner, 101 + len(seen))
    assert seen == known[::-1]
    assert ids(client.get(page["previous"]).json()["results"]) == known[::-1][25:50]


def test_records_of_the_same_moment_are_neither_lost_nor_doubled(client, owner):
    known = {str(make(owner, 0).pk) for _ in range(7)}
    page = client.get(PREDICTIONS, {"page_size": 3}).json()
    seen = ids(page["results"])
    while page["next"]:
        page = client.get(page["next"]).json()
        seen += ids(page["results"])
    assert len(seen) == 7
    assert set(seen) == known


def test_a_longer_list_needs_no_more_queries(client, owner, django_assert_num_queries):
    for number in range(20):
        prediction = make(owner, number, status="succeeded")
        add_face(prediction, 0)
        add_face(prediction, 1)
    client.get(PREDICTIONS)  # Notes that the token is used, once a minute.
    # One for the token, one for the expired ones among the user's, predictions, faces.
    for size in (1, 20):
        with django_assert_num_queries(4):
            page = client.get(PREDICTIONS, {"page_size": size}).json()
        assert len(page["results"]) == size
        assert len(page["results"][0]["faces"]) == 2


def test_nobody_asks_for_a_page_of_a_million(client, owner):
    for number in range(101):
        make(owner, number)
    for size in (1_000_000, "9" * 5000):
        assert len(client.get(PREDICTIONS, {"page_size": size}).json()["results"]) == 100


def test_what_can_be_no_version_is_a_400(client):
    for version in ("' OR 1=1", "x" * 61, "é"):
        response = client.get(PREDICTIONS, {"model_version": version})
        assert "model_version" in assert_problem(response, 400, "invalid_input")["errors"]


@pytest.mark.parametrize("size", ["0", "-1", "x", "", "1.5", "²"])
def test_a_page_size_that_is_no_number_is_a_400(client, size):
    response = client.get(PREDICTIONS, {"page_size": size})
    assert "page_size" in assert_problem(response, 400, "invalid_input")["errors"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [3, 2, 1, 0]),
        ("status=failed", [3]),
        ("status=failed&status=queued", [3, 2]),
        ("label=happy", [1]),
        ("label=happy&label=sad", [1, 0]),
        ("min_confidence=0.5", [1, 0]),
        ("min_confidence=0.51", [1]),
        ("unsure=true", [0]),
        ("unsure=True", [0]),
        ("unsure=false", [1]),
        ("created_after=2026-01-01T00:01:00Z", [3, 2]),
        ("created_before=2026-01-01T01:01:00%2B01:00", [0]),
        ("created_after=2026-01-01T00:00:00Z&created_before=2026-01-01T00:02:00Z", [1]),
        ("created_after=2026-01-02", []),
        ("model_version=2.0", [1]),
        ("model_version=%27OR'1'='1", []),
        ("label=sad&unsure=false", []),
    ],
)
def test_filters(client, owner, stranger, query, numbers):
    make(owner, 0, status="succeeded", label="sad", confidence=0.5, unsure=True, model_version="1")
    happy = {"status": "succeeded", "label": "happy", "confidence": 0.9, "unsure": False}
    make(owner, 1, **happy, model_version="2.0")
    make(owner, 2, status="queued")
    make(owner, 3, status="failed", error_code="timed_out", error_detail="It took too long.")
    make(stranger, 1, **happy)
    response = client.get(f"{PREDICTIONS}?{query}")
    assert response.status_code == 200
    names = [record["photo"]["name"] for record in response.json()["results"]]
    assert names == [f"{number}.png" for number in numbers]


@pytest.mark.parametrize(
    "query",
    [
        "status=done",
        "status=queued&status=done",
        "label=angst",
        "label=%00",
        "min_confidence=high",
        "min_confidence=nan",
        "min_confidence=Infinity",
        "min_confidence=1.5",
        "min_confidence=-1",
        "min_confidence=1e999999",
        "min_confidence=" + "9" * 5000,
        "unsure=perhaps",
        "created_after=yesterday",
        "created_after=0001-01-01T00:00:00%2B23:00",
        "created_before=9999-12-31T23:59:59-23:00",
        "created_before=99999999999999999999",
        "created_after=2026-02-30",
        "model_version=%00",
        "model_version=1%002",
    ],
)
def test_a_bad_filter_value_is_a_400(client, query):
    problem = assert_problem(client.get(f"{PREDICTIONS}?{query}"), 400, "invalid_input")
    field = query.partition("=")[0]
    errors = problem["errors"].pop(field)
    assert not problem["errors"]
    assert all(set(error) == {"code", "detail"} for error in errors)
    assert problem["detail"] == f"{field}: {errors[0]['detail']}"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%FF",
        "ÿ",
        "r=x",
        "o=-1",
        "o=" + "9" * 5000,
        "p=yesterday",
        "p=",
        "p=%00",
        "p=0001-01-01T00:00:00%2B23:00",
        "p=9999-12-31T23:59:59-23:00",
    ],
)
def test_a_bad_cursor_is_a_400(client, owner, cursor):
    make(owner, 0)
    if "=" in cursor:
        cursor = base64.b64encode(cursor.encode()).decode()
        response = client.get(PREDICTIONS, {"cursor": cursor})
    else:
        response = client.get(f"{PREDICTIONS}?cursor={cursor}")
    assert "cursor" in assert_problem(response, 400, "invalid_input")["errors"]


@pytest.mark.parametrize("query", ["min_confidence=1e-9999", "unknown=1", "%FF=%FF"])
def test_what_cannot_matter_does_not(client, query):
    response = client.get(f"{PREDICTIONS}?{query}")
    assert response.status_code == 200
    assert response.json()["results"] == []
