"""Tokens: got by password, made for a purpose, given back, and wrong in every way."""

import base64
import json
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from emotionsite.accounts.models import ApiToken, User
from tests.support.api import PREDICTIONS, assert_problem, photo, token_client

TOKEN = "/api/v1/auth/token/"
PASSWORD = "a long enough password: with a colon"
SECONDS = timedelta(seconds=5)


def basic(text: str) -> dict:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.fixture
def user(db, settings) -> User:
    # A strong hash is slow on purpose, and no test here is about it.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_user("grace", "grace@example.org", PASSWORD)


@pytest.mark.parametrize("name", ["grace", "grace@example.org"])
def test_a_password_gets_a_token_that_opens_the_api_until_it_is_given_back(user, name):
    client = Client(enforce_csrf_checks=True)
    if "@" in name:
        user.emailaddress_set.create(email=name, verified=True, primary=True)
    response = client.post(TOKEN, headers=basic(f"{name}:{PASSWORD}"))
    assert response.status_code == 201
    token = response.json()["token"]
    assert response["Cache-Control"] == "no-store"
    row = ApiToken.objects.get()
    assert response.json() == {
        "token": token,
        "name": "",
        "scope": "write",
        "expiry": row.expiry.isoformat().replace("+00:00", "Z"),
    }
    assert row.expiry - row.created == pytest.approx(timedelta(days=90), abs=SECONDS)
    assert token not in map(str, ApiToken.objects.values_list().get())

    headers = {"authorization": f"Token {token}"}
    assert client.get(PREDICTIONS, headers=headers).status_code == 200
    response = client.delete(TOKEN, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    response = client.get(PREDICTIONS, headers=headers)
    assert_problem(response, 401, "authentication_failed")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_token_is_made_for_a_purpose(user, kind):
    fields = {"name": " lab\u202e notebook ", "scope": "read", "days": 30}
    client = Client(headers=basic(f"grace:{PASSWORD}"))
    if kind == "multipart/form-data":
        response = client.post(TOKEN, fields)
    elif kind == "application/json":
        response = client.post(TOKEN, fields, kind)
    else:
        response = client.post(TOKEN, "name=+lab%E2%80%AE+notebook+&scope=read&days=30", kind)
    assert response.status_code == 201, response.content
    assert (response.json()["name"], response.json()["scope"]) == ("lab notebook", "read")
    row = ApiToken.objects.get()
    assert (row.user, row.name, row.scope) == (user, "lab notebook", "read")
    assert row.expiry - row.created == pytest.approx(timedelta(days=30), abs=SECONDS)
    assert datetime.fromisoformat(response.json()["expiry"]) == row.expiry


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "x" * 61}, "name"),
        ({"name": 7}, "name"),
        ({"name": None}, "name"),
        ({"scope": "admin"}, "scope"),
        ({"scope": ""}, "scope"),
        ({"scope": ["read"]}, "scope"),
        ({"days": 0}, "days"),
        ({"days": 3651}, "days"),
        ({"days": 1.5}, "days"),
        ({"days": "30"}, "days"),
        ({"days": None}, "days"),
        ({"days": True}, "days"),
        (["read"], "non_field_errors"),
        (None, "non_field_errors"),
        ("read", "non_field_errors"),
    ],
)
def test_wrong_fields_are_named_and_get_no_token(user, fields, field):
    client = Client(headers=basic(f"grace:{PASSWORD}"))
    response = client.post(TOKEN, json.dumps(fields), "application/json")
    assert set(assert_problem(response, 400, "invalid_input")["errors"]) == {field}
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("form", [{"days": ""}, {"scope": ""}, {"days": "x"}])
def test_an_empty_field_of_a_form_is_no_choice(user, form):
    response = Client(headers=basic(f"grace:{PASSWORD}")).post(TOKEN, form)
    assert set(assert_problem(response, 400, "invalid_input")["errors"]) == set(form)


def test_what_is_no_form_is_a_415(user):
    response = Client(headers=basic(f"grace:{PASSWORD}")).post(TOKEN, b"<scope/>", "text/xml")
    assert_problem(response, 415, "unsupported_media_type")


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
    assert not ApiToken.objects.exists()


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


def test_a_password_is_not_enough_for_who_has_a_second_factor(user):
    from tests.support.totp import protect

    protect(user)
    client = Client()
    wrong = client.post(TOKEN, headers=basic("grace:wrong"))
    assert_problem(wrong, 401, "authentication_failed")
    response = client.post(TOKEN, headers=basic(f"grace:{PASSWORD}"))
    problem = assert_problem(response, 403, "second_factor_required")
    assert "on the account page" in problem["detail"]
    assert not ApiToken.objects.exists()
    # What was made on the account page works on.
    assert token_client(user).get(PREDICTIONS).status_code == 200


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
        row, _token = ApiToken.objects.create(user)
    response = Client().post(TOKEN, headers=basic(f"grace:{PASSWORD}"))
    assert_problem(response, 403, "too_many_tokens")
    ApiToken.objects.filter(pk=row.pk).update(expiry=timezone.now())
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
    ApiToken.objects.update(expiry=timezone.now())
    assert_problem(client.get(PREDICTIONS), 401, "authentication_failed")


@pytest.mark.parametrize("scope", ApiToken.Scope)
def test_the_scope_decides_whether_anything_can_be_changed(owner, analyse, scope, make_image):
    client = token_client(owner, scope=scope)
    address = f"{PREDICTIONS}{analyse().pk}/"
    for safe in (client.get, client.head):
        assert safe(address).status_code == 200
        assert safe(PREDICTIONS).status_code == 200
    create = client.post(PREDICTIONS, {"image": photo(make_image())})
    correct = client.put(f"{address}faces/0/correction/", {"label": "sad"}, "application/json")
    rerun = client.post(f"{address}rerun/")
    delete = client.delete(address)
    unsafe = [create, correct, rerun, delete]
    if scope == "write":
        assert [response.status_code for response in unsafe] == [202, 200, 202, 204]
    else:
        for response in unsafe:
            assert_problem(response, 403, "insufficient_scope")
        assert client.get(address).json()["faces"][0]["correction"] is None
    assert client.delete(TOKEN).status_code == 204


def test_the_last_use_is_kept_to_the_minute(owner, client, django_assert_num_queries):
    row = ApiToken.objects.get()
    assert row.last_used_at is None
    before = timezone.now()
    client.get(PREDICTIONS)
    first = ApiToken.objects.get().last_used_at
    assert before <= first <= timezone.now()
    client.get(PREDICTIONS)
    assert ApiToken.objects.get().last_used_at == first

    row.note_use()  # Of requests at the same time, the second one writes nothing.
    assert ApiToken.objects.get().last_used_at == first
    row.refresh_from_db()
    with django_assert_num_queries(0):
        row.note_use()

    long_ago = first - timedelta(minutes=2)
    ApiToken.objects.update(last_used_at=long_ago)
    client.get(PREDICTIONS)
    assert ApiToken.objects.get().last_used_at >= first


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
