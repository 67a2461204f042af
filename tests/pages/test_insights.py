"""The page that counts a user's photos."""

import re
from datetime import UTC, date, datetime
from html import unescape
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from mlcore.labels import LABELS
from predictions import export, services
from predictions.pages.insights import columns


def faced(prediction):
    """Give a prediction a happy face, as if it had been analysed."""
    from predictions.models import Face

    answer = {"label": "happy", "confidence": 1, "unsure": False}
    type(prediction).objects.filter(pk=prediction.pk).update(status="succeeded", **answer)
    box = {"x": 0, "y": 0, "width": 9, "height": 9, "detection_confidence": 1}
    shares = dict.fromkeys(LABELS, 0)
    Face.objects.create(prediction=prediction, index=0, probabilities=shares, **box, **answer)
    return prediction


@pytest.fixture
def page(client):
    """A function that opens the page and returns what its template was given, and its text."""

    def page():
        response = client.get("/insights/")
        assert response.status_code == 200
        return response.context, response.content.decode()

    return page


def test_it_counts_ones_own_faces_only(page, analyse, stranger, make_image):
    prediction = analyse()
    analyse(make_image("JPEG"))
    analyse(user=stranger)
    context, text = page()
    assert (context["photos"], context["found"]["faces"]) == (2, 1)
    assert [row["faces"] for row in context["emotions"]] == [
        int(label == prediction.label) for label in LABELS
    ]
    [column] = [column for column in context["columns"] if column["total"]]
    assert (column["start"], column["total"]) == (prediction.created_at.date(), 1)
    assert "1 face" in text
    assert "1 photo shows no face" in text
    assert f"/predictions/?emotion={prediction.label}" in text


def test_corrections_are_compared_with_the_answers(page, analyse):
    face = analyse().faces.get()
    services.correct(face, "fear")
    context, text = page()
    row = dict(context["confusion"])["fear"]
    assert row[LABELS.index(face.label)] == (1, 4, False)
    assert sum(count for count, _, _ in row) == 1
    assert "You named 1 face yourself" in text


def test_without_photos_it_says_what_to_do(page):
    context, text = page()
    assert context["photos"] == 0
    assert "Analyse your first photo" in text


def test_it_offers_every_export(page, client, analyse):
    analyse()
    _, text = page()
    for kind in ("csv", "jsonl", "zip"):
        address = unescape(re.search(rf'href="([^"]+as={kind}[^"]+)"', text)[1])
        response = client.get(address)
        assert response.status_code == 200
        assert response.getvalue()


@pytest.mark.django_db(transaction=True)
def test_how_far_an_export_is_can_be_asked_by_its_owner_alone(
    client, stranger_client, queue, monkeypatch
):
    monkeypatch.setattr(export, "CHUNK", 1)
    for _ in range(4):
        queue()
    ticket = uuid4()
    progress = f"{reverse('export-progress', args=[ticket])}?as=csv&asked=1"
    assert ", 0%" in client.get(progress).content.decode(), "one that has not begun is waited for"

    response = client.get(reverse("export-file"), {"as": "csv", "ticket": ticket})
    lines = iter(response.streaming_content)
    for _ in range(4):  # The header and three records, of which two were noted.
        next(lines)
    assert "50%" in client.get(progress).content.decode()
    assert "50%" not in stranger_client.get(progress).content.decode()
    list(lines)
    response.close()
    assert "complete" in client.get(progress).content.decode()

    response = client.get(reverse("export-file"), {"as": "zip", "ticket": ticket})
    next(iter(response.streaming_content))
    response.close()
    assert "broke off" in client.get(progress).content.decode()


def test_each_kind_of_file_has_a_ticket_that_is_renewed_once_it_is_used(page, client, queue):
    queue()
    _, text = page()
    tickets = re.findall(r"ticket=([0-9a-f-]{36})", text)
    assert len(set(tickets)) == 3
    progress = reverse("export-progress", args=[tickets[0]])
    first = client.get(progress, {"as": "csv"}).content.decode()
    assert 'id="export-csv" hx-swap-oob="true"' in first
    assert not set(re.findall(r"ticket=([0-9a-f-]{36})", first)) & set(tickets)
    assert "ticket=" not in client.get(progress, {"as": "csv", "asked": "1"}).content.decode()


