"""The history: filters, orders, pages and scrolling, at a cost that does not grow with it."""

from datetime import UTC, datetime

import pytest

SCROLLING = {"hx-request": "true", "hx-target": "cards"}


@pytest.fixture
def history(owner):
    """A function that makes ``count`` finished predictions of the owner, without files."""
    from predictions.models import Photo, Prediction, name_key

    def make(count: int, *, user=owner, name: str = "{}.jpg", **fields) -> list:
        values = {"status": "succeeded", "label": "happy", "confidence": 0.8, "unsure": False}
        values |= fields
        photos = [
            Photo(name=name.format(n), sha256=f"{n:064}", bytes=1, width=100, height=100)
            for n in range(count)
        ]
        Photo.objects.bulk_create(photos)
        rows = [
            Prediction(owner=user, photo=photo, name_key=name_key(photo.name), **values)
            for photo in photos
        ]
        return Prediction.objects.bulk_create(rows)

    return make


def shown(client, query: str = "", **headers) -> list:
    response = client.get(f"/predictions/{query}", headers=headers)
    assert response.status_code == 200, query
    return response.context["predictions"]


def page_of(client, query: str = "") -> str:
    return client.get(f"/predictions/{query}").content.decode()


class TestPages:
    def test_they_hold_everything_once_newest_first(self, history, client, owner):
        history(60)
        pages = [shown(client, f"?page={number}") for number in (1, 2, 3)]
        assert [len(page) for page in pages] == [24, 24, 12]
        together = [prediction for page in pages for prediction in page]
        assert together == list(owner.predictions.order_by("-created_at", "-id"))
        first, last = page_of(client), page_of(client, "?page=3")
        assert "60 photos" in first
        assert "Page 1 of 3" in first
        assert 'rel="next" href="?page=2"' in first
        assert 'rel="prev"' not in first
        assert 'rel="prev" href="?page=2"' in last
        assert 'rel="next"' not in last

    @pytest.mark.parametrize(
        ("page", "number"), [("0", 3), ("99", 3), ("x", 1), ("", 1), ("-1", 3)]
    )
    def test_one_that_is_not_there_shows_one_that_is(self, page, number, history, client):
        history(60)
        response = client.get(f"/predictions/?page={page}")
        assert response.status_code == 200
        assert response.context["page"].number == number

    def test_scrolling_brings_the_next_page_and_what_leads_on(self, history, client, owner):
        history(60)
        assert 'hx-get="?page=1&amp;through=2" hx-trigger="revealed"' in page_of(client)
        response = client.get("/predictions/?page=1&through=2", headers=SCROLLING)
        html = response.content.decode()
        assert response.context["predictions"] == list(owner.predictions.all()[24:48])
        assert html.count('<li class="card"') == 24
        assert html.count('type="checkbox" name="ids"') == 24
        assert "<h1" not in html
        assert '<div id="more" hx-swap-oob="true" hx-get="?page=1&amp;through=3"' in html
        assert "no-store" in response["Cache-Control"], "the address is that of a whole page"
        end = client.get("/predictions/?page=1&through=3", headers=SCROLLING).content.decode()
        assert end.count('<li class="card"') == 12
        assert "hx-get" not in end

    def test_the_address_of_a_place_shows_all_that_was_scrolled_by(self, history, client, owner):
        history(264)
        everything = list(owner.predictions.all())
        for query, expected in {
            "?page=1&through=3": everything[:72],
            "?page=2&through=3": everything[24:72],
            "?page=3&through=2": everything[48:72],
            "?page=2&through=x": everything[24:48],
            "?through=99": everything[:240],
            "?page=11&through=99": everything[240:],
        }.items():
            assert shown(client, query) == expected, query
        assert "<h1" in page_of(client, "?page=1&through=3")
        tenth = page_of(client, "?page=1&through=10")
        assert 'hx-get="?page' not in tenth, "after so many one turns the page"
        assert 'rel="next" href="?page=11"' in tenth

    def test_going_back_within_htmx_gets_the_whole_page(self, history, client):
        history(30)
        headers = {"hx-request": "true", "hx-history-restore-request": "true"}
        response = client.get("/predictions/?page=1&through=2", headers=headers)
        assert b"<h1" in response.content
        assert "HX-Request" in response["Vary"]

    def test_filters_and_order_stay(self, history, client):
        history(30)
        html = page_of(client, "?emotion=happy&sort=name")
        assert 'rel="next" href="?emotion=happy&amp;sort=name&amp;page=2"' in html
        assert 'hx-get="?emotion=happy&amp;sort=name&amp;page=1&amp;through=2"' in html


