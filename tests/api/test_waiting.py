"""``Prefer: wait``, with a real broker and a real worker."""

import io
import threading
import time

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone
from PIL import Image

from predictions import notices, removal, services
from predictions.api.waiting import preferred_wait, wait_until_finished
from predictions.models import Photo, Prediction, upload_path
from predictions.notices import LOOK_AGAIN
from tests.support.api import PREDICTIONS, photo


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ('Wait = "7"', 7),
        ("respond-async, wait=10; x=y, handling=lenient", 10),
        ("wait=5, wait=9", 5),
        ("wait=0", 0),
        ("wait=007", 7),
        ("wait=31", 30),
        ("wait=" + "9" * 5000, 30),
        ("", None),
        ("wait", None),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=²", None),
        ("await=5", None),
        ("wait=x, wait=3", 3),
    ],
)
def test_what_a_prefer_header_asks_for(header, seconds):
    assert preferred_wait(header) == seconds


def post(client, content: bytes, wait: str = "wait=30", **fields):
    return client.post(PREDICTIONS, {"image": photo(content), **fields}, headers={"prefer": wait})


def test_a_photo_is_analysed_while_the_client_waits(client, worker, astronaut):
    response = post(client, astronaut)
    assert response.status_code == 201
    assert response["Preference-Applied"] == "wait=30"
    assert "Retry-After" not in response
    record = response.json()
    assert record == client.get(response["Location"]).json()
    assert record["status"] == "succeeded"

    prediction = Prediction.objects.get()
    [face] = prediction.faces.all()
    assert record["id"] == str(prediction.pk)
    assert record["faces"][0]["probabilities"] == face.probabilities
    assert record["faces"][0]["box"] == {
        key: getattr(face, key) for key in ("x", "y", "width", "height")
    }
    assert record["model"]["sha256"] == prediction.model_sha256

    again = post(client, astronaut)
    assert again.status_code == 200
    assert again.json() == record


def test_who_does_not_wait_long_enough_gets_the_queued_record(client, redis_server, make_image):
    # No worker is started here.
    started = time.monotonic()
    response = post(client, make_image(), "wait=1")
    assert 1 <= time.monotonic() - started < 10
    assert response.status_code == 202
    assert response["Preference-Applied"] == "wait=1"
    assert int(response["Retry-After"]) > 0
    assert response.json()["status"] == "queued"
    assert client.get(response["Location"]).json() == response.json()


@pytest.mark.django_db(transaction=True)
def test_a_wait_ends_as_soon_as_the_prediction_does(owner):
    # It counts as running, so that no worker takes it.
    picture = Photo.objects.create(name="a.png", sha256="0" * 64, bytes=1, width=100, height=100)
    prediction = Prediction.objects.create(owner=owner, photo=picture, status="running")
    canceling = threading.Timer(0.3, cancel, [prediction])
    started = time.monotonic()
    canceling.start()
    assert wait_until_finished([prediction], 30)
    assert time.monotonic() - started < 10
    assert prediction.status == "canceled"
    canceling.join()


@pytest.mark.django_db(transaction=True)
def test_a_wait_ends_without_redis_too(owner, redis_server):
    prediction = running(owner)
    redis_server.stop()
    canceling = threading.Timer(0.5, cancel, [prediction])
    canceling.start()
    started = time.monotonic()
    assert wait_until_finished([prediction], 30)
    assert time.monotonic() - started < 15
    assert prediction.status == "canceled"
    started = time.monotonic()
    prediction = running(owner)
    assert wait_until_finished([prediction], 2)
    assert 2 <= time.monotonic() - started < 10
    assert prediction.status == "running"
    canceling.join()


@pytest.mark.django_db(transaction=True)
def test_a_notice_ends_the_wait_before_the_next_look_at_the_database(owner, redis_server):
    prediction = running(owner)
    delays = []
    for _ in range(5):
        Prediction.objects.filter(pk=prediction.pk).update(status="running")
        canceling = threading.Timer(0.3, cancel, [prediction])
        canceling.start()
        assert wait_until_finished([prediction], 30)
        delays.append((timezone.now() - prediction.finished_at).total_seconds())
        canceling.join()
    assert sorted(delays)[2] < LOOK_AGAIN / 2


