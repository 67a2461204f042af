"""Who may see and do what: every address of the pages, for its owner, a stranger and nobody."""

import pytest
from django.urls import get_resolver, reverse

from emotionsite.accounts.erasure import sign

OWN_PAGES = ["prediction-detail", "prediction-delete"]
OWN_FRAGMENTS = ["prediction-progress", "face-explanation"]
OWN_PICTURES = ["prediction-image", "prediction-thumbnail", "prediction-annotated"]
OWN_PICTURES += ["face-explanation-picture"]
OWN_ACTIONS = ["prediction-rerun", "prediction-cancel", "face-correction"]
MEMBERS = ["prediction-list", "insights", "account", "account-tokens", "account-privacy"]
MEMBERS += ["account-download", "account-erase", "account-delete", "export-file"]
MEMBERS += ["export-progress", "prediction-cards"]
MEMBERS_ACTIONS = ["upload-one", "demo-try", "token-revoke", "selection", "restore"]
PUBLIC = ["home", "gallery", "about", "demo", "demo-image", "demo-thumbnail", "erasure-receipt"]

RECEIPT = {
    "receipt": "7d9c1f0a-b3e8-4542-8c19-2f0e5a6b7c8d",
    "scope": "photos",
    "began_at": "2026-11-22T10:15:00+00:00",
    "finished_at": "2026-11-22T10:15:02+00:00",
    "erased": {"photos": 3, "results": 2, "corrections": 1, "bytes": 4096},
}


def address(name: str, prediction, demo) -> str:
    """Return the address by this name, about this prediction or this picture of the gallery."""
    if name.startswith("prediction-") and name not in MEMBERS:
        return reverse(name, args=[prediction.pk])
    if name.startswith("face-"):
        return reverse(name, args=[prediction.pk, 1])
    if name.startswith("demo"):
        return reverse(name, args=[demo.slug])
    if name == "prediction-cards":
        return f"{reverse(name)}?queued={prediction.pk}"
    if name == "export-file":
        return f"{reverse(name)}?as=csv"
    if name == "export-progress":
        return f"{reverse(name, args=[prediction.pk])}?as=csv"  # Any ticket will do.
    if name == "token-revoke":
        return reverse(name, args=["unknown"])
    if name == "erasure-receipt":
        return f"{reverse(name)}?of={sign(RECEIPT)}"
    return reverse(name)


@pytest.fixture
def at(analyse, demo):
    """A function that returns an address by name."""
    from predictions.models import Explanation

    prediction = analyse()
    assert prediction.status == "succeeded"
    Explanation.objects.create(prediction=prediction, index=0, picture=b"\xff\xd8\xff")
    return lambda name: address(name, prediction, demo)


def names_of(module: str) -> set[str]:
    return {pattern.name for pattern in get_resolver(module).url_patterns}


def test_every_address_is_tested_here():
    listed = OWN_PAGES + OWN_FRAGMENTS + OWN_PICTURES + OWN_ACTIONS
    listed += MEMBERS + MEMBERS_ACTIONS + PUBLIC
    assert sorted(listed) == sorted(
        names_of("predictions.pages.urls") | names_of("emotionsite.accounts.urls")
    )


def statuses(ask, at, names: list[str], *data) -> dict[str, int]:
    """Return the status of each address by name; ``ask`` is a method of a client."""
    answers = {}
    for name in names:
        response = ask(at(name), *data)
        answers[name] = response.status_code
        if response.streaming:
            b"".join(response.streaming_content)  # A file that is read to its end is closed.
    return answers


def assert_asked_to_log_in(ask, at, names: list[str]) -> None:
    places = {name: ask(at(name)).headers.get("Location", "").split("?")[0] for name in names}
    assert places == dict.fromkeys(names, "/accounts/login/")


def test_owner_and_what_is_public(at, client, anonymous_client):
    own = OWN_PAGES + OWN_PICTURES + MEMBERS + PUBLIC
    assert statuses(client.get, at, own) == dict.fromkeys(own, 200)
    # A page that waits hears that there is nothing to wait for.
    assert statuses(client.get, at, OWN_FRAGMENTS) == dict.fromkeys(OWN_FRAGMENTS, 286)
    assert statuses(anonymous_client.get, at, PUBLIC) == dict.fromkeys(PUBLIC, 200)


