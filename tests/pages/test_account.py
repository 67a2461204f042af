"""The account: facts, tokens, passwords, addresses, and leaving."""

import re

import pytest
from django.core import mail

from tests.pages.conftest import PASSWORD


def test_shows_what_is_known(queue, client):
    prediction = queue()
    html = client.get("/account/").content.decode()
    assert "ada@example.org" in html
    assert f"1 photo, {prediction.photo.bytes / 1024:.1f}\xa0KB" in html


class TestTokens:
    @pytest.fixture
    def token(self, client) -> str:
        html = client.post("/account/tokens/", {"days": "30"}).content.decode()
        return re.search(r'<code class="token">(\w+)</code>', html)[1]

    def test_new_token_works_and_is_shown_once(self, token, client, anonymous_client):
        answer = anonymous_client.get(
            "/api/v1/predictions/", headers={"authorization": f"Token {token}"}
        )
        assert answer.status_code == 200
        response = client.get("/account/")
        html = response.content.decode()
        assert token not in html
        assert token[:8] in html
        assert "no-store" in response["Cache-Control"]

    def test_lives_as_long_as_was_asked_for(self, token, owner):
        from datetime import timedelta

        record = owner.auth_token_set.get()
        assert record.expiry - record.created == pytest.approx(
            timedelta(days=30), abs=timedelta(seconds=5)
        )

    def test_revoked_token_is_refused(self, token, client, owner, anonymous_client):
        key = owner.auth_token_set.get().token_key
        assert client.post(f"/account/tokens/{key}/revoke/")["Location"] == "/account/"
        answer = anonymous_client.get(
            "/api/v1/predictions/", headers={"authorization": f"Token {token}"}
        )
        assert answer.status_code == 401

    def test_stranger_cannot_revoke(self, token, owner, stranger_client):
        key = owner.auth_token_set.get().token_key
        assert stranger_client.post(f"/account/tokens/{key}/revoke/").status_code == 404
        assert owner.auth_token_set.count() == 1

    def test_there_is_a_limit(self, client, owner):
        from knox.settings import knox_settings

        for _ in range(knox_settings.TOKEN_LIMIT_PER_USER):
            owner.auth_token_set.model.objects.create(owner)
        html = client.post("/account/tokens/", {"days": "30"}).content.decode()
        assert "revoke one first" in html
        assert owner.auth_token_set.count() == knox_settings.TOKEN_LIMIT_PER_USER

    def test_nonsense_makes_no_token(self, client, owner):
        client.post("/account/tokens/", {"days": "100000"})
        assert not owner.auth_token_set.exists()


class TestLeaving:
    def test_wrong_password_deletes_nothing(self, client, owner):
        html = client.post("/account/delete/", {"password": "wrong"}).content.decode()
        assert "This is not your password" in html
        owner.refresh_from_db()

    def test_everything_goes(
        self, client, owner, analyse, storage, django_capture_on_commit_callbacks
    ):
        from knox.models import AuthToken

        from emotionsite.accounts.models import User
        from predictions.models import Photo, Prediction

        with django_capture_on_commit_callbacks(execute=True):
            analyse()
        AuthToken.objects.create(owner)
        with django_capture_on_commit_callbacks(execute=True):
            response = client.post("/account/delete/", {"password": PASSWORD}, follow=True)
        assert "are deleted" in response.content.decode()
        for model in (User, Photo, Prediction, AuthToken):
            assert not model.objects.exists()
        assert [path for path in storage.rglob("*") if path.is_file()] == []
        assert client.get("/account/").status_code == 302


class TestSigningIn:
    def test_sign_up_logs_in(self, anonymous_client):
        form = {
            "username": "grace",
            "email": "grace@example.org",
            "password1": PASSWORD,
            "password2": PASSWORD,
        }
        response = anonymous_client.post("/accounts/signup/", form, follow=True)
        assert response.context["user"].username == "grace"
        assert "Before your first photo" in response.content.decode()

    @pytest.mark.parametrize("login", ["ada", "ada@example.org"])
    def test_log_in_by_name_or_address(self, login, owner, anonymous_client):
        form = {"login": login, "password": PASSWORD}
        response = anonymous_client.post("/accounts/login/?next=/predictions/", form)
        assert response["Location"] == "/predictions/"

    def test_wrong_password_is_told(self, owner, anonymous_client):
        response = anonymous_client.post("/accounts/login/", {"login": "ada", "password": "no"})
        assert 'class="errorlist' in response.content.decode()

    def test_log_out(self, client):
        assert client.post("/accounts/logout/")["Location"] == "/"
        assert client.get("/account/").status_code == 302

    def test_password_reset(self, owner, anonymous_client):
        response = anonymous_client.post(
            "/accounts/password/reset/", {"email": owner.email}, follow=True
        )
        assert "Look into your mailbox" in response.content.decode()
        link = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)[1]
        form = anonymous_client.get(link, follow=True)
        assert "Choose a new password" in form.content.decode()
        new = "a whole new horse battery"
        response = anonymous_client.post(
            form.redirect_chain[-1][0], {"password1": new, "password2": new}, follow=True
        )
        assert "Password changed" in response.content.decode()
        owner.refresh_from_db()
        assert owner.check_password(new)
        assert "This link is used up" in anonymous_client.get(link, follow=True).content.decode()

    def test_password_change(self, client, owner):
        new = "a whole new horse battery"
        form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
        client.post("/accounts/password/change/", form)
        owner.refresh_from_db()
        assert owner.check_password(new)

    def test_address_is_added(self, client, owner):
        html = client.post(
            "/accounts/email/", {"email": "new@example.org", "action_add": ""}, follow=True
        ).content.decode()
        assert "new@example.org" in html
        assert "not verified" in html
