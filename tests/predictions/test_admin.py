"""Curating the gallery in the admin, and what the admin must not show."""

import io

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from emotionsite.accounts.models import User
from predictions import services
from predictions.models import DemoImage, Photo, Prediction, Status
from tests.support import steps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

LIST = "admin:predictions_demoimage_changelist"
ADD = "admin:predictions_demoimage_add"
CHANGE = "admin:predictions_demoimage_change"


def form_of(content: bytes | None, **fields) -> dict:
    data = {
        "title": "A smile",
        "caption": "Teeth.",
        "expected": "happy",
        "credit": "NASA",
        "licence": "Public domain",
        "source": "",
        "position": 3,
        **fields,
    }
    if content is not None:
        data["picture"] = SimpleUploadedFile("my face.png", content)
    return data


def analyse_all() -> None:
    """Do a worker's work in this process."""
    for prediction in Prediction.objects.filter(status=Status.QUEUED):
        steps.analyse(prediction.pk)


def add(admin_client, content: bytes, **fields) -> DemoImage:
    response = admin_client.post(reverse(ADD), form_of(content, **fields))
    assert response.status_code == 302, response.context["adminform"].form.errors
    return DemoImage.objects.latest("pk")


def act(admin_client, action: str, *images, model: str = "demoimage"):
    return admin_client.post(
        reverse(f"admin:predictions_{model}_changelist"),
        {"action": action, "_selected_action": [image.pk for image in images], "post": "yes"},
        follow=True,
    )


def test_added_picture_is_analysed_and_shown(admin_client, client, astronaut, stored_files):
    image = add(admin_client, astronaut, is_published="on")
    assert image.slug == "a-smile"
    assert (image.prediction.owner, image.prediction.status) == (None, Status.QUEUED)
    assert not DemoImage.objects.published().exists()
    analyse_all()
    assert DemoImage.objects.published().get() == image
    page = admin_client.get(reverse(CHANGE, args=[image.pk])).content.decode()
    prediction = Prediction.objects.get()
    assert f"{prediction.emoji} {prediction.label}, {prediction.confidence:.0%}" in page
    assert reverse("admin:demo-image-display", args=[image.pk]) in page
    assert reverse("admin:demo-image-thumbnail", args=[image.pk]) in (
        admin_client.get(reverse(LIST)).content.decode()
    )
    kinds = [name.rpartition("/")[2].partition("-")[0] for name in stored_files()]
    assert kinds == ["display", "thumbnail"]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty_file"), (b"no picture at all", "unsupported_format"), (None, "required")],
)
def test_bad_picture_is_explained_at_its_field(content, code, admin_client, stored_files):
    response = admin_client.post(reverse(ADD), form_of(content))
    errors = response.context["adminform"].form.errors.as_data()
    assert [error.code for error in errors["picture"]] == [code]
    assert not DemoImage.objects.exists()
    assert stored_files() == []


def test_too_large_picture_is_refused(admin_client, settings):
    settings.MAX_UPLOAD_MB = 1
    response = admin_client.post(reverse(ADD), form_of(b"\xff\xd8" + bytes(2**20)))
    errors = response.context["adminform"].form.errors.as_data()
    assert [error.code for error in errors["picture"]] == ["file_too_large"]


def test_credit_and_licence_are_required(admin_client, astronaut, stored_files):
    response = admin_client.post(reverse(ADD), form_of(astronaut, credit="", licence=""))
    assert set(response.context["adminform"].form.errors) == {"credit", "licence"}
    assert stored_files() == []


def test_titles_that_are_alike_get_slugs_of_their_own(admin_client, make_image):
    slugs = [add(admin_client, make_image(size=(50 + n, 50))).slug for n in range(3)]
    assert slugs == ["a-smile", "a-smile-2", "a-smile-3"]
    assert add(admin_client, make_image(), title="笑顔").slug == "picture"


def test_picture_is_replaced_and_the_old_one_is_gone(
    admin_client, astronaut, make_image, stored_files
):
    image = add(admin_client, make_image())
    analyse_all()
    old = image.prediction
    response = admin_client.post(
        reverse(CHANGE, args=[image.pk]), form_of(astronaut, title="Another title")
    )
    assert response.status_code == 302
    image.refresh_from_db()
    assert (image.title, image.slug) == ("Another title", "a-smile")
    assert image.prediction_id != old.pk
    assert Prediction.objects.count() == Photo.objects.count() == 1
    assert [name.rpartition("/")[2] for name in stored_files()] == ["upload"]
    analyse_all()
    image = DemoImage.objects.get()
    assert image.prediction.faces.count() == 1


def test_text_is_changed_without_a_new_picture(admin_client, astronaut):
    image = add(admin_client, astronaut)
    response = admin_client.post(reverse(CHANGE, args=[image.pk]), form_of(None, caption="New."))
    assert response.status_code == 302
    changed = DemoImage.objects.get()
    assert (changed.caption, changed.prediction_id) == ("New.", image.prediction_id)


def test_order_is_changed_in_the_list(admin_client, make_image):
    first, second = (add(admin_client, make_image(size=(50 + n, 50))) for n in range(2))
    admin_client.post(
        reverse(LIST),
        {
            "form-TOTAL_FORMS": 2,
            "form-INITIAL_FORMS": 2,
            "form-0-id": first.pk,
            "form-0-position": 9,
            "form-1-id": second.pk,
            "form-1-position": 1,
            "_save": "Save",
        },
    )
    assert list(DemoImage.objects.all()) == [second, first]