class TestFilters:
    def test_each_shows_what_fits(self, history, client, stranger):
        from predictions.models import Face

        happy, sad = history(2), history(1, label="sad", unsure=True, confidence=0.3)
        no_face = history(1, label="", confidence=None, unsure=None)
        failed = history(1, status="failed", label="", confidence=None, unsure=None)
        queued = history(1, status="queued", label="", confidence=None, unsure=None)
        history(2, user=stranger)
        values = {"index": 0, "x": 0, "y": 0, "width": 9, "height": 9, "detection_confidence": 1}
        values |= {"label": "happy", "confidence": 1, "unsure": False, "probabilities": {}}
        now = datetime.now(UTC)
        Face.objects.create(prediction=happy[0], correction="sad", corrected_at=now, **values)
        Face.objects.create(prediction=happy[1], **values)
        Face.objects.create(prediction=happy[1], **values | {"index": 1, "label": "surprise"})
        Face.objects.create(prediction=queued[0], **values | {"index": 1, "label": "surprise"})
        everything = {*happy, *sad, *no_face, *failed, *queued}
        for query, expected in {
            "": everything,
            "?emotion=happy": happy,
            "?emotion=sad": sad,
            "?emotion=none": no_face,
            "?emotion=fear": [],
            "?emotion=surprise": happy[1:],
            "?status=failed": failed,
            "?status=unfinished": queued,
            "?status=succeeded&emotion=sad": sad,
            "?sureness=sure": happy,
            "?sureness=unsure": sad,
            "?sureness=corrected": happy[:1],
            "?sureness=corrected&emotion=sad": [],
        }.items():
            assert set(shown(client, query)) == set(expected), query

    def test_days_are_those_of_the_reader_from_the_first_to_the_last(self, history, client):
        rows = history(3)
        days = [datetime(2026, 5, day, 23, 59, tzinfo=UTC) for day in (1, 2, 3)]
        for row, day in zip(rows, days, strict=True):
            type(row).objects.filter(pk=row.pk).update(created_at=day)
        for zone, query, expected in (
            ("", "?since=2026-05-02", rows[1:]),
            ("", "?until=2026-05-02", rows[:2]),
            ("", "?since=2026-05-02&until=2026-05-02", rows[1:2]),
            ("", "?since=2026-05-04", []),
            ("", "?since=0001-01-01&until=9999-12-31", rows),
            ("Asia/Tokyo", "?since=2026-05-02", rows),
            ("Asia/Tokyo", "?until=2026-05-02", rows[:1]),
            ("Asia/Tokyo", "?since=0001-01-01&until=9999-12-31", rows),
            ("America/New_York", "?since=0001-01-01&until=9999-12-31", rows),
            ("America", "?since=2026-05-02", rows[1:]),
        ):
            client.cookies["timezone"] = zone
            assert set(shown(client, query)) == set(expected), (zone, query)

    def test_names_are_found_by_any_part_in_any_case(self, history, client):
        [lake] = history(1, name="Summer at the LAKE.jpg")
        [anger] = history(1, name="A\u0308rger.jpg")
        [percent] = history(1, name="100% me.jpg")
        for name, expected in {
            "lake": [lake],
            "SUMMER": [lake],
            "ärger": [anger],
            "%25": [percent],
            "_": [],
            "jpg": [lake, anger, percent],
            "'; --": [],
        }.items():
            assert set(shown(client, f"?name={name}")) == set(expected), name

    def test_photos_are_found_by_the_name_they_were_uploaded_with(self, queue, client):
        beach = queue(name="Beach.JPG")
        queue(name="forest.jpg")
        assert shown(client, "?name=beach") == [beach]

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            ("emotion=hungry", "Emotion: there is no such choice, so it is left out."),
            ("sureness=x", "Sureness: there is no such choice, so it is left out."),
            ("status=%00", "Status: there is no such choice, so it is left out."),
            ("sort=size", "Order: there is no such choice, so it is left out."),
            ("since=2026-13-45", "From: this is no day of the calendar, so it is left out."),
            (f"until={'9' * 99}", "Until: this is no day of the calendar, so it is left out."),
            (
                "since=2001-01-02&until=2001-01-01",
                "Until: this day is before the first one, so it is left out.",
            ),
            (f"name={'x' * 201}", "no name is as long as this, so it is left out."),
            ("name=%00", "Null characters are not allowed."),
        ],
    )
    def test_nonsense_is_left_out_and_a_sentence_says_so(self, query, sentence, history, client):
        history(2)
        assert len(shown(client, f"?{query}")) == 2
        assert sentence in page_of(client, f"?{query}")

    def test_those_in_use_can_be_removed_one_by_one(self, history, client):
        history(30)
        query = "?emotion=happy&name=jpg&since=2001-02-03&sort=name&page=2&through=2"
        html = page_of(client, query)
        for text, without in {
            "Emotion: happy": "name=jpg&amp;since=2001-02-03&amp;sort=name",
            "File name contains: jpg": "emotion=happy&amp;since=2001-02-03&amp;sort=name",
            "From: 3 Feb 2001": "emotion=happy&amp;name=jpg&amp;sort=name",
        }.items():
            assert f'<a href="?{without}">{text} ' in html
        assert 'href="/predictions/">Remove all' in html
        assert "chips" not in page_of(client, "?sort=name")


