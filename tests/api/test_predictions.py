"""One user's predictions: what the record says, and that nobody else gets near it."""

import hashlib
import io
import json

import pytest
from django.core.files.storage import default_storage
from django.db.models import FileField
from PIL import Image

from mlcore.labels import EMOJI, LABELS
from predictions.models import Photo, Prediction
from tests.support import steps
from tests.support.api import PREDICTIONS, assert_problem, photo


def stored_files(picture: Photo) -> list[str]:
    return [name for name in picture.file_names() if default_storage.exists(name)]


def test_the_record_says_what_the_database_says(client, analyse, astronaut):
    prediction = analyse()
    address = f"http://testserver{PREDICTIONS}{prediction.pk}/"
    [face] = prediction.faces.all()
    response = client.get(f"{PREDICTIONS}{prediction.pk}/")
    assert response.status_code == 200
    record = response.json()

    def moment(value):
        return value.isoformat().replace("+00:00", "Z")

    assert record == {
        "id": str(prediction.pk),
        "status": "succeeded",
        "queue_position": None,
        "created_at": moment(prediction.created_at),
        "started_at": moment(prediction.started_at),
        "finished_at": moment(prediction.finished_at),
        "photo": {
            "name": "photo.png",
            "width": 512,
            "height": 512,
            "bytes": len(astronaut),
            "sha256": hashlib.sha256(astronaut).hexdigest(),
            "image_url": f"{address}image/",
            "thumbnail_url": f"{address}thumbnail/",
        },
        "faces": [
            {
                "index": 0,
                "box": {"x": face.x, "y": face.y, "width": face.width, "height": face.height},
                "detection_confidence": face.detection_confidence,
                "label": face.label,
                "emoji": EMOJI[face.label],
                "confidence": face.confidence,
                "unsure": face.unsure,
                "probabilities": face.probabilities,
                "correction": None,
            }
        ],
        "advice": prediction.advice,
        "model": {
            "name": prediction.model_name,
            "version": prediction.model_version,
            "sha256": prediction.model_sha256,
        },
        "error": None,
    }
    probabilities = record["faces"][0]["probabilities"]
    assert list(probabilities) == list(LABELS)
    assert sum(probabilities.values()) == pytest.approx(1)
    assert probabilities[record["faces"][0]["label"]] == max(probabilities.values())


def test_a_queued_record_shows_neither_pictures_nor_network(client, queue):
    record = client.get(f"{PREDICTIONS}{queue().pk}/").json()
    assert record["status"] == "queued"
    assert record["started_at"] is record["finished_at"] is None
    assert record["photo"]["image_url"] is record["photo"]["thumbnail_url"] is None
    assert record["faces"] == record["advice"] == []
    assert record["model"] is record["error"] is None


def test_the_upload_itself_is_never_served(client, queue):
    address = f"{PREDICTIONS}{queue().pk}/"
    for picture in ("image", "thumbnail"):
        assert_problem(client.get(f"{address}{picture}/"), 404, "not_found")


def test_creating_answers_at_once_and_says_where_to_look(client, owner, make_image):
    content = make_image("PNG")
    response = client.post(PREDICTIONS, {"image": photo(content, "Höhle\u202e.png")})
    assert response.status_code == 202
    prediction = Prediction.objects.get()
    assert prediction.owner == owner
    assert response["Location"] == f"http://testserver{PREDICTIONS}{prediction.pk}/"
    assert int(response["Retry-After"]) > 0
    assert "Preference-Applied" not in response
    assert response.json() == client.get(response["Location"]).json()
    assert response.json()["photo"]["name"] == "Höhle.png"


def test_the_same_photo_is_not_analysed_twice_unless_forced(
    client, strangers_client, analyse, astronaut
):
    known = analyse()
    response = client.post(PREDICTIONS, {"image": photo(astronaut, "another-name.png")})
    assert response.status_code == 200
    assert response["Location"].endswith(f"{PREDICTIONS}{known.pk}/")
    assert response.json()["id"] == str(known.pk)

    for address, form in ((PREDICTIONS, {"force": "true"}), (f"{PREDICTIONS}?force=true", {})):
        response = client.post(address, {"image": photo(astronaut), **form})
        assert response.status_code == 202
        assert response.json()["id"] != str(known.pk)
    assert strangers_client.post(PREDICTIONS, {"image": photo(astronaut)}).status_code == 202
    assert Prediction.objects.count() == 4


@pytest.mark.parametrize(
    ("address", "form"),
    [(PREDICTIONS, {"keep_photo": "false"}), (f"{PREDICTIONS}?keep_photo=false", {})],
)
def test_of_a_photo_that_is_not_kept_the_numbers_stay(
    address, form, client, strangers_client, astronaut
):
    sent = client.post(address, {"image": photo(astronaut), **form})
    assert sent.status_code == 202
    steps.analyse(sent.json()["id"])
    record = client.get(sent["Location"]).json()
    assert (record["status"], len(record["faces"])) == ("succeeded", 1)
    assert (record["photo"]["width"], record["photo"]["height"]) == (512, 512)
    assert record["photo"]["image_url"] is record["photo"]["thumbnail_url"] is None
    for picture in ("image", "thumbnail"):
        assert_problem(client.get(f"{sent['Location']}{picture}/"), 404, "not_found")
    assert_problem(client.get(f"{sent['Location']}explanation/"), 409, "photo_missing")
    assert_problem(client.post(f"{sent['Location']}rerun/"), 409, "photo_missing")
    assert_problem(strangers_client.get(sent["Location"]), 404, "not_found")

    same = client.post(address, {"image": photo(astronaut), **form})
    assert (same.status_code, same.json()["id"]) == (200, record["id"])
    kept = client.post(PREDICTIONS, {"image": photo(astronaut), "keep_photo": "true"})
    assert kept.status_code == 202