def test_bulk_actions(admin_client, make_image, stored_files):
    images = [add(admin_client, make_image(size=(50 + n, 50))) for n in range(3)]
    act(admin_client, "publish", *images[:2])
    assert list(DemoImage.objects.filter(is_published=True)) == images[:2]
    act(admin_client, "withdraw", images[0])
    assert list(DemoImage.objects.filter(is_published=True)) == [images[1]]

    response = act(admin_client, "analyse_again", *images)
    assert "has not finished yet" in response.content.decode()
    analyse_all()
    response = act(admin_client, "analyse_again", *images)
    assert "3 pictures queued" in response.content.decode()
    assert Prediction.objects.filter(status=Status.QUEUED).count() == 3

    act(admin_client, "delete_selected", *images[:2])
    assert Prediction.objects.count() == Photo.objects.count() == 1
    assert {name.split("/")[2] for name in stored_files()} == {images[2].prediction.photo.pk.hex}
    admin_client.post(
        reverse("admin:predictions_demoimage_delete", args=[images[2].pk]), {"post": "yes"}
    )
    assert Photo.objects.count() == 0
    assert stored_files() == []


def test_unpublished_picture_is_for_staff_only(admin_client, astronaut):
    image = add(admin_client, astronaut)
    url = reverse("admin:demo-image-display", args=[image.pk])
    assert admin_client.get(url).status_code == 404, "there is no clean copy yet"
    analyse_all()
    response = admin_client.get(url)
    content = b"".join(response.streaming_content)
    assert response["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(content)).size == (512, 512)

    admin_client.logout()
    assert admin_client.get(url).status_code == 302
    admin_client.force_login(User.objects.create_user("ada", "a@example.org"))
    assert admin_client.get(url).status_code == 302
    staff = User.objects.create_user("bob", "b@example.org", is_staff=True)
    admin_client.force_login(staff)
    assert admin_client.get(url).status_code == 403


def test_admin_sees_the_work_but_no_photo(admin_client, owner, submit, astronaut):
    prediction = submit(owner, astronaut)
    Photo.objects.update(name="my secret.jpg")
    analyse_all()
    services.correct(prediction.faces.get(), "disgust")
    for url in (
        reverse("admin:predictions_prediction_changelist"),
        reverse("admin:predictions_prediction_change", args=[prediction.pk]),
    ):
        page = admin_client.get(url).content.decode()
        assert "512 × 512" in page
        assert "ada" in page
        for hidden in ("secret", "/image/", "/thumbnail/", prediction.photo.sha256, "photos/"):
            assert hidden not in page
    assert "disgust" not in page, "the owner's own word is for the owner"
    assert admin_client.get(reverse("admin:predictions_prediction_add")).status_code == 403
    assert (
        admin_client.get(
            reverse("admin:predictions_prediction_changelist"), {"q": "ada", "status": "succeeded"}
        )
        .context["cl"]
        .result_list.get()
        == prediction
    )


def test_admin_queues_cancels_and_deletes(
    admin_client, owner, submit, astronaut, make_image, stored_files
):
    prediction = submit(owner, astronaut)
    act(admin_client, "cancel", prediction, model="prediction")
    prediction.refresh_from_db()
    assert prediction.status == Status.CANCELED
    response = act(admin_client, "cancel", prediction, model="prediction")
    assert "has already finished" in response.content.decode()
    act(admin_client, "analyse_again", prediction, model="prediction")
    prediction.refresh_from_db()
    assert prediction.status == Status.QUEUED
    others = submit(owner, make_image())
    act(admin_client, "delete_selected", prediction, others, model="prediction")
    assert not Photo.objects.exists()
    assert stored_files() == []


def test_a_record_is_found_by_the_id_in_the_address_of_its_page(
    admin_client, owner, submit, make_image
):
    prediction, _other = submit(owner, make_image()), submit(owner, make_image(size=(50, 60)))
    address = reverse("admin:predictions_prediction_changelist")

    def found(text: str) -> list[Prediction]:
        return list(admin_client.get(address, {"q": text}).context["cl"].result_list)

    assert found(str(prediction.pk)) == found(str(prediction.pk).upper()) == [prediction]
    assert found(str(prediction.pk)[:-1]) == found("f00d") == []
    page = admin_client.get(address).content.decode()
    link = reverse("admin:predictions_prediction_change", args=[prediction.pk])
    assert f'<a href="{link}"><code>{str(prediction.pk)[:8]}</code></a>' in page
    assert "Show all" not in page, "nothing is left out"
    assert "Show all" in admin_client.get(address, {"q": "ada"}).content.decode()


def test_every_search_says_what_it_looks_at():
    for model, modeladmin in admin.site._registry.items():
        assert bool(modeladmin.search_fields) == bool(modeladmin.search_help_text), model


def test_failed_analysis_says_why(admin_client, make_image):
    image = add(admin_client, make_image())
    services.fail(steps.claim(image.prediction_id), "timed_out", "It took too long.")
    page = admin_client.get(reverse(CHANGE, args=[image.pk])).content.decode()
    assert 'It took too long. <code class="quiet">timed_out</code>' in page


def test_log_in_has_a_limit(client):
    response = client.get(reverse("admin:login"), {"next": "/admin/"})
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))
