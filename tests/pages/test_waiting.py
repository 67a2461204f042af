"""Cards that wait for their answers ask all together."""

import re
from uuid import uuid4

import pytest

from predictions.pages import waiting
from predictions.pages.places import Place

CARDS = "/predictions/cards/"


def links(html: str) -> set[str]:
    """Return the ids of the photos whose cards an answer renews."""
    return set(re.findall(r'<a id="link-(\S+)" [^>]*hx-swap-oob="true"', html))


def gone(html: str) -> set[str]:
    return set(re.findall(r'<li id="card-(\S+)" hx-swap-oob="delete">', html))


def test_they_hear_of_what_changed_since_the_page_showed_it(queue, analyse, client, make_image):
    waits, done = queue(make_image(size=(120, 100))), analyse(name="me.jpg")
    assert client.get(CARDS).status_code == 204
    assert client.get(CARDS, {"queued": waits.pk}).status_code == 204
    answer = client.get(CARDS, {"queued": [waits.pk, done.pk]})
    html = answer.content.decode()
    assert answer.status_code == 200
    assert (links(html), gone(html)) == ({str(done.pk)}, set())
    assert 'data-status="succeeded"' in html
    assert '<p id="announcer" hx-swap-oob="innerHTML">me.jpg: Happy' in html
    html = client.get(CARDS, {"running": waits.pk}).content.decode()
    assert links(html) == {str(waits.pk)}
    assert "announcer" not in html


def test_a_card_shows_its_place_and_hears_of_another_one(queue, stranger, client):
    from tests.support import steps

    first, waits = queue(user=stranger), queue()
    card = client.get("/predictions/").content.decode()
    assert f'id="place-{waits.pk}" data-place="1-">1 before yours</span>' in card
    assert 'data-place="1-">1 before yours</span>' in client.get("/").content.decode()
    assert client.get(CARDS, {"queued": f"{waits.pk}.1-"}).status_code == 204
    steps.claim(first.pk)
    answer = client.get(CARDS, {"queued": f"{waits.pk}.1-"})
    html = answer.content.decode()
    assert answer.status_code == 200
    assert links(html) == set(), "the card itself stays"
    assert f'id="place-{waits.pk}" data-place="0-" hx-swap-oob="true">Yours is next</span>' in html
    assert "announcer" not in html
    assert client.get(CARDS, {"queued": f"{waits.pk}.0-"}).status_code == 204


def test_a_page_of_cards_needs_no_more_queries_for_their_places(queue, client):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/predictions/").content.decode()
        assert "before yours" in page
        return len(queries)

    for _number in range(3):
        queue()
    few = asked()
    for _number in range(9):
        queue()
    assert asked() == few


def test_of_many_answers_only_the_number_is_announced(queue, client, make_image):
    from predictions.models import Prediction

    waiting = [queue(make_image(size=(100 + n, 100)), name=f"{n}.jpg") for n in range(4)]
    Prediction.objects.update(status="failed")
    html = client.get(CARDS, {"queued": [each.pk for each in waiting]}).content.decode()
    assert len(links(html)) == 4
    assert ">4 photos are done.</p>" in html


def test_a_card_goes_with_its_photo_and_a_strangers_is_as_good_as_gone(
    queue, client, stranger_client
):
    prediction = queue()
    unknown = uuid4()
    html = client.get(CARDS, {"queued": [prediction.pk, unknown, "nonsense"]}).content.decode()
    assert (links(html), gone(html)) == (set(), {str(unknown)})
    html = stranger_client.get(CARDS, {"running": prediction.pk}).content.decode()
    assert (links(html), gone(html)) == (set(), {str(prediction.pk)})
    assert "photo.jpg" not in html
    client.post(f"{prediction.get_absolute_url()}delete/")
    html = client.get(CARDS, {"queued": prediction.pk}).content.decode()
    assert gone(html) == {str(prediction.pk)}


def test_no_more_are_looked_up_than_one_page_can_have(client, monkeypatch):
    monkeypatch.setattr(waiting, "LARGEST_PAGE", 2)
    html = client.get(CARDS, {"queued": [uuid4() for _ in range(3)]}).content.decode()
    assert len(gone(html)) == 2


@pytest.mark.parametrize(
    ("position", "seconds", "said"),
    [
        (0, 0.4, "Yours is next"),
        (0, None, "Yours is next"),
        (1, None, "1 before yours"),
        (1, 0.2, "1 before yours, about 1 s"),
        (7, 19.2, "7 before yours, about 20 s"),
        (15, 38.4, "15 before yours, about 40 s"),
        (20, 58, "20 before yours, about 1 minute"),
        (152, 250, "152 before yours, about 4 minutes"),
        (1500, 90 * 60, "1,500 before yours, about 90 minutes"),
        (4999, 2 * 3600 + 900, "4,999 before yours, about 2 hours"),
    ],
)
def test_a_wait_is_said_as_exactly_as_anybody_can_know_it(position, seconds, said):
    place = Place(position, seconds)
    assert place.text == said
    assert place.token == Place(position, seconds).token
