"""Photos come in, and bad files are refused with a sentence and a code."""

import io
import struct
import zlib

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from predictions import limits
from predictions.models import Photo
from tests.support import steps
from tests.support.pictures import crowd, one_face


def photo(content: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def huge_png() -> bytes:
    """A PNG of a few bytes that claims 50,000 × 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


BAD_FILES = {
    "unsupported_format": (b"This is a shopping list, whatever its name says.", 422),
    "empty_file": (b"", 422),
    "too_many_pixels": (huge_png(), 422),
    "file_too_large": (b"\xff\xd8\xff" + bytes(30 * 1024 * 1024), 413),
}


def files_in(storage) -> list:
    return [path for path in storage.rglob("*") if path.is_file()]


def assert_nothing_kept(storage) -> None:
    from predictions.models import Photo, Prediction

    assert not Photo.objects.exists()
    assert not Prediction.objects.exists()
    assert files_in(storage) == []


@pytest.mark.parametrize("code", BAD_FILES)
def test_bad_file_is_refused_on_the_form(code, client, storage):
    content, status = BAD_FILES[code]
    response = client.post("/", {"photos": photo(content, "holiday.jpg")})
    assert response.status_code == status
    assert [refused.code for refused in response.context["refused"]] == [code]
    page = response.content.decode()
    assert "holiday.jpg" in page
    assert response.context["refused"][0].detail in page
    assert f"<code>{code}</code>" in page
    assert_nothing_kept(storage)


@pytest.mark.parametrize("code", BAD_FILES)
def test_bad_file_is_refused_to_the_script(code, client, storage):
    content, status = BAD_FILES[code]
    response = client.post("/uploads/", {"photos": photo(content, "holiday.jpg")})
    assert response.status_code == status
    page = response.content.decode()
    assert page.lstrip().startswith('<li class="card refused">')
    assert f"<code>{code}</code>" in page
    assert_nothing_kept(storage)


def test_too_small_picture_is_refused(client, make_image, storage):
    response = client.post("/", {"photos": photo(make_image(size=(300, 10)))})
    assert "<code>too_small</code>" in response.content.decode()
    assert_nothing_kept(storage)


def test_form_without_a_file_asks_for_one(client, storage):
    response = client.post("/")
    assert response.status_code == 422
    assert "Choose at least one photo first." in response.content.decode()
    assert client.post("/uploads/").status_code == 422
    assert_nothing_kept(storage)


def test_a_used_up_quota_is_told(client, make_image, settings, storage):
    settings.QUOTA_WAITING = 1
    for path in ("/", "/uploads/"):
        accepted = client.post("/uploads/", {"photos": photo(make_image(size=(50, 50)))})
        assert accepted.status_code in (200, 201)
        response = client.post(path, {"photos": photo(make_image())})
        assert response.status_code == 429
        assert int(response["Retry-After"]) > 0
        assert "Your queue is full: 1 of 1 photos are waiting." in response.content.decode()
        assert "<code>quota_exceeded</code>" in response.content.decode()
    settings.QUOTA_WAITING, settings.QUOTA_STORED_MB = 0, 1
    Photo.objects.update(stored_bytes=1024 * 1024)
    for path in ("/", "/uploads/"):
        response = client.post(path, {"photos": photo(make_image())})
        assert response.status_code == 403
        assert "Retry-After" not in response, "waiting makes no room"
        assert "Delete some to make room." in response.content.decode()
        assert "<code>quota_exceeded</code>" in response.content.decode()


def test_full_queue_is_told(client, make_image, settings, storage):
    settings.QUEUE_LIMIT = 0
    response = client.post("/", {"photos": photo(make_image())})
    assert response.status_code == 503
    assert "<code>queue_full</code>" in response.content.decode()
    response = client.post("/uploads/", {"photos": photo(make_image())})
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert_nothing_kept(storage)


def test_one_photo_leads_to_its_result(client, owner, make_image):
    response = client.post("/", {"photos": photo(make_image(), "me.jpg")})
    prediction = owner.predictions.get()
    assert response.status_code == 302
    assert response["Location"] == prediction.get_absolute_url()
    assert (prediction.status, prediction.photo.name) == ("queued", "me.jpg")


def test_several_photos_lead_to_the_history(client, owner, make_image):
    photos = [photo(make_image(size=(100 + n, 100)), f"{n}.jpg") for n in range(3)]
    response = client.post("/", {"photos": photos})
    assert response["Location"] == "/predictions/"
    assert owner.predictions.count() == 3


def test_a_bad_file_does_not_sink_the_others(client, owner, make_image, storage):
    photos = [photo(make_image(), "good.jpg"), photo(b"words", "bad.jpg")]
    response = client.post("/", {"photos": photos})
    assert response.status_code == 200
    page = response.content.decode()
    assert owner.predictions.get().get_absolute_url() in page
    assert "<code>unsupported_format</code>" in page
    assert len(files_in(storage)) == 1


def test_same_photo_again_leads_to_the_first_result(client, owner, make_image):
    first = client.post("/", {"photos": photo(make_image())})
    again = client.post("/", {"photos": photo(make_image(), "copy.jpg")}, follow=True)
    assert again.redirect_chain[-1][0] == first["Location"]
    assert "analysed this very photo before" in again.content.decode()
    by_script = client.post("/uploads/", {"photos": photo(make_image()), "single": "1"})
    assert (by_script.status_code, by_script["Location"]) == (200, first["Location"])
    assert "analysed this very photo before" in client.get(first["Location"]).content.decode()
    assert owner.predictions.count() == 1


def test_a_photo_that_was_kept_before_is_said_to_be_so(client, make_image):
    words = "The photo was kept then"
    first = client.post("/", {"photos": photo(make_image())}, follow=True)
    again = client.post("/", {"photos": photo(make_image())}, follow=True)
    assert words not in first.content.decode() + again.content.decode()
    discarded = {"photos": photo(make_image()), "discard_photo": "on"}
    assert words in client.post("/", discarded, follow=True).content.decode()


def test_of_several_photos_it_is_said_which_were_known_and_kept(client, make_image):
    first, second, new = (photo(make_image(size=(100 + n, 100)), f"{n}.jpg") for n in range(3))
    client.post("/", {"photos": [first, second]})

    def send(*files, **more) -> str:
        for file in files:
            file.seek(0)
        return client.post("/", {"photos": files, **more}, follow=True).content.decode()

    page = send(first, second, new)
    assert "2 photos were analysed before." in page
    assert "Kept then" not in page
    page = send(first, new, photo(b"words", "bad.jpg"), discard_photo="on")
    assert "2 photos were analysed before. Kept then: 0.jpg, 2.jpg. To change that" in page
    second.seek(0)
    card = client.post("/uploads/", {"photos": second, "discard_photo": "on"}).content.decode()
    assert "analysed this very photo before; here is its result. The photo was kept then" in card
    assert "analysed this very photo before" not in client.get("/").content.decode()


def test_script_gets_a_card_that_waits(client, owner, make_image):
    response = client.post("/uploads/", {"photos": photo(make_image())})
    prediction = owner.predictions.get()
    assert response.status_code == 201
    assert response["Location"] == prediction.get_absolute_url()
    link = f'<a id="link-{prediction.pk}" href="{response["Location"]}" data-status="queued">'
    assert link in response.content.decode()
    assert 'data-waiting="/predictions/cards/"' in client.get("/").content.decode()


@pytest.mark.parametrize("address", ["/", "/uploads/"])
def test_a_photo_is_kept_unless_its_sender_says_otherwise(address, client, owner, make_image):
    client.post(address, {"photos": photo(make_image()), "discard_photo": "on"})
    assert not owner.predictions.get().photo.is_kept
    client.post(address, {"photos": photo(make_image())})
    assert owner.predictions.latest("created_at").photo.is_kept


def test_of_a_photo_that_is_not_kept_the_card_shows_only_words(
    client, owner, astronaut, storage, django_capture_on_commit_callbacks
):

    with django_capture_on_commit_callbacks(execute=True):
        client.post("/uploads/", {"photos": photo(astronaut), "discard_photo": "on"})
        prediction = owner.predictions.get()
        assert "Photo not kept" not in client.get("/").content.decode()
        steps.analyse(prediction.pk)
    assert files_in(storage) == []
    card = client.get(f"/predictions/cards/?queued={prediction.pk}").content.decode()
    assert "Photo not kept" in card
    assert "Happy" in card
    assert "<img" not in card


def test_a_refused_form_remembers_that_the_photo_is_not_to_be_kept(client):
    box = 'aria-describedby="discard-help" checked>'
    assert box in client.post("/", {"discard_photo": "on"}).content.decode()
    assert box not in client.post("/").content.decode()


def test_of_too_many_photos_the_first_are_taken(client, owner, make_image, monkeypatch):
    monkeypatch.setattr(limits, "AT_ONCE", 2)
    photos = [photo(make_image(size=(100 + n, 100)), f"{n}.jpg") for n in range(3)]
    response = client.post("/", {"photos": photos})
    assert response.status_code == 200
    assert {taken.photo.name for taken in owner.predictions.all()} == {"0.jpg", "1.jpg"}
    [refused] = response.context["refused"]
    assert (refused.name, refused.code) == ("2.jpg", "too_many_files")
    assert "Up to 2 photos go at once" in response.content.decode()


class TestNotice:
    @pytest.fixture
    def newcomer(self, owner):
        owner.notice_version = ""
        owner.save()
        return owner

    def test_is_asked_for_once(self, newcomer, client, make_image):
        assert 'name="notice"' in client.get("/").content.decode()
        client.post("/", {"photos": photo(make_image()), "notice": "on"})
        newcomer.refresh_from_db()
        assert newcomer.has_accepted_notice
        assert newcomer.notice_accepted_at
        assert newcomer.predictions.count() == 1
        assert 'name="notice"' not in client.get("/").content.decode()

    @pytest.mark.parametrize("address", ["/", "/uploads/"])
    def test_nothing_is_taken_without_it(self, address, newcomer, client, make_image, storage):
        response = client.post(address, {"photos": photo(make_image())})
        assert response.status_code == 422
        assert "agree to the notice" in response.content.decode()
        newcomer.refresh_from_db()
        assert not newcomer.has_accepted_notice
        assert_nothing_kept(storage)


def encoded(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def face(astronaut) -> Image.Image:
    return one_face(astronaut)


class TestUnusualPhotos:
    """What the worker makes of photos whose header looks well."""

    @pytest.fixture
    def result(self, analyse, client):
        """A function that uploads bytes and returns the record and its page."""

        def result(content: bytes):
            prediction = analyse(content)
            return prediction, client.get(prediction.get_absolute_url()).content.decode()

        return result

    def test_truncated(self, result, make_image, storage, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            prediction, page = result(make_image(size=(800, 600))[:4000])
        assert (prediction.status, prediction.error_code) == ("failed", "unreadable_image")
        assert "<code>unreadable_image</code>" in page
        assert prediction.error_detail in page
        assert files_in(storage) == []

    def test_without_a_face(self, result, make_image):
        prediction, page = result(make_image())
        assert (prediction.status, prediction.advice) == ("succeeded", ["no_face"])
        assert "<h1>No face found</h1>" in page
        assert "well lit" in page

    def test_twelve_faces(self, result, astronaut):
        prediction, page = result(crowd(astronaut, 4, 3))
        assert prediction.faces.count() == 12
        assert "Face 1 of 12" in page
        assert all(f'id="face-{number}"' in page for number in range(1, 13))

    def test_on_its_side(self, result, face):
        exif = Image.Exif()
        exif[0x0112] = 6
        wide = Image.new("RGB", (300, 200))
        wide.paste(face, (100, 0))
        lying = wide.transpose(Image.Transpose.ROTATE_90)
        prediction, page = result(encoded(lying, "JPEG", exif=exif))
        assert (prediction.photo.width, prediction.photo.height) == (300, 200)
        assert prediction.faces.get().x > 100
        assert 'viewBox="0 0 300 200"' in page

    @pytest.mark.parametrize(
        ("mode", "format"), [("CMYK", "JPEG"), ("I;16", "PNG"), ("LA", "PNG"), ("P", "GIF")]
    )
    def test_colour_modes(self, mode, format, result, face):
        if mode == "I;16":
            image = Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) << 8)
        else:
            image = face.convert(mode)
        prediction, _ = result(encoded(image, format))
        assert prediction.status == "succeeded"
        assert prediction.faces.count() == 1

    def test_animation(self, result, face):
        frames = [Image.new("RGB", face.size, colour) for colour in ("red", "blue")]
        content = encoded(face, "GIF", save_all=True, append_images=frames)
        prediction, _ = result(content)
        assert prediction.faces.count() == 1
