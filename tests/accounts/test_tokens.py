"""Tokens of the API: what is kept of them, how many there may be, and older ones."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone
from knox.crypto import hash_token
from knox.settings import knox_settings

from emotionsite.accounts.models import ApiToken, User

PURPOSE = {"name": "notebook", "scope": ApiToken.Scope.READ}
DAY = timedelta(days=1)


@pytest.fixture
def user(db) -> User:
    return User.objects.create(username="ada")


def test_the_database_holds_a_hash_and_the_first_characters(user):
    row, text = ApiToken.objects.issue(user, lifetime=DAY, **PURPOSE)
    assert len(text) == 64
    kept = ApiToken.objects.values().get()
    assert kept["digest"] == hash_token(text) != text
    assert text.startswith(kept["token_key"])
    assert len(kept["token_key"]) == 15
    assert row.start == f"{text[:8]}…"
    assert not [value for value in kept.values() if text in str(value)]


def test_a_name_is_what_can_be_seen_of_it(user):
    purpose = {**PURPOSE, "name": " a\u202eb\x00\n c "}
    assert str(ApiToken.objects.issue(user, lifetime=DAY, **purpose)[0]) == "ab c"
    row, text = ApiToken.objects.issue(user, lifetime=DAY, **{**PURPOSE, "name": "\u200b"})
    assert (row.name, str(row)) == ("", f"{text[:8]}…")


def test_expired_tokens_make_room_and_living_ones_do_not(user):
    for _ in range(knox_settings.TOKEN_LIMIT_PER_USER):
        row, _text = ApiToken.objects.issue(user, lifetime=None, **PURPOSE)
    with pytest.raises(ApiToken.LimitReached):
        ApiToken.objects.issue(user, lifetime=DAY, **PURPOSE)
    ApiToken.objects.issue(User.objects.create(username="grace"), lifetime=DAY, **PURPOSE)

    ApiToken.objects.filter(pk=row.pk).update(expiry=timezone.now())
    assert row not in ApiToken.objects.living(user)
    ApiToken.objects.issue(user, lifetime=DAY, **PURPOSE)
    assert not ApiToken.objects.filter(pk=row.pk).exists()
    assert ApiToken.objects.living(user).count() == knox_settings.TOKEN_LIMIT_PER_USER


def test_the_admin_revokes_tokens_and_makes_none(user, client):
    client.force_login(User.objects.create_superuser("root"))
    row, _text = ApiToken.objects.issue(user, lifetime=DAY, **PURPOSE)
    tokens = "/admin/accounts/apitoken/"
    assert "notebook" in client.get(tokens).content.decode()
    assert client.get(f"{tokens}add/").status_code == 403
    assert client.post(f"{tokens}{row.pk}/change/", {"scope": "write"}).status_code == 403
    client.post(f"{tokens}{row.pk}/delete/", {"post": "yes"})
    assert not ApiToken.objects.exists()
    assert client.get("/admin/knox/authtoken/").status_code == 404


def test_tokens_from_before_there_were_scopes_go_on_working(transactional_db):
    text = "0123456789abcdef" * 4
    migrations = MigrationExecutor(connection)
    try:
        migrations.migrate([("accounts", "0001_initial")])
        before = migrations.loader.project_state(
            [("accounts", "0001_initial"), ("knox", "0009_extend_authtoken_field")]
        ).apps
        user = before.get_model("accounts", "User").objects.create(username="ada")
        old = before.get_model("knox", "AuthToken").objects.create(
            digest=hash_token(text), token_key=text[:15], user=user, expiry=timezone.now() + DAY
        )
    finally:
        migrations = MigrationExecutor(connection)
        migrations.migrate(migrations.loader.graph.leaf_nodes("accounts"))

    row = ApiToken.objects.get()
    assert (row.created, row.expiry) == (old.created, old.expiry)
    assert row.can_write
    answer = Client().get("/api/v1/predictions/", headers={"authorization": f"Token {text}"})
    assert answer.status_code == 200
    User.objects.get().delete()
    assert not ApiToken.objects.exists()
