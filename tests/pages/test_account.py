"""The account: facts, tokens, passwords and addresses."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from tests.pages.conftest import PASSWORD


def test_shows_what_is_known(queue, client):
    prediction = queue()
    assert "ada@example.org" in client.get("/account/").content.decode()
    html = client.get("/account/privacy/").content.decode()
    assert "<dt>Photos</dt><dd>1</dd>" in html
    assert f"{prediction.photo.bytes / 1024:.1f}\xa0KB" in html


class TestTokens:
    @pytest.fixture
    def create(self, client) -> Callable[..., str]:
        """A function that fills in the form and returns the token that the page shows."""

        def create(**fields) -> str:
            form = {"name": "Lab notebook", "scope": "write", "days": "30", **fields}
            html = client.post("/account/tokens/", form).content.decode()
            return re.search(r'readonly[^>]* value="(\w{64})"', html)[1]

        return create

    @pytest.fixture
    def call(self, anonymous_client) -> Callable:
        """A function that calls the API with a token."""

        def call(token: str, method: str = "get", path: str = "predictions/", **options):
            headers = {"authorization": f"Token {token}"}
            return anonymous_client.generic(
                method.upper(), f"/api/v1/{path}", headers=headers, **options
            )

        return call

    def test_new_token_works_and_is_shown_once(self, create, call, client):
        token = create()
        assert call(token).status_code == 200
        response = client.get("/account/tokens/")
        html = response.content.decode()
        assert token not in html
        assert f"<code>{token[:8]}…</code>" in html
        assert token[:9] not in html.replace(f"/account/tokens/{token[:15]}/revoke/", "")
        assert "no-store" in response["Cache-Control"]

    def test_the_page_says_what_a_token_is_for_and_when_it_was_used(self, create, call, client):
        assert "You have no tokens yet" in client.get("/account/tokens/").content.decode()
        token = create(name="<Camera>", scope="read")
        html = client.get("/account/tokens/").content.decode()
        assert "<strong>&lt;Camera&gt;</strong>" in html
        assert '<span class="badge">read only</span>' in html
        assert "Revoke &lt;Camera&gt;" in html
        assert "<dt>Last used</dt><dd>never</dd>" in html
        call(token)
        assert "<dt>Last used</dt><dd><time" in client.get("/account/tokens/").content.decode()

    def test_a_token_to_read_reads_until_it_is_revoked(
        self, create, call, client, owner, analyse, stranger_client
    ):
        address = f"predictions/{analyse().pk}/"
        token = create(scope="read")
        assert call(token, "get", address).status_code == 200
        refused = call(token, "delete", address)
        assert refused.status_code == 403
        assert refused.json()["code"] == "insufficient_scope"
        assert call(token, "get", address).status_code == 200

        revoke = f"/account/tokens/{owner.auth_token_set.get().token_key}/revoke/"
        assert stranger_client.post(revoke).status_code == 404
        assert call(token, "get", address).status_code == 200
        assert client.post(revoke)["Location"] == "/account/tokens/"
        assert call(token, "get", address).status_code == 401
        assert client.post(revoke).status_code == 404

    def test_a_token_to_write_writes(self, create, call, analyse):
        assert call(create(), "delete", f"predictions/{analyse().pk}/").status_code == 204

    @pytest.mark.parametrize("days", [30, 90, 365])
    def test_lives_as_long_as_was_asked_for(self, create, owner, days):
        create(days=str(days))
        record = owner.auth_token_set.get()
        assert record.expiry - record.created == pytest.approx(
            timedelta(days=days), abs=timedelta(seconds=5)
        )

    def test_lives_without_end_where_that_was_asked_for(self, create, call, client, owner):
        token = create(days="never")
        assert owner.auth_token_set.get().expiry is None
        assert "<dt>Expires</dt><dd>never</dd>" in client.get("/account/tokens/").content.decode()
        assert call(token).status_code == 200

    def test_an_expired_token_is_refused_and_no_longer_listed(self, create, call, client, owner):
        token = create()
        owner.auth_token_set.update(expiry=timezone.now())
        assert token[:8] not in client.get("/account/tokens/").content.decode()
        assert call(token).status_code == 401

    def test_there_is_a_limit(self, create, client, owner):
        from knox.settings import knox_settings

        for _ in range(knox_settings.TOKEN_LIMIT_PER_USER):
            create()
        form = {"name": "one more", "scope": "read", "days": "30"}
        html = client.post("/account/tokens/", form).content.decode()
        assert "revoke one first" in html
        assert "readonly" not in html
        assert owner.auth_token_set.count() == knox_settings.TOKEN_LIMIT_PER_USER

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"days": "100000"}, {"days": ""}, {"scope": "admin"}),
            *({"name": "x" * 61}, {"name": ""}, {"name": "\u2066 \u200b"}),
        ],
    )
    def test_nonsense_makes_no_token(self, client, owner, wrong):
        form = {"name": "lab", "scope": "read", "days": "30", **wrong}
        html = client.post("/account/tokens/", form).content.decode()
        assert 'class="field invalid"' in html
        assert not owner.auth_token_set.exists()


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
        assert "Check your inbox" in response.content.decode()
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
        assert "This link does not work" in anonymous_client.get(link, follow=True).content.decode()

    def test_password_change(self, client, owner):
        new = "a whole new horse battery"
        form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
        client.post("/accounts/password/change/", form)
        owner.refresh_from_db()
        assert owner.check_password(new)

    @pytest.mark.parametrize(
        "change",
        [
            {"email": "new@example.org", "action_add": ""},
            {"email": "old@example.org", "action_remove": ""},
            {"email": "old@example.org", "action_primary": ""},
        ],
    )
    def test_addresses_change_once_the_password_is_given(self, client, owner, change):
        for email, is_primary in ((owner.email, True), ("old@example.org", False)):
            owner.emailaddress_set.create(email=email, primary=is_primary)
        before = list(owner.emailaddress_set.values())
        asked = client.post("/accounts/email/", change)
        assert asked["Location"].startswith("/accounts/reauthenticate/")
        assert 'class="errorlist' in client.post(asked["Location"], {"password": "no"}).text
        assert list(owner.emailaddress_set.values()) == before
        client.post("/accounts/email/", change)
        page = client.post(asked["Location"], {"password": PASSWORD}, follow=True)
        assert list(owner.emailaddress_set.values()) != before
        assert ("new@example.org" in page.text) == ("action_add" in change)
        assert "not verified" in page.text


def test_the_account_shows_what_is_used_of_each_quota(
    client, queue, stranger, stranger_client, anonymous_client, settings
):
    def usage(browser) -> list[str]:
        html = browser.get("/account/").content.decode()
        part = html.split('id="quotas"')[1].split("</dl>")[0]
        return [text.strip().replace("\xa0", " ") for text in re.findall("<dd>([^<]*)</dd>", part)]

    assert usage(client) == ["0 of 10,000", "0 bytes", "0 of 3"]
    size = queue().photo.stored_bytes
    settings.QUOTA_STORED_MB = 100
    response = client.get("/insights/export/?as=csv")
    waiting, stored, exports = usage(client)
    assert waiting == "1 of 10,000"
    assert stored.endswith(" of 100.0 MB")
    assert stored.split()[0] == f"{size / 1024:.1f}"
    assert exports == "1 of 3"
    assert usage(stranger_client) == ["0 of 10,000", "0 bytes of 100.0 MB", "0 of 3"]
    assert response.getvalue()
    settings.QUOTA_WAITING = settings.QUOTA_EXPORTS = 0
    assert usage(client)[::2] == ["1", "0"], "without a limit only what is used"
    assert anonymous_client.get("/account/").status_code == 302