def test_stranger_finds_nothing(at, stranger_client):
    names = OWN_PAGES + OWN_FRAGMENTS + OWN_PICTURES
    assert statuses(stranger_client.get, at, names) == dict.fromkeys(names, 404)
    assert list(stranger_client.get("/predictions/").context["predictions"]) == []


def test_stranger_can_do_nothing(at, stranger_client):
    from predictions.models import Face, Prediction

    before = list(Prediction.objects.values()), list(Face.objects.values())
    names = [*OWN_ACTIONS, "prediction-delete"]
    answers = statuses(stranger_client.post, at, names, {"label": "sad"})
    assert answers == dict.fromkeys(names, 404)
    assert (list(Prediction.objects.values()), list(Face.objects.values())) == before


def test_visitor_is_sent_to_log_in(at, anonymous_client):
    assert_asked_to_log_in(anonymous_client.get, at, OWN_PAGES + OWN_FRAGMENTS + MEMBERS)
    actions = [*OWN_ACTIONS, "prediction-delete", *MEMBERS_ACTIONS, "home"]
    assert_asked_to_log_in(anonymous_client.post, at, actions)
    assert statuses(anonymous_client.get, at, OWN_PICTURES) == dict.fromkeys(OWN_PICTURES, 404)


def test_nothing_is_changed_by_following_a_link(at, client):
    names = OWN_ACTIONS + MEMBERS_ACTIONS
    assert statuses(client.get, at, names) == dict.fromkeys(names, 405)


def test_forms_need_a_token(owner, at):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    response = client.post(at("prediction-delete"))
    assert response.status_code == 403
    assert b"This form is too old" in response.content
    assert b"Open the form again" not in response.content
    page = "http://testserver/predictions/?sort=size"
    response = client.post(at("prediction-delete"), headers={"referer": page})
    assert f'href="{page}">Open the form again' in response.content.decode()
    response = client.post(at("prediction-delete"), headers={"referer": "http://elsewhere.example"})
    assert b"elsewhere.example" not in response.content


def test_pictures_say_what_they_are(at, client):
    for name in [*OWN_PICTURES, "demo-image", "demo-thumbnail"]:
        response = client.get(at(name))
        assert response.getvalue().startswith(b"\xff\xd8\xff"), name
        assert response["Content-Type"] == "image/jpeg"
        assert response["X-Content-Type-Options"] == "nosniff"
        caching = response["Cache-Control"].split(",")[0]
        assert caching == ("private" if name in OWN_PICTURES else "public")


def test_upload_is_never_served(queue, client):
    prediction = queue()
    assert prediction.photo.upload
    for kind in ("image", "thumbnail"):
        assert client.get(f"{prediction.get_absolute_url()}{kind}/").status_code == 404


def test_withdrawn_demo_is_gone(at, demo, client):
    demo.is_published = False
    demo.save()
    names = ["demo", "demo-image", "demo-thumbnail"]
    assert statuses(client.get, at, names) == dict.fromkeys(names, 404)
    assert client.post(at("demo-try")).status_code == 404


@pytest.mark.parametrize(
    ("referer", "page"),
    [
        ("http://testserver/predictions/?page=2", "/predictions/"),
        ("http://elsewhere.example/trap/", "/"),
        ("nonsense", "/"),
        ("", "/"),
    ],
)
def test_whoever_logs_in_for_a_button_comes_back_to_its_page(at, anonymous_client, referer, page):
    for name in ("prediction-rerun", "upload-one", "demo-try"):
        response = anonymous_client.post(at(name), headers={"referer": referer})
        assert response.status_code == 302
        assert response["Location"] == f"/accounts/login/?next={page}"


def test_a_waiting_page_is_led_to_the_log_in_as_a_whole(at, anonymous_client):
    headers = {"hx-request": "true", "referer": "http://testserver/predictions/"}
    for name in [*OWN_FRAGMENTS, "prediction-cards"]:
        response = anonymous_client.get(at(name), headers=headers)
        assert response.status_code == 200
        assert response["HX-Redirect"] == "/accounts/login/?next=/predictions/"
        assert response.content == b""
