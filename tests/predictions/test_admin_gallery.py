"""Putting the gallery in order, and adding several pictures to it at once."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from emotionsite.accounts.models import User
from predictions import gallery
from predictions.admin.several import title_of
from predictions.models import DemoImage, Photo, Status
from tests.support import records

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

ORDER = "admin:demo-image-order"
SEVERAL = "admin:demo-image-several"
LIST = "admin:predictions_demoimage_changelist"
COMMON = {"credit": "Ada", "licence": "CC0", "source": "https://example.org"}


@pytest.fixture
def pictures(make_image) -> list[DemoImage]:
    """Four pictures a, b, c and d, whose positions say so, though some of them share one."""
    return [
        DemoImage.objects.create(
            slug=title,
            title=title,
            position=position,
            prediction=records.queue(None, make_image()),
        )
        for title, position in (("a", 0), ("b", 7), ("c", 7), ("d", 30))
    ]


def titles() -> str:
    return "".join(DemoImage.objects.values_list("title", flat=True))


def put_in_order(client: Client, *pictures):
    return client.post(reverse(ORDER), {"order": ",".join(str(pk) for pk in pictures)})


def test_whole_order_is_saved_and_numbered_anew(admin_client, pictures):
    a, b, c, d = (picture.pk for picture in pictures)
    response = put_in_order(admin_client, d, a, c, b)
    assert response.json() == {"positions": {str(d): 1, str(a): 2, str(c): 3, str(b): 4}}
    assert titles() == "dacb"
    assert list(DemoImage.objects.values_list("position", flat=True)) == [1, 2, 3, 4]


def test_part_of_the_order_leaves_the_others_where_they_are(admin_client, pictures):
    a, b, c, d = (picture.pk for picture in pictures)
    put_in_order(admin_client, d, b)
    assert titles() == "adcb"
    # One that is gone, and one that is named twice.
    put_in_order(admin_client, c, 987_654, a, c)
    assert titles() == "cdab"


@pytest.mark.parametrize("order", ["", "1,x", "1,,2", "1e3", "-1", "٣", "1 2", "9" * 30])
def test_what_is_no_order_changes_nothing(order, admin_client, pictures):
    response = admin_client.post(reverse(ORDER), {"order": order})
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_order"
    assert DemoImage.objects.get(title="d").position == 30


def test_order_is_for_those_who_may_change_pictures(client, staff_client, pictures):
    d = pictures[3].pk
    for refused in (client, staff_client("change_demoimage", is_staff=False)):
        response = put_in_order(refused, d)
        assert response["Location"].startswith(reverse("admin:login"))
    for refused in (staff_client(), staff_client("view_demoimage", "change_prediction")):
        assert put_in_order(refused, d).status_code == 403
    assert DemoImage.objects.get(title="d").position == 30
    allowed = staff_client("view_demoimage", "change_demoimage")
    assert allowed.get(reverse(ORDER)).status_code == 405
    assert put_in_order(allowed, d).status_code == 200
    assert DemoImage.objects.get(title="d").position == 4


def test_order_needs_a_token(pictures):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert put_in_order(client, pictures[3].pk).status_code == 403
    assert DemoImage.objects.get(title="d").position == 30


def test_tools_are_offered_to_those_who_may_use_them(staff_client, pictures):
    page = staff_client("view_demoimage").get(reverse(LIST)).content.decode()
    assert reverse(ORDER) not in page
    assert reverse(SEVERAL) not in page
    page = staff_client("change_demoimage", "add_demoimage").get(reverse(LIST)).content.decode()
    assert reverse(ORDER) in page
    assert reverse(SEVERAL) in page
    assert "predictions/order." in page


def post_files(client: Client, files: dict[str, bytes], **fields):
    pictures = [SimpleUploadedFile(name, content) for name, content in files.items()]
    return client.post(reverse(SEVERAL), {"pictures": pictures, **COMMON, **fields}, follow=True)


def test_good_files_are_added_and_the_others_are_named(
    admin_client, pictures, make_image, settings
):
    settings.MAX_UPLOAD_MB = 1
    files = {
        "two_old-friends.png": make_image("PNG"),
        "<notes>.txt": b"no picture",
        "empty.jpg": b"",
        "huge.jpg": b"\xff\xd8" + bytes(2**20),
        "笑顔.jpg": make_image(),
    }
    response = post_files(admin_client, files)
    assert response.redirect_chain == [(reverse(LIST), 302)]
    first, second = DemoImage.objects.order_by("pk")[4:]
    assert [first.title, second.title] == ["Two old friends", "笑顔"]
    assert [first.position, second.position] == [31, 32]
    for image in (first, second):
        assert {name: getattr(image, name) for name in COMMON} == COMMON
        assert (image.is_published, image.prediction.status) == (False, Status.QUEUED)
    said = [str(message) for message in response.context["messages"]]
    assert said[0] == "2 pictures were added."
    assert [text[text.rindex("(") :] for text in said[1:]] == [
        "(unsupported_format)",
        "(empty_file)",
        "(file_too_large)",
    ]
    assert (
        "Not added: &lt;notes&gt;.txt. This is not a picture we can read"
        in response.content.decode()
    )


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("two_old--friends .jpg", "Two old friends"),
        ("ß" * 150 + ".jpg", "SS" + "ß" * 118),
        ("___.jpg", "Picture"),
    ],
)
def test_titles_are_made_of_file_names_and_fit(name, title):
    assert title_of(name) == title


def test_where_no_file_is_good_the_form_stays(admin_client, stored_files):
    response = post_files(admin_client, {"notes.txt": b"no picture", "empty.jpg": b""})
    errors = response.context["form"].errors.as_data()["pictures"]
    assert [error.code for error in errors] == ["unsupported_format", "empty_file"]
    assert 'value="Ada"' in response.content.decode()
    assert not DemoImage.objects.exists()
    assert stored_files() == []


def test_files_credit_and_licence_are_required(admin_client, make_image, stored_files):
    response = post_files(admin_client, {})
    assert set(response.context["form"].errors) == {"pictures"}
    response = post_files(admin_client, {"a.jpg": make_image()}, credit="", licence="")
    assert set(response.context["form"].errors) == {"credit", "licence"}
    assert not Photo.objects.exists()
    assert stored_files() == []


def test_adding_several_is_for_those_who_may_add(client, staff_client, make_image):
    files = {"a.jpg": make_image()}
    assert post_files(client, files).redirect_chain[0][0].startswith(reverse("admin:login"))
    for permission in ("view_demoimage", "change_demoimage"):
        staff = staff_client(permission)
        assert staff.get(reverse(SEVERAL)).status_code == 403
        assert post_files(staff, files).status_code == 403
    assert not DemoImage.objects.exists()
    allowed = staff_client("add_demoimage", "view_demoimage")
    assert allowed.get(reverse(SEVERAL)).status_code == 200
    assert post_files(allowed, files).status_code == 200
    assert gallery.last_position() == DemoImage.objects.get().position == 1
