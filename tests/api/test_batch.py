"""Several photos in one request: each has an outcome of its own."""

import threading

import pytest
from django.db import connection
from django.test import Client

from predictions import removal, services
from predictions.models import Photo, Prediction
from tests.support.api import PREDICTIONS, assert_problem, photo
from tests.support.waiting import wait_until

BATCH = f"{PREDICTIONS}batch/"


def send(client, *files, **headers):
    return client.post(BATCH, {"image": list(files)}, headers=headers)


def test_a_bad_file_never_sinks_the_others(client, make_image):
    same = make_image("PNG", size=(64, 64))
    response = send(
        client,
        photo(same, "a.png"),
        photo(b"no picture", "b.txt"),
        photo(make_image("JPEG"), "../c.jpg"),
        photo(b"", "d.png"),
        photo(same, "e.png"),
    )
    assert response.status_code == 207
    outcomes = response.json()
    assert [outcome["index"] for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert [outcome["name"] for outcome in outcomes] == [
        "a.png", "b.txt", "c.jpg", "d.png", "e.png",
    ]  # fmt: skip
    assert [outcome["status"] for outcome in outcomes] == [202, 415, 202, 422, 200]
    codes = [outcome["error"] and outcome["error"]["code"] for outcome in outcomes]
    assert codes == [None, "unsupported_format", None, "empty_file", None]
    assert outcomes[1]["error"]["request_id"] == response["X-Request-ID"]
    assert outcomes[4]["prediction"]["id"] == outcomes[0]["prediction"]["id"]
    for index in (0, 2):
        record = outcomes[index]["prediction"]
        assert client.get(f"{PREDICTIONS}{record['id']}/").json() == record
    assert Photo.objects.count() == Prediction.objects.count() == 2


def test_a_batch_may_be_waited_for(client, worker, astronaut, make_image):
    response = send(
        client, photo(astronaut), photo(b"?"), photo(make_image("PNG")), prefer="wait=30"
    )
    assert response.status_code == 207
    assert response["Preference-Applied"] == "wait=30"
    outcomes = response.json()
    assert [outcome["status"] for outcome in outcomes] == [201, 415, 201]
    assert outcomes[0]["prediction"]["faces"][0]["probabilities"]
    assert outcomes[2]["prediction"]["advice"] == ["no_face"]


def test_where_the_queue_is_full_the_rest_is_turned_away(client, make_image, settings):
    settings.QUEUE_LIMIT = 1
    files = [photo(make_image("PNG", size=(50 + number, 50))) for number in range(3)]
    outcomes = send(client, *files).json()
    assert [outcome["status"] for outcome in outcomes] == [202, 503, 503]
    assert outcomes[1]["error"]["code"] == services.QueueFull.code
    assert Photo.objects.count() == 1


def test_what_was_turned_away_for_now_may_be_sent_again_under_the_same_key(
    client, make_image, settings
):
    files = [photo(make_image("PNG", size=(50 + number, 50))) for number in range(2)]
    settings.QUEUE_LIMIT = 1
    first = send(client, *files, **{"idempotency-key": "one"})
    assert [outcome["status"] for outcome in first.json()] == [202, 503]
    assert int(first["Retry-After"]) > 0
    settings.QUEUE_LIMIT = 10
    for file in files:
        file.seek(0)
    again = send(client, *files, **{"idempotency-key": "one"})
    assert [outcome["status"] for outcome in again.json()] == [200, 202]
    assert "Retry-After" not in again


@pytest.mark.django_db(transaction=True)
def test_a_record_that_is_deleted_meanwhile_takes_no_other_with_it(
    client, redis_server, make_image, monkeypatch
):
    # No worker hears of these.
    monkeypatch.setattr(services, "wake_worker", lambda task: True)

    def delete_the_first():
        wait_until(lambda: Prediction.objects.count() == 2, 20)
        removal.delete(Prediction.objects.earliest("created_at"))
        for prediction in Prediction.objects.all():
            services.cancel(prediction)
        connection.close()

    deleting = threading.Thread(target=delete_the_first)
    deleting.start()
    files = [photo(make_image("PNG", size=(50 + number, 50))) for number in range(2)]
    outcomes = send(client, *files, prefer="wait=20").json()
    deleting.join()
    assert [outcome["status"] for outcome in outcomes] == [404, 201]
    assert outcomes[0]["error"]["code"] == "not_found"
    assert outcomes[1]["prediction"]["status"] == "canceled"


def test_the_same_photos_are_analysed_anew_by_force(client, make_image):
    content = make_image("PNG")
    send(client, photo(content))
    response = client.post(BATCH, {"image": [photo(content)], "force": "true"})
    assert [outcome["status"] for outcome in response.json()] == [202]
    assert Prediction.objects.count() == 2


def test_photos_of_a_batch_are_kept_or_not(client, make_image):
    files = [photo(make_image("PNG", size=(50 + number, 50))) for number in range(2)]
    response = client.post(BATCH, {"image": files, "keep_photo": "false"})
    assert [outcome["status"] for outcome in response.json()] == [202, 202]
    assert list(Photo.objects.values_list("is_kept", flat=True)) == [False, False]
    response = client.post(BATCH, {"image": files, "keep_photo": "perhaps"})
    assert "keep_photo" in assert_problem(response, 400, "invalid_input")["errors"]


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_has_at_least_one_file_and_at_most_fifty(client, make_image, count):
    content = make_image("PNG", size=(30, 30))
    problem = assert_problem(send(client, *[photo(content)] * count), 400, "invalid_input")
    assert "image" in problem["errors"]
    assert not Photo.objects.exists()


def test_a_field_that_is_no_file_is_refused(client):
    response = client.post(BATCH, {"image": "a text"})
    assert_problem(response, 400, "invalid_input")


def test_a_batch_that_is_too_large_is_refused_unread(client, make_image, settings):
    settings.MAX_UPLOAD_MB = 1
    files = [photo(make_image("PNG") + bytes(900_000)) for _ in range(13)]
    assert_problem(send(client, *files), 413, "request_too_large")
    assert not Photo.objects.exists()


def test_strangers_see_nothing_of_it_and_visitors_send_nothing(
    client, strangers_client, make_image
):
    [outcome] = send(client, photo(make_image("PNG"))).json()
    address = f"{PREDICTIONS}{outcome['prediction']['id']}/"
    assert_problem(strangers_client.get(address), 404, "not_found")
    [other] = send(strangers_client, photo(make_image("PNG"))).json()
    assert other["status"] == 202
    assert other["prediction"]["id"] != outcome["prediction"]["id"]
    assert_problem(send(Client(), photo(make_image("PNG"))), 401, "not_authenticated")