@pytest.mark.parametrize("value", ["perhaps", "", "2"])
def test_whether_a_photo_is_kept_is_said_clearly(value, client, make_image):
    form = {"image": photo(make_image("PNG")), "keep_photo": value}
    problem = assert_problem(client.post(PREDICTIONS, form), 400, "invalid_input")
    assert list(problem["errors"]) == ["keep_photo"]
    assert not Prediction.objects.exists()


def test_an_unchanged_record_is_not_sent_again(client, analyse):
    prediction = analyse()
    address = f"{PREDICTIONS}{prediction.pk}/"
    response = client.get(address)
    assert "private" in response["Cache-Control"]
    etag = {"if-none-match": response["ETag"]}
    unchanged = client.get(address, headers=etag)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged["ETag"] == response["ETag"]

    correction = json.dumps({"label": "sad"})
    client.put(f"{address}faces/0/correction/", correction, "application/json")
    changed = client.get(address, headers=etag)
    assert changed.status_code == 200
    assert changed["ETag"] != response["ETag"]


@pytest.mark.parametrize("accept", ["*/*", "image/jpeg", "image/avif,image/webp,*/*;q=0.8"])
@pytest.mark.parametrize(("kind", "side"), [("image", 512), ("thumbnail", 480)])
def test_pictures_are_clean_jpegs(client, analyse, kind, side, accept):
    response = client.get(f"{PREDICTIONS}{analyse().pk}/{kind}/", headers={"accept": accept})
    assert response.status_code == 200
    assert response["Content-Type"] == "image/jpeg"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "private" in response["Cache-Control"]
    with Image.open(io.BytesIO(response.getvalue())) as image:
        assert image.size == (side, side)
        assert not image.getexif()


def test_a_picture_whose_file_is_gone_is_a_404(client, analyse):
    prediction = analyse()
    default_storage.delete(prediction.photo.display.name)
    assert_problem(client.get(f"{PREDICTIONS}{prediction.pk}/image/"), 404, "not_found")


@pytest.mark.django_db(transaction=True)
def test_deleting_leaves_neither_rows_nor_files(client, analyse):
    picture = analyse().photo
    assert len(stored_files(picture)) == 2
    address = f"{PREDICTIONS}{picture.prediction.pk}/"
    response = client.delete(address)
    assert (response.status_code, response.content) == (204, b"")
    assert not Prediction.objects.exists()
    assert not Photo.objects.exists()
    assert not stored_files(picture)
    assert_problem(client.get(address), 404, "not_found")
    assert_problem(client.delete(address), 404, "not_found")


def test_a_finished_prediction_can_be_run_again_and_no_other(client, analyse):
    address = f"{PREDICTIONS}{analyse().pk}/"
    response = client.post(f"{address}rerun/")
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{address}"
    assert int(response["Retry-After"]) > 0
    assert response.json()["status"] == "queued"
    assert_problem(client.post(f"{address}rerun/"), 409, "not_finished")


def test_an_unfinished_prediction_can_be_canceled_and_no_other(client, queue):
    address = f"{PREDICTIONS}{queue().pk}/"
    response = client.post(f"{address}cancel/", "{}", "application/json")
    assert response.status_code == 202
    assert response.json()["status"] == "canceled"
    assert response.json()["finished_at"]
    assert_problem(client.post(f"{address}cancel/"), 409, "already_finished")


def test_a_correction_stands_beside_the_answer_until_it_is_taken_back(client, analyse):
    prediction = analyse()
    address = f"{PREDICTIONS}{prediction.pk}/"
    before = client.get(address).json()["faces"][0]
    for body, kind, expected in (
        ({"label": "disgust"}, "application/json", "disgust"),
        ("label=fear", "application/x-www-form-urlencoded", "fear"),
        ({"label": None}, "application/json", None),
    ):
        response = client.put(f"{address}faces/0/correction/", body, kind)
        assert response.status_code == 200
        assert response.json() == before | {"correction": expected}
        assert client.get(address).json()["faces"][0] == response.json()


def test_no_field_tells_where_files_are_stored(client, analyse):
    prediction = analyse()
    body = client.get(f"{PREDICTIONS}{prediction.pk}/").content.decode()
    for field in Photo._meta.get_fields():
        if isinstance(field, FileField) and getattr(prediction.photo, field.name):
            assert getattr(prediction.photo, field.name).name not in body


def test_a_full_queue_takes_no_rerun(client, analyse, queue, settings):
    prediction = analyse()
    queue()
    settings.QUEUE_LIMIT = 1
    address = f"{PREDICTIONS}{prediction.pk}/"
    assert_problem(client.post(f"{address}rerun/"), 503, "queue_full")
    assert client.get(address).json()["status"] == "succeeded"


def test_an_answer_that_was_taken_back_takes_no_correction(client, analyse):
    prediction = analyse()
    address = f"{PREDICTIONS}{prediction.pk}/"
    assert client.post(f"{address}rerun/").status_code == 202
    response = client.put(f"{address}faces/0/correction/", {"label": "sad"}, "application/json")
    assert_problem(response, 409, "not_finished")
    assert prediction.faces.get().correction == ""