@pytest.mark.django_db(transaction=True)
def test_who_would_take_the_last_thread_does_not_wait(client, redis_server, make_image, settings):
    taken = [notices._places.acquire(blocking=False) for _ in range(settings.WAITING_THREADS)]
    assert all(taken)
    try:
        started = time.monotonic()
        response = post(client, make_image())
        assert time.monotonic() - started < 10
    finally:
        for _ in taken:
            notices._places.release()
    assert response.status_code == 202
    assert "Preference-Applied" not in response
    assert int(response["Retry-After"]) > 0


def test_what_is_deleted_on_a_page_meanwhile_is_gone(owner, redis_server):
    prediction = running(owner)
    removal.remove(Prediction.objects.for_user(owner))
    wait_until_finished([prediction], 0)
    assert prediction.is_deleted


def running(owner) -> Prediction:
    """Return a prediction that no worker takes, because one seems to be at it."""
    picture = Photo.objects.create(name="a.png", sha256="0" * 64, bytes=1, width=100, height=100)
    return Prediction.objects.create(owner=owner, photo=picture, status="running")


def cancel(prediction: Prediction) -> None:
    services.cancel(Prediction.objects.get(pk=prediction.pk))
    connection.close()


def frames(format: str, make_image) -> bytes:
    """Return an animation of two frames."""
    first, second = (
        Image.open(io.BytesIO(make_image("PNG", size=size))) for size in ((320, 240), (320, 241))
    )
    file = io.BytesIO()
    first.save(file, format, save_all=True, append_images=[second.resize(first.size)])
    return file.getvalue()


def sideways(astronaut: bytes) -> bytes:
    """Return the portrait cut to a landscape and stored on its side, with a note saying so."""
    image = Image.open(io.BytesIO(astronaut)).convert("RGB").crop((0, 0, 512, 400))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", exif=exif)
    return file.getvalue()


def twelve(astronaut: bytes) -> bytes:
    portrait = Image.open(io.BytesIO(astronaut)).convert("RGB").crop((120, 0, 320, 200))
    sheet = Image.new("RGB", (800, 600))
    for number in range(12):
        sheet.paste(portrait, (number % 4 * 200, number // 4 * 200))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def test_every_odd_photo_gets_its_answer_and_the_worker_lives_on(
    client, worker, astronaut, make_image
):
    expected = {  # Status or error code, faces, size.
        "truncated": (make_image("JPEG")[:-2000], "unreadable_image", 0, (320, 240)),
        "no face": (make_image("JPEG"), "succeeded", 0, (320, 240)),
        "cmyk": (make_image("JPEG", mode="CMYK"), "succeeded", 0, (320, 240)),
        "16-bit grey": (make_image("PNG", mode="I;16"), "succeeded", 0, (320, 240)),
        "transparent": (make_image("PNG", mode="RGBA"), "succeeded", 0, (320, 240)),
        "animated": (frames("GIF", make_image), "succeeded", 0, (320, 240)),
        "sideways": (sideways(astronaut), "succeeded", 1, (512, 400)),
        "twelve": (twelve(astronaut), "succeeded", 12, (800, 600)),
    }
    found = {}
    for name, (content, *_) in expected.items():
        response = post(client, content)
        assert response.status_code == 201, name
        record = response.json()
        outcome = record["error"]["code"] if record["error"] else record["status"]
        size = record["photo"]["width"], record["photo"]["height"]
        found[name] = (content, outcome, len(record["faces"]), size)
        assert not record["error"] or record["error"]["detail"]
        assert record["faces"] or record["error"] or record["advice"], name
    assert found == expected
    for picture in Photo.objects.all():
        assert not picture.upload
        assert not default_storage.exists(upload_path(picture, ""))
    for prediction in Prediction.objects.select_related("photo"):
        assert client.delete(f"{PREDICTIONS}{prediction.pk}/").status_code == 204
        assert not any(map(default_storage.exists, prediction.photo.file_names()))
