"""Tokens: got by password, given back, and wrong in every way."""

import base64

import pytest
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from emotionsite.accounts.models import User
from tests.support.api import PREDICTIONS, assert_problem

TOKEN = "/api/v1/auth/token/"
PASSWORD = "a long enough password: with a colon"


def basic(text: str) -> dict:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.fixture
def user(db) -> User:
    return User.objects.create_user("grace", "grace@example.org", PASSWORD)


@pytest.mark.parametrize("name", ["grace", "grace@example.org"])
def test_a_password_gets_a_token_that_opens_the_api_until_it_is_given_back(user, name):
    client = Client(enforce_csrf_checks=True)
    if "@" in name:
        user.emailaddress_set.create(email=name, verified=True, primary=True)
    response = client.post(TOKEN, headers=basic(f"{name}:{PASSWORD}"))
    assert response.status_code == 201
    assert set(response.json()) == {"token", "expiry"}
    assert response["Cache-Control"] == "no-store"
    assert timezone.datetime.fromisoformat(response.json()["expiry"]) > timezone.now()

    headers = {"authorization": f"Token {response.json()['token']}"}
    assert client.get(PREDICTIONS, headers=headers).status_code == 200
    response = client.delete(TOKEN, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    response = client.get(PREDICTIONS, headers=headers)
    assert_problem(response, 401, "authentication_failed")


@pytest.mark.parametrize(
    "headers",
    [
        basic("grace:wrong"),
        basic("nobody:wrong"),
        basic("gra\x00ce:wrong"),
        basic("no colon"),
        basic(":"),
        {"authorization": "Basic"},
        {"authorization": "Basic ÿÿ"},
        {"authorization": "Basic a b c"},
    ],
)
def test_wrong_credentials_get_no_token(user, headers):
    response = Client().post(TOKEN, headers=headers)
    assert_problem(response, 401, "authentication_failed")
    assert response["WWW-Authenticate"].startswith("Basic")
    assert not AuthToken.objects.exists()


def test_neither_a_session_nor_a_token_nor_nothing_gets_a_token(user, client):
    session = Client()
    session.force_login(user)
    for visitor in (session, client, Client()):
        assert_problem(visitor.post(TOKEN), 401, "not_authenticated")


def test_an_inactive_user_gets_no_token(user):
    user.is_active = False
    user.save()
    response = Client().post(TOKEN, headers=basic(f"grace:{PASSWORD}"))
    assert_problem(response, 401, "authentication_failed")


def test_where_addresses_must_be_verified_an_unverified_user_gets_no_token(user, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    response = Client().post(TOKEN, headers=basic(f"grace:{PASSWORD}"))
    assert_problem(response, 403, "email_not_verified")
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    assert Client().post(TOKEN, headers=basic(f"grace:{PASSWORD}")).status_code == 201


def test_guessing_passwords_is_slowed_down(user):
    statuses = []
    for guess in range(12):
        response = Client().post(TOKEN, headers=basic(f"grace:guess {guess}"))
        statuses.append(response.status_code)
    assert statuses[0] == 401
    assert_problem(response, 429, "throttled")
    assert int(response["Retry-After"]) > 0
    response = Client().post(TOKEN, headers=basic(f"grace:{PASSWORD}"))
    assert_problem(response, 429, "throttled")


def test_nobody_collects_tokens_without_end_but_expired_ones_make_room(user, settings):
    for _ in range(settings.REST_KNOX["TOKEN_LIMIT_PER_USER"]):
        row, _token = AuthToken.objects.create(user)
    response = Client().post(TOKEN, headers=basic(f"grace:{PASSWORD}"))
    assert_problem(response, 403, "too_many_tokens")
    AuthToken.objects.filter(pk=row.pk).update(expiry=timezone.now())
    assert Client().post(TOKEN, headers=basic(f"grace:{PASSWORD}")).status_code == 201


@pytest.mark.parametrize(
    "header",
    [
        "Token",
        "Token x",
        "Token a b",
        "Token " + "f" * 5000,
        "Token ÿþ",
        "Token a\x00b",
        "Bearer x",
    ],
)
@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_wrong_token_is_a_401(db, header, method):
    address = PREDICTIONS if method == "get" else TOKEN
    response = getattr(Client(), method)(address, headers={"authorization": header})
    code = "not_authenticated" if header.startswith("Bearer") else "authentication_failed"
    assert_problem(response, 401, code)
    assert response["WWW-Authenticate"] == "Token"


def test_an_expired_token_is_a_401(owner, client):
    AuthToken.objects.update(expiry=timezone.now())
    assert_problem(client.get(PREDICTIONS), 401, "authentication_failed")


def test_a_token_of_an_inactive_user_is_a_401(owner, client):
    User.objects.update(is_active=False)
    assert_problem(client.get(PREDICTIONS), 401, "authentication_failed")


def test_a_session_works_and_changes_need_its_csrf_token(owner, analyse):
    address = f"{PREDICTIONS}{analyse().pk}/"
    session = Client(enforce_csrf_checks=True)
    session.force_login(owner)
    assert session.get(address).status_code == 200
    assert_problem(session.delete(address), 403, "permission_denied")
    session.cookies["csrftoken"] = "c" * 32
    response = session.delete(address, headers={"x-csrftoken": "c" * 32})
    assert response.status_code == 204