def test_orders(history, client):
    sure = history(1, confidence=0.9, name="b.jpg")
    leaning = history(1, confidence=0.5, name="C.jpg")
    none = history(1, label="", confidence=None, unsure=None, name="a.jpg")
    for sort, expected in {
        "": none + leaning + sure,
        "oldest": sure + leaning + none,
        "sure": sure + leaning + none,
        "unsure": leaning + sure + none,
        "name": none + sure + leaning,
    }.items():
        assert shown(client, f"?sort={sort}") == expected, sort


class TestEmptyStates:
    def test_an_empty_history_says_what_to_do(self, client):
        html = page_of(client)
        assert "Nothing here yet" in html
        assert 'class="button" href="/"' in html
        assert 'id="finder"' not in html

    def test_a_choice_that_nothing_fits_leads_back(self, history, client):
        history(1)
        html = page_of(client, "?emotion=fear")
        assert "No photo fits this choice" in html
        assert 'id="finder"' in html

    def test_one_photo_needs_no_pages(self, history, client):
        history(1)
        html = page_of(client)
        assert "1 photo<" in html
        assert 'class="pages"' not in html


class TestCost:
    @pytest.mark.parametrize("address", ["/predictions/", "/predictions/?sort=name&name=j", "/"])
    def test_queries_do_not_grow(self, address, history, client, django_assert_num_queries):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        history(1)
        client.get(address)  # Another list than before is remembered.
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        history(40)
        with django_assert_num_queries(len(queries)):
            client.get(address)

    @pytest.mark.parametrize(
        ("sort", "index"),
        [
            ("", "history"),
            ("oldest", "history"),
            ("sure", "sureness"),
            ("unsure", "sureness"),
            ("name", "name"),
        ],
    )
    def test_a_long_history_is_read_along_an_index_that_holds_all(self, sort, index, owner):
        from predictions.models import Prediction
        from predictions.pages.finding import HistoryFilter

        wishes = {"name": "a", "emotion": "sad", "sureness": "sure", "status": "succeeded"}
        for wish in ({}, {"since": "2026-01-01"}, wishes):
            form = HistoryFilter({"sort": sort, **wish})
            assert form.is_valid()
            found = form.narrow(Prediction.objects.for_user(owner)).values_list("pk")
            plan = found[24:48].explain()
            assert f"COVERING INDEX prediction_{index} " in plan, wish
            assert "B-TREE" not in plan, "nothing is sorted"


class TestCards:
    def test_they_show_word_certainty_and_state(self, history, client):
        history(1, unsure=True, confidence=0.3)
        [queued] = history(1, status="queued", label="", confidence=None)
        html = page_of(client)
        assert "30%, unsure" in html
        assert f'href="{queued.get_absolute_url()}" data-status="queued"' in html
        assert 'data-waiting="/predictions/cards/"' in html

    def test_all_on_the_page_are_selected_without_a_script(self, history, client):
        history(30)
        html = page_of(client)
        assert 'id="select-all" href="?select=all"' in html
        assert " checked>" not in html
        html = page_of(client, "?select=all")
        assert html.count(" checked>") == 24
        assert 'rel="next" href="?page=2"' in html

    def test_a_name_is_no_markup(self, history, client):
        history(1, name='<b>"{}".jpg')
        assert "Select &lt;b&gt;&quot;0&quot;.jpg" in page_of(client)


def test_old_names_are_filled_in(owner, client, history):
    """The migration that adds the names to search gives them to what is there already."""
    from importlib import import_module

    from django.apps import apps

    from predictions.models import Prediction

    history(2, name="STRASSE {}.jpg")
    Prediction.objects.update(name_key="")
    assert shown(client, "?name=straße") == []
    import_module("predictions.migrations.0006_long_histories").fill_name_keys(apps, None)
    assert len(shown(client, "?name=straße")) == 2
