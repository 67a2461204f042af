"""Users' photos are nobody else's, unless the operator says so, which the site then tells them."""

import logging

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from emotionsite.accounts.models import User
from tests.support import records

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

ALONE = {
    "about": "The site opens them to nobody but you; whoever runs its machine could",
    "upload": "Only you see your photos",
    "visitor": "this site shows them to nobody but you",
}
WITH_STAFF = {
    "about": "so can the people who run this site; each time one of them does, it is recorded.",
    "upload": "You and the people who run this site see your photos",
    "visitor": "shows your photos to you and to the people who run it",
}


@pytest.fixture
def prediction(owner, astronaut):
    return records.analyse(owner, astronaut, "my secret.png")


def thumbnail_of(prediction) -> str:
    return reverse("admin:staff-thumbnail", args=[prediction.pk])


def page_of(client, prediction) -> str:
    address = reverse("admin:predictions_prediction_change", args=[prediction.pk])
    return client.get(address).content.decode()


def test_not_even_a_superuser_sees_a_photo(admin_client, prediction):
    assert admin_client.get(thumbnail_of(prediction)).status_code == 404
    page = page_of(admin_client, prediction)
    assert "<img" not in page.replace('<img src="/static/admin', "")
    assert thumbnail_of(prediction) not in page
    assert not LogEntry.objects.exists()


def test_staff_learns_of_a_photo_what_was_done_and_not_what_is_seen(
    admin_client, prediction, settings
):
    pages = [
        reverse("admin:predictions_prediction_changelist"),
        *(
            reverse(f"admin:predictions_prediction_{page}", args=[prediction.pk])
            for page in ("change", "delete")
        ),
        reverse("admin:accounts_user_delete", args=[prediction.owner_id]),
    ]
    for page in pages:
        text = admin_client.get(page).content.decode()
        assert "ada" in text or str(prediction.pk) in text
        for hidden in (prediction.label, prediction.emoji, f"{prediction.confidence}"[:6]):
            assert hidden not in text, page
    settings.STAFF_SEES_PHOTOS = True
    for page in pages[:2]:
        assert prediction.label in admin_client.get(page).content.decode()


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("predictions_prediction", "name_key__startswith=my"),
        ("predictions_prediction", "label=happy"),
        ("predictions_prediction", "photo__name__startswith=my"),
        ("mfa_authenticator", "data__secret__startswith=A"),
        ("webhooks_webhook", "secret__startswith=whsec_A"),
        ("accounts_apitoken", "token_key__startswith=a"),
    ],
)
def test_nobody_spells_out_by_an_address_what_a_list_does_not_show(model, query, admin_client):
    address = reverse(f"admin:{model}_changelist")
    assert admin_client.get(address).status_code == 200
    assert admin_client.get(f"{address}?{query}").status_code == 400


def test_answers_are_a_filter_where_staff_may_see_them(admin_client, prediction, settings):
    settings.STAFF_SEES_PHOTOS = True
    for label in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"):
        address = reverse("admin:predictions_prediction_changelist")
        found = list(admin_client.get(address, {"label": label}).context["cl"].result_list)
        assert found == [prediction] * (label == prediction.label)


def test_where_staff_may_see_photos_each_look_is_recorded(
    admin_client, prediction, settings, caplog
):
    settings.STAFF_SEES_PHOTOS = True
    page = page_of(admin_client, prediction)
    assert f'src="{thumbnail_of(prediction)}"' in page
    assert "secret" not in page
    assert not LogEntry.objects.exists(), "nobody has looked yet"
    for looks in (1, 2):
        with caplog.at_level(logging.INFO):
            response = admin_client.get(thumbnail_of(prediction))
        assert b"".join(response.streaming_content).startswith(b"\xff\xd8\xff")
        assert response["Content-Type"] == "image/jpeg"
        assert "no-store" in response["Cache-Control"]
        assert "secret" not in response["Content-Disposition"]
        assert LogEntry.objects.count() == looks
    entry = LogEntry.objects.latest("pk")
    assert (entry.user.username, entry.object_id) == ("root", str(prediction.pk))
    assert entry.get_change_message() == "Looked at the photo."
    lines = [r.getMessage() for r in caplog.records if "looked at a photo" in r.getMessage()]
    assert len(lines) == 2
    assert all(str(prediction.pk) in line and f"'staff': {entry.user_id}" in line for line in lines)


def test_where_staff_may_see_photos_others_still_may_not(
    client, staff_client, prediction, settings, owner, make_image
):
    settings.STAFF_SEES_PHOTOS = True
    address = thumbnail_of(prediction)
    client.force_login(owner)
    for refused in (Client(), client, staff_client("view_prediction", is_staff=False)):
        assert refused.get(address)["Location"].startswith(reverse("admin:login"))
    for refused in (staff_client(), staff_client("view_demoimage", "view_user")):
        assert refused.get(address).status_code == 403
    waiting = records.queue(owner, make_image())
    staff = staff_client("view_prediction")
    assert staff.get(thumbnail_of(waiting)).status_code == 404, "an upload is never served"
    assert thumbnail_of(waiting) not in page_of(staff, waiting)
    assert not LogEntry.objects.exists()
    response = staff.get(address)
    assert response.status_code == 200
    response.close()


@pytest.mark.parametrize(("is_seen", "told"), [(False, ALONE), (True, WITH_STAFF)])
def test_pages_promise_what_is_kept(is_seen, told, owner, client, settings):
    settings.STAFF_SEES_PHOTOS = is_seen
    owner.accept_notice()
    member = Client()
    member.force_login(owner)
    pages = {"about": member.get("/about/"), "upload": member.get("/"), "visitor": client.get("/")}
    untold = ALONE if is_seen else WITH_STAFF
    for name, response in pages.items():
        page = response.content.decode()
        assert told[name] in page, name
        assert untold[name] not in page, name


def test_permission_for_users_shows_no_photo(staff_client, prediction, owner):
    staff = staff_client("view_user")
    for page in (
        reverse("admin:accounts_user_changelist"),
        reverse("admin:accounts_user_change", args=[owner.pk]),
    ):
        text = staff.get(page).content.decode()
        assert "ada" in text or str(prediction.pk) in text
        for hidden in ("secret", str(prediction.pk), "photos/", prediction.photo.sha256):
            assert hidden not in text
    assert User.objects.get(pk=owner.pk).predictions.count() == 1
