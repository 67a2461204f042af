"""How much may be sent, and that answers say how much is left."""

import re

import pytest
from django.test import Client

from predictions.api.throttling import AddressThrottle, UserThrottle
from predictions.models import Photo
from tests.support.api import PREDICTIONS, assert_problem

LIMIT = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')


def test_answers_count_down_what_a_user_has_left(client, strangers_client, monkeypatch):
    monkeypatch.setattr(UserThrottle, "rate", "2/min", raising=False)
    left = []
    for _ in range(2):
        response = client.get(PREDICTIONS)
        assert response.status_code == 200
        assert response["RateLimit-Policy"] == '"user";q=2;w=60'
        name, rest, seconds = LIMIT.fullmatch(response["RateLimit"]).groups()
        assert name == "user"
        assert 0 < int(seconds) <= 60
        left.append(int(rest))
    assert left == [1, 0]
    refused = client.get(PREDICTIONS)
    assert_problem(refused, 429, "throttled")
    assert 0 < int(refused["Retry-After"]) <= 60
    assert LIMIT.fullmatch(refused["RateLimit"])[2] == "0"
    assert strangers_client.get(PREDICTIONS).status_code == 200


@pytest.mark.django_db
def test_visitors_are_counted_by_address():
    response = Client().get("/api/v1/model/")
    assert response["RateLimit-Policy"] == '"address";q=60;w=60'
    assert response["RateLimit"] == '"address";r=59;t=60'
    other = Client(REMOTE_ADDR="10.0.0.2").get("/api/v1/model/")
    assert other["RateLimit"] == '"address";r=59;t=60'


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "token", "status"),
    [(PREDICTIONS, "", 401), (PREDICTIONS, "Token wrong", 401), ("/api/v1/nothing/", "", 404)],
)
def test_refusals_are_counted_by_address(monkeypatch, address, token, status):
    monkeypatch.setattr(AddressThrottle, "rate", "3/min", raising=False)
    visitor = Client(headers={"authorization": token} if token else {})
    answers = [visitor.get(address) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [status] * 3 + [429] * 2
    assert LIMIT.fullmatch(answers[0]["RateLimit"]).groups()[:2] == ("address", "2")
    assert_problem(answers[-1], 429, "throttled")
    assert 0 < int(answers[-1]["Retry-After"]) <= 60


def test_pages_refuse_a_form_that_would_fill_the_disk(owner, make_image, settings):
    settings.MAX_UPLOAD_MB = 1
    browser = Client()
    browser.force_login(owner)
    for address in ("/", "/uploads/"):
        response = browser.post(
            address, b"x" * (12 * 1024 * 1024), content_type="multipart/form-data; boundary=b"
        )
        assert response.status_code == 413
        assert b"10 MB" in response.content
    assert not Photo.objects.exists()


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_a_few_values_need_no_megabytes(client, analyse, kind):
    address = f"{PREDICTIONS}{analyse().pk}/faces/0/correction/"
    text = b'{"label": "' + b"x" * (2 * 1024 * 1024) + b'"}'
    response = client.put(address, text, content_type=kind)
    assert_problem(response, 413, "request_too_large")
