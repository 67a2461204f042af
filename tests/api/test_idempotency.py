"""``Idempotency-Key``: what is sent twice is done once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.response import Response

from predictions import removal
from predictions.api.idempotency import LOST_AFTER, _keep
from predictions.models import IdempotencyKey, Prediction
from tests.support import steps
from tests.support.api import PREDICTIONS, assert_problem, photo, token_client

KEY = "5d0a9b0e-6f0e-4b3e-9a53-6c8b1d0c7f42"


def send(client, content: bytes, key: str = KEY, name: str = "a.png", **fields):
    data = {"image": photo(content, name), **fields}
    return client.post(PREDICTIONS, data, headers={"idempotency-key": key})


def test_the_same_request_gets_the_same_answer_and_does_nothing_again(client, make_image):
    content = make_image("PNG")
    first = send(client, content, force="true")
    assert first.status_code == 202
    assert "Idempotency-Replayed" not in first
    steps.claim(first.json()["id"])
    again = send(client, content, force="true")
    assert again["Idempotency-Replayed"] == "true"
    assert again.status_code == 202
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert again["Retry-After"] == first["Retry-After"]
    assert Prediction.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"force": "true"},
        {"keep_photo": "false"},
        {"name": "b.png"},
        {"content": b"another picture"},
    ],
)
def test_another_request_under_the_same_key_is_refused(client, make_image, change):
    content = make_image("PNG")
    send(client, content)
    problem = assert_problem(
        send(client, **({"content": content} | change)), 422, "idempotency_key_reused"
    )
    assert problem["detail"]
    assert Prediction.objects.count() == 1


def test_keys_belong_to_their_user(client, strangers_client, make_image):
    first = send(client, make_image("PNG"))
    other = send(strangers_client, make_image("PNG"))
    assert other.status_code == 202
    assert "Idempotency-Replayed" not in other
    assert other.json()["id"] != first.json()["id"]


def test_a_refused_request_may_be_tried_again_under_its_key(client, make_image, settings):
    assert_problem(send(client, b"no picture"), 415, "unsupported_format")
    assert not IdempotencyKey.objects.exists()
    settings.QUEUE_LIMIT = 0
    assert_problem(send(client, make_image("PNG")), 503, "queue_full")
    settings.QUEUE_LIMIT = 10
    assert send(client, make_image("PNG")).status_code == 202


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "grün"])
def test_a_key_is_visible_ascii(client, make_image, key):
    problem = assert_problem(send(client, make_image("PNG"), key), 400, "invalid_input")
    assert "Idempotency-Key" in problem["errors"]
    assert not Prediction.objects.exists()


def test_a_batch_has_one_key(client, make_image):
    def batch():
        files = [photo(make_image("PNG"), "a.png"), photo(b"?", "b.png")]
        return client.post(
            f"{PREDICTIONS}batch/", {"image": files}, headers={"idempotency-key": KEY}
        )

    first = batch()
    again = batch()
    assert first.status_code == again.status_code == 207
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert Prediction.objects.count() == 1


def test_an_answer_goes_with_the_record_that_it_speaks_of(client, make_image):
    first = send(client, make_image("PNG"))
    assert client.delete(f"{PREDICTIONS}{first.json()['id']}/").status_code == 204
    assert not IdempotencyKey.objects.exists()
    again = send(client, make_image("PNG"))
    assert again.status_code == 202
    assert again.json()["id"] != first.json()["id"]


def test_an_answer_goes_also_with_a_record_that_was_deleted_on_a_page(client, owner, make_image):
    first = send(client, make_image("PNG"))
    removal.remove(Prediction.objects.for_user(owner))
    again = send(client, make_image("PNG"))
    assert again.status_code == 202
    assert "Idempotency-Replayed" not in again
    assert again.json()["id"] != first.json()["id"]
    assert send(client, make_image("PNG"))["Idempotency-Replayed"] == "true"


def test_an_answer_about_a_record_that_is_deleted_meanwhile_is_not_kept(client, owner, make_image):
    first = send(client, make_image("PNG"))
    removal.remove(Prediction.objects.for_user(owner))
    response = Response(first.json(), 202)
    response.predictions = list(Prediction.objects.all())
    _keep(IdempotencyKey.objects.get(), response)
    assert not IdempotencyKey.objects.exists()


def test_an_answer_about_a_record_that_is_gone_already_is_not_kept(client, make_image, queue):
    first = send(client, make_image("PNG"))
    row = IdempotencyKey.objects.get()
    prediction = Prediction.objects.get()
    gone = queue()
    removal.delete(Prediction.objects.get(pk=gone.pk))
    response = Response(first.json(), 207)
    response.predictions = [prediction, gone]
    _keep(row, response)
    assert not IdempotencyKey.objects.exists()


def test_a_key_is_forgotten_after_a_day(client, make_image):
    send(client, make_image("PNG"))
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    assert send(client, make_image("JPEG")).status_code == 202
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    removal.forget()
    assert not IdempotencyKey.objects.exists()
    assert Prediction.objects.count() == 2


def test_a_request_whose_process_died_blocks_its_key_for_a_while_and_makes_nothing_twice(
    client, make_image
):
    content = make_image("PNG")
    first = send(client, content, force="true")
    IdempotencyKey.objects.update(status=None)
    assert_problem(send(client, content, force="true"), 409, "idempotency_key_in_use")
    IdempotencyKey.objects.update(created_at=timezone.now() - LOST_AFTER - timedelta(seconds=1))
    assert_problem(send(client, content), 422, "idempotency_key_reused")
    again = send(client, content, force="true")
    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert Prediction.objects.count() == 1
    assert send(client, content, force="true")["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_of_requests_at_the_same_time_one_is_worked_on(owner, make_image, redis_server):
    content = make_image("PNG")
    start = threading.Barrier(4)
    statuses = []
    clients = [token_client(owner) for _ in range(4)]

    def race(client):
        start.wait()
        statuses.append(send(client, content, force="true").status_code)
        connection.close()

    threads = [threading.Thread(target=race, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {202, 409}
    assert 202 in statuses
    assert Prediction.objects.count() == 1
