"""The gallery: what is published is shown with its verdict, and can be tried."""

import re

import pytest

from tests.support import steps


def test_front_page_of_a_visitor(demo, anonymous_client):
    html = anonymous_client.get("/").content.decode()
    assert "A smile" in html
    assert 'href="/accounts/signup/"' in html
    assert "NASA · Public domain" in html
    assert html.count('class="number"') == 7  # The first picture with a face, bars and all.


def test_a_picture_is_asked_for_again_and_gone_from_caches_when_withdrawn(demo, anonymous_client):
    address = "/gallery/a-smile/thumbnail/"
    response = anonymous_client.get(address)
    assert response.getvalue()
    assert response["Cache-Control"] == "public, max-age=60"
    again = anonymous_client.get(address, headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again["ETag"]) == (304, response["ETag"])
    demo.is_published = False
    demo.save()
    again = anonymous_client.get(address, headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 404


def test_front_page_without_a_gallery(anonymous_client):
    assert anonymous_client.get("/").status_code == 200


def test_closed_sign_up_is_not_offered(anonymous_client, settings):
    settings.SIGNUP_OPEN = False
    for page in ("/", "/accounts/login/"):
        assert "/accounts/signup/" not in anonymous_client.get(page).content.decode()
    html = anonymous_client.get("/accounts/signup/").content.decode()
    assert "Sign-up is closed" in html
    assert "<form" not in html


@pytest.mark.parametrize(
    ("expected", "label", "unsure", "verdict"),
    [
        ("happy", "happy", False, "right"),
        ("happy", "happy", True, "right, though unsure"),
        ("happy", "sad", False, "wrong"),
        ("happy", "", None, "wrong"),
        ("", "sad", False, "no agreed answer"),
    ],
)
def test_verdict(expected, label, unsure, verdict, demo, anonymous_client):
    demo.expected = expected
    demo.save()
    prediction = demo.prediction
    prediction.label, prediction.unsure = label, unsure
    prediction.save()
    html = anonymous_client.get("/gallery/").content.decode()
    assert f'">{verdict}</span>' in html
    assert f'">{verdict}</span>' in anonymous_client.get("/gallery/a-smile/").content.decode()


@pytest.mark.parametrize(
    ("expected", "label", "unsure", "group"),
    [
        ("happy", "happy", False, "right"),
        ("happy", "happy", True, "unsure"),
        ("happy", "sad", True, "wrong"),
        ("", "sad", False, "open"),
        ("", "", None, "open"),
    ],
)
def test_pictures_stand_in_groups(expected, label, unsure, group, demo, anonymous_client):
    type(demo.prediction).objects.update(label=label, unsure=unsure)
    type(demo).objects.update(expected=expected)
    html = anonymous_client.get("/gallery/").content.decode()
    assert re.findall(r'<h2 id="(\w+)">', html) == [group]
    assert "?show=" not in html  # One group is nothing to choose from.


def test_one_group_of_the_gallery(demo, astronaut, anonymous_client):
    from tests.support import records

    records.publish(astronaut, slug="a-trap", expected="sad")
    for query, shown in (
        ("", ["right", "wrong"]),
        ("?show=wrong", ["wrong"]),
        ("?show=unsure", ["right", "wrong"]),
        ("?show=nonsense", ["right", "wrong"]),
    ):
        html = anonymous_client.get(f"/gallery/{query}").content.decode()
        assert re.findall(r'<h2 id="(\w+)">', html) == shown
        assert ("/gallery/a-smile/" in html) is ("right" in shown)
        assert html.count('aria-current="true"') == 1


def test_no_face_where_none_is_expected_is_no_mistake(demo, anonymous_client):
    demo.expected = ""
    demo.save()
    type(demo.prediction).objects.update(label="")
    html = anonymous_client.get("/gallery/").content.decode()
    assert "No face found" in html
    assert "badge" not in html


def test_trying_a_picture_analyses_a_copy(demo, client, owner):

    response = client.post("/gallery/a-smile/try/")
    mine = owner.predictions.get()
    assert response["Location"] == mine.get_absolute_url()
    assert mine.photo_id != demo.prediction.photo_id
    assert mine.photo.name == "a-smile.jpg"
    steps.analyse(mine.pk)
    mine.refresh_from_db()
    assert mine.status == "succeeded"
    assert mine.faces.count() == demo.prediction.faces.count()
    again = client.post("/gallery/a-smile/try/", follow=True)
    assert again.redirect_chain[-1][0] == mine.get_absolute_url()
    assert owner.predictions.count() == 1


def test_trying_with_a_full_queue(demo, client, owner, settings):
    settings.QUEUE_LIMIT = 0
    response = client.post("/gallery/a-smile/try/")
    assert response.status_code == 503
    assert "<code>queue_full</code>" in response.content.decode()


def test_gallery_queries_do_not_grow(demo, analyse, anonymous_client, django_assert_num_queries):
    from predictions.models import DemoImage

    with django_assert_num_queries(1):
        anonymous_client.get("/gallery/")
    for n in range(2):
        DemoImage.objects.create(
            prediction=analyse(user=None), slug=f"more-{n}", title="More", is_published=True
        )
    with django_assert_num_queries(1):
        anonymous_client.get("/gallery/")
