"""``queue_position``: how many photos are analysed before a record's own, and the users' quotas."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from predictions import services
from predictions.models import Photo, Prediction
from tests.support import steps
from tests.support.api import PREDICTIONS, assert_problem, photo


def position(client, prediction) -> int | None:
    return client.get(f"{PREDICTIONS}{prediction.pk}/").json()["queue_position"]


def test_users_take_turns_in_the_positions(client, strangers_client, stranger, queue):
    mine = [queue() for _ in range(3)]
    theirs = queue(user=stranger)
    assert [position(client, each) for each in mine] == [0, 2, 3]
    assert position(strangers_client, theirs) == 1
    assert_problem(client.get(f"{PREDICTIONS}{theirs.pk}/"), 404, "not_found")
    assert_problem(Client().get(f"{PREDICTIONS}{theirs.pk}/"), 401, "not_authenticated")
    listed = client.get(PREDICTIONS).json()["results"]
    assert [each["queue_position"] for each in listed] == [3, 2, 0]
    services.prioritise(mine[2])
    assert [position(client, each) for each in mine] == [2, 3, 0]


def test_it_is_null_unless_the_photo_is_queued(client, queue, analyse):
    done, canceled, running = analyse(), queue(), queue()
    services.cancel(canceled)
    steps.claim(running.pk)
    assert [position(client, each) for each in (done, canceled, running)] == [None] * 3
    answer = client.post(f"{PREDICTIONS}{done.pk}/rerun/").json()
    assert (answer["status"], answer["queue_position"]) == ("queued", 0)


def test_what_is_sent_is_told_its_position(client, queue, stranger, make_image):
    queue(user=stranger)
    sent = client.post(PREDICTIONS, {"image": photo(make_image("PNG"))}).json()
    assert sent["queue_position"] == 1
    files = [photo(make_image("PNG", size=(40 + number, 40))) for number in range(3)]
    answers = client.post(f"{PREDICTIONS}batch/", {"image": files}).json()
    assert [each["prediction"]["queue_position"] for each in answers] == [2, 3, 4]


def test_another_position_is_another_etag(client, queue, stranger):
    first, mine = queue(user=stranger), queue()
    address = f"{PREDICTIONS}{mine.pk}/"
    known = {"if-none-match": client.get(address)["ETag"]}
    assert client.get(address, headers=known).status_code == 304
    steps.claim(first.pk)
    assert client.get(address, headers=known).json()["queue_position"] == 0


@pytest.mark.parametrize("path", [PREDICTIONS, f"{PREDICTIONS}batch/"])
def test_more_records_need_no_more_queries_for_their_positions(client, queue, make_image, path):
    for _number in range(12):
        queue()
    client.get(PREDICTIONS)  # Notes that the token is used, once a minute.

    def asked(count: int) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            if path == PREDICTIONS:
                page = client.get(PREDICTIONS, {"page_size": count}).json()["results"]
            else:
                # Photos that are known: nothing but the answer is at stake.
                known = [photo(make_image("PNG")) for _number in range(count)]
                page = [each["prediction"] for each in client.post(path, {"image": known}).json()]
        assert len(page) == count
        assert all(each["queue_position"] is not None for each in page)
        return [query["sql"] for query in queries if '"turn"' in query["sql"].split("FROM")[-1]]

    assert len(asked(9)) == len(asked(3)) > 0


def test_the_quota_of_waiting_photos_is_a_429_that_says_when_to_return(
    client, strangers_client, queue, make_image, settings
):
    settings.QUOTA_WAITING = 1
    queue()
    refused = client.post(PREDICTIONS, {"image": photo(make_image("PNG", size=(50, 50)))})
    problem = assert_problem(refused, 429, "quota_exceeded")
    assert problem["quota"] == {"name": "waiting", "used": 1, "limit": 1}
    assert int(refused["Retry-After"]) > 0
    accepted = strangers_client.post(PREDICTIONS, {"image": photo(make_image("PNG"))})
    assert accepted.status_code == 202


def test_the_quota_of_storage_is_a_403_and_is_not_remembered_by_a_key(
    client, queue, make_image, settings
):
    settings.QUOTA_STORED_MB = 1
    full = queue()
    Photo.objects.update(stored_bytes=1024 * 1024)
    content = make_image("PNG", size=(50, 50))
    refused = client.post(PREDICTIONS, {"image": photo(content)})
    problem = assert_problem(refused, 403, "quota_exceeded")
    assert problem["quota"] == {"name": "stored", "used": 1024 * 1024, "limit": 1024 * 1024}
    assert "Retry-After" not in refused, "waiting makes no room"

    def batch():
        headers = {"idempotency-key": "one"}
        form = {"image": [photo(content)]}
        return client.post(f"{PREDICTIONS}batch/", form, headers=headers)

    refused = batch()
    assert [each["status"] for each in refused.json()] == [403]
    assert refused.json()[0]["error"]["quota"]["name"] == "stored"
    assert "Retry-After" not in refused
    Prediction.objects.filter(pk=full.pk).delete()
    Photo.objects.filter(pk=full.photo_id).delete()
    assert [each["status"] for each in batch().json()] == [202]