@pytest.mark.parametrize(("asked", "waits"), [("59", True), ("60", False), ("9" * 5000, True)])
def test_a_file_that_does_not_begin_is_given_up_after_a_minute(asked, waits, client):
    progress = reverse("export-progress", args=[uuid4()])
    text = client.get(progress, {"as": "zip", "asked": asked}).content.decode()
    assert ("every 1s" in text) == waits
    assert ("did not begin" in text) != waits


@pytest.mark.parametrize("query", [{}, {"as": "exe"}])
def test_how_far_a_file_of_no_known_kind_is_is_not_found(client, query):
    assert client.get(reverse("export-progress", args=[uuid4()]), query).status_code == 404


@pytest.mark.parametrize("query", [{}, {"as": "exe"}])
def test_a_file_of_no_known_kind_is_not_found(client, query):
    assert client.get(reverse("export-file"), query).status_code == 404


def test_a_ticket_that_is_none_sends_the_file_all_the_same(client):
    response = client.get(reverse("export-file"), {"as": "csv", "ticket": "x"})
    assert response.getvalue().startswith(b"id,status")


def day(moment: date, count: int) -> dict:
    return {"date": moment, "emotions": dict.fromkeys(LABELS, 0) | {"happy": count}}


def test_a_short_time_is_drawn_by_days_with_empty_ones_between():
    drawn = columns([day(date(2026, 1, 30), 2), day(date(2026, 2, 1), 4)])
    found = [(column["start"].day, column["total"]) for column in drawn]
    assert found[:2] == [(19, 0), (20, 0)]
    assert found[-3:] == [(30, 2), (31, 0), (1, 4)]
    assert [column["height"] for column in drawn][-3:] == ["50.0", "0.0", "100.0"]
    assert [column["x"] for column in drawn] == [10 * number + 1 for number in range(14)]
    assert not drawn[0]["is_month"]


def test_a_long_time_is_drawn_by_months():
    drawn = columns(
        [day(date(2025, 11, 30), 1), day(date(2026, 1, 2), 1), day(date(2026, 2, 14), 1)]
    )
    assert [column["start"] for column in drawn] == [
        date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1),
    ]  # fmt: skip
    assert [column["total"] for column in drawn] == [1, 0, 1, 1]
    assert all(column["is_month"] for column in drawn)


@pytest.mark.parametrize(
    ("zone", "last", "name", "time"),
    [
        ("", date(2026, 3, 1), "UTC", "1 Mar 2026, 23:59 UTC"),
        ("Asia/Tokyo", date(2026, 3, 2), "Asia/Tokyo", "2 Mar 2026, 08:59 JST"),
        ("../../etc/passwd", date(2026, 3, 1), "UTC", "1 Mar 2026, 23:59 UTC"),
        ("posix/Asia/Tokyo", date(2026, 3, 1), "UTC", "1 Mar 2026, 23:59 UTC"),
        ("Asia", date(2026, 3, 1), "UTC", "1 Mar 2026, 23:59 UTC"),
        ("localtime", date(2026, 3, 1), "UTC", "1 Mar 2026, 23:59 UTC"),
        ("x" * 3000, date(2026, 3, 1), "UTC", "1 Mar 2026, 23:59 UTC"),
    ],
)
def test_days_are_those_of_the_reader(zone, last, name, time, page, queue, client):
    prediction = faced(queue())
    late = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    type(prediction).objects.update(created_at=late)
    client.cookies["timezone"] = zone
    context, text = page()
    assert context["columns"][-1]["start"] == last
    assert context["columns"][-1]["total"] == 1
    assert f"Day ({name})" in text
    assert f">{time}</time>" in client.get("/predictions/").content.decode()
    record = client.get(f"/api/v1/predictions/{prediction.pk}/").json()
    assert record["created_at"] == "2026-03-01T23:59:00Z", "the API speaks UTC"
    client.cookies.clear()
    assert timezone.get_current_timezone_name() == "UTC", "the next request starts anew"
