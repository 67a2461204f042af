"""The history: pages, filters, and a number of queries that does not grow with it."""

import pytest


@pytest.fixture
def history(owner):
    """A function that makes ``count`` finished predictions of the owner, without files."""
    from predictions.models import Photo, Prediction

    def make(count: int, **fields) -> list:
        values = {"status": "succeeded", "label": "happy", "confidence": 0.8, "unsure": False}
        photos = [
            Photo(name=f"{n}.jpg", sha256=f"{n:064}", bytes=1, width=100, height=100)
            for n in range(count)
        ]
        Photo.objects.bulk_create(photos)
        rows = [Prediction(owner=owner, photo=photo, **(values | fields)) for photo in photos]
        return Prediction.objects.bulk_create(rows)

    return make


def shown(client, query: str = "") -> list:
    return list(client.get(f"/predictions/{query}").context["page"])


def test_pages_hold_everything_once_newest_first(history, client, owner):
    history(60)
    pages = [shown(client, f"?page={number}") for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [24, 24, 12]
    together = [prediction for page in pages for prediction in page]
    assert together == list(owner.predictions.order_by("-created_at", "-id"))
    first = client.get("/predictions/").content.decode()
    assert "Page 1 of 3" in first
    assert 'rel="next" href="?page=2"' in first
    assert 'rel="prev"' not in first


@pytest.mark.parametrize(("page", "number"), [("0", 3), ("99", 3), ("x", 1), ("", 1), ("-1", 3)])
def test_page_that_is_not_there_shows_one_that_is(page, number, history, client):
    history(60)
    response = client.get(f"/predictions/?page={page}")
    assert response.status_code == 200
    assert response.context["page"].number == number


def test_filters(history, client):
    happy, sad = history(2), history(1, label="sad")
    no_face = history(1, label="", confidence=None, unsure=None)
    failed = history(1, status="failed", label="", confidence=None)
    queued = history(1, status="queued", label="", confidence=None)
    everything = {*happy, *sad, *no_face, *failed, *queued}
    for query, expected in {
        "?emotion=happy": happy,
        "?emotion=sad": sad,
        "?emotion=none": no_face,
        "?emotion=fear": [],
        "?status=failed": failed,
        "?status=unfinished": queued,
        "?status=succeeded&emotion=sad": sad,
        "?status=nonsense&emotion=hungry": everything,
    }.items():
        assert set(shown(client, query)) == set(expected), query


def test_filter_stays_while_paging(history, client):
    history(30)
    html = client.get("/predictions/?emotion=happy").content.decode()
    assert 'rel="next" href="?emotion=happy&amp;page=2"' in html


def test_empty_history_says_what_to_do(client):
    html = client.get("/predictions/").content.decode()
    assert "Nothing here yet" in html
    assert 'class="button" href="/"' in html


def test_empty_choice_leads_back(history, client):
    history(1)
    assert "No photo fits this choice" in client.get("/predictions/?emotion=fear").content.decode()


@pytest.mark.parametrize("address", ["/predictions/", "/"])
def test_queries_do_not_grow(address, history, client, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    history(1)
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    history(20)
    with django_assert_num_queries(len(queries)):
        client.get(address)


def test_cards_show_word_certainty_and_state(history, client):
    history(1, unsure=True, confidence=0.3)
    [queued] = history(1, status="queued", label="", confidence=None)
    html = client.get("/predictions/").content.decode()
    assert "30 %, unsure" in html
    assert f'hx-get="/predictions/{queued.pk}/card/?seen=queued"' in html
    card = client.get(f"/predictions/{queued.pk}/card/?seen=queued")
    assert card.status_code == 204
    type(queued).objects.filter(pk=queued.pk).update(status="failed")
    card = client.get(f"/predictions/{queued.pk}/card/?seen=queued")
    assert card.status_code == 286
    assert "Could not be read" in card.content.decode()
