"""The second factor: switched on and off, asked for at every way in, and recovered from."""

import re

import pytest
from django.core import mail
from django.test import Client

from tests.pages.conftest import PASSWORD, browser_of
from tests.support.totp import protect, totp

INDEX = "/accounts/2fa/"
ACTIVATE = "/accounts/2fa/totp/activate/"
DEACTIVATE = "/accounts/2fa/totp/deactivate/"
CODES = "/accounts/2fa/recovery-codes/"
CHALLENGE = "/accounts/2fa/authenticate/"


def confirm(client: Client, page: str) -> None:
    """Ask for a page that wants the password once more, and give it."""
    asked = client.get(page)
    assert asked.status_code == 302
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    wrong = client.post(asked["Location"], {"password": "wrong"})
    assert 'class="errorlist' in wrong.content.decode()
    assert client.post(asked["Location"], {"password": PASSWORD})["Location"] == page


def log_in(client: Client, username: str, page: str = "/account/"):
    form = {"login": username, "password": PASSWORD}
    return client.post(f"/accounts/login/?next={page}", form)


@pytest.mark.django_db(transaction=True)  # Mail goes out after the commit, in the request.
def test_is_switched_on_by_a_code_of_the_app_and_off_again(client, owner):
    assert '<span class="badge">off</span>' in client.get(INDEX).content.decode()
    confirm(client, ACTIVATE)
    page = client.get(ACTIVATE)
    html = page.content.decode()
    assert 'src="data:image/svg+xml;base64,' in html
    secret = re.search(r'id="secret"[^>]* value="(\w+)"', html)[1]
    assert f"secret={secret}&amp;issuer=Emotionsite" in html
    wrong = client.post(ACTIVATE, {"code": "000000"}).content.decode()
    assert "Incorrect code" in wrong
    assert secret in wrong, "the same one may be tried again"
    done = client.post(ACTIVATE, {"code": totp(secret)}, follow=True)
    codes = re.findall(r"<li>(\d{8})</li>", done.content.decode())
    assert len(set(codes)) == 10
    assert mail.outbox[-1].subject == "The second factor is on"
    assert "127.0.0.1" in mail.outbox[-1].body
    file = client.get(f"{CODES}download/")
    assert set(codes) <= set(file.content.decode().split())
    assert "no-store" in file["Cache-Control"]
    assert '<span class="badge right">on</span>' in client.get("/account/").content.decode()

    new = client.post(f"{CODES}generate/", follow=True).content.decode()
    assert not set(codes) & set(re.findall(r"<li>(\d{8})</li>", new))
    client.post(DEACTIVATE)
    assert '<span class="badge">off</span>' in client.get("/account/").content.decode()
    assert not owner.authenticator_set.exists()


def test_a_password_alone_opens_nothing(owner, anonymous_client):
    secret, _codes = protect(owner)
    answer = log_in(anonymous_client, "ada", "/predictions/")
    assert answer["Location"].split("?")[0] == CHALLENGE
    assert anonymous_client.get("/predictions/")["Location"].startswith("/accounts/login/")
    wrong = anonymous_client.post(CHALLENGE, {"code": "000000"})
    assert "Incorrect code" in wrong.content.decode()
    code = totp(secret)
    assert anonymous_client.post(CHALLENGE, {"code": code})["Location"] == "/predictions/"
    assert anonymous_client.get("/predictions/").status_code == 200

    again = Client()
    log_in(again, "ada")
    again.post(CHALLENGE, {"code": code})
    assert again.get("/account/").status_code == 302, "a code counts once"


def test_a_recovery_code_opens_once(owner):
    _secret, codes = protect(owner)
    for status in (200, 302):
        client = Client()
        log_in(client, "ada")
        client.post(CHALLENGE, {"code": codes[3]})
        assert client.get("/account/").status_code == status


def test_guessing_codes_comes_to_an_end(owner, anonymous_client):
    secret, _codes = protect(owner)
    log_in(anonymous_client, "ada")
    for _ in range(5):
        anonymous_client.post(CHALLENGE, {"code": "000000"})
    late = anonymous_client.post(CHALLENGE, {"code": totp(secret)})
    assert "Too many failed login attempts" in late.content.decode()
    assert anonymous_client.get("/account/").status_code == 302


def test_codes_are_shown_to_their_owner_who_gives_the_password(
    owner, client, stranger_client, anonymous_client
):
    protect(owner)
    assert stranger_client.get(CODES).status_code == 404
    assert stranger_client.post(DEACTIVATE).status_code == 404
    for page in (INDEX, ACTIVATE, DEACTIVATE, CODES):
        assert anonymous_client.get(page)["Location"].startswith("/accounts/"), page
    for page in (CODES, f"{CODES}download/", f"{CODES}generate/", DEACTIVATE):
        assert client.get(page)["Location"].startswith("/accounts/reauthenticate/"), page
    assert owner.authenticator_set.count() == 2
    confirm(client, CODES)
    assert client.get(CODES).status_code == 200


class TestAdmin:
    def test_is_entered_by_the_log_in_of_the_site(self, owner, anonymous_client):
        owner.is_staff = owner.is_superuser = True
        owner.save()
        secret, _codes = protect(owner)
        users = "/admin/accounts/user/"
        assert anonymous_client.get(users)["Location"] == f"/admin/login/?next={users}"
        answer = anonymous_client.get(f"/admin/login/?next={users}")
        assert answer["Location"] == "/accounts/login/?next=%2Fadmin%2Faccounts%2Fuser%2F"
        form = {"username": "ada", "password": PASSWORD}
        assert anonymous_client.post("/admin/login/", form).status_code == 302
        assert anonymous_client.get(users).status_code == 302, "its own form takes nobody"
        log_in(anonymous_client, "ada", users)
        assert anonymous_client.get(users).status_code == 302
        assert anonymous_client.post(CHALLENGE, {"code": totp(secret)})["Location"] == users
        assert anonymous_client.get(users).status_code == 200

    def test_is_staff_only_and_nobody_becomes_another_there(self, owner, stranger):
        owner.is_staff = owner.is_superuser = True
        owner.save()
        protect(owner)
        form = {"username": "ada", "password": PASSWORD}
        assert browser_of(stranger).post("/admin/login/", form).status_code == 403
        stranger.is_staff = True
        stranger.save()
        client = browser_of(stranger)
        assert client.get("/admin/login/?next=/admin/")["Location"] == "/admin/"
        assert client.get("/admin/login/?next=https://elsewhere.example/")["Location"] == "/admin/"
        assert client.post("/admin/login/", form).status_code == 302
        assert client.get("/account/").context["user"] == stranger

    @pytest.mark.django_db(transaction=True)
    def test_switches_off_what_somebody_lost_tells_it_and_shows_no_secret(self, owner, stranger):
        stranger.is_staff = stranger.is_superuser = True
        stranger.save()
        secret, _codes = protect(owner)
        staff = browser_of(stranger)
        factor = owner.authenticator_set.get(type="totp")
        page = f"/admin/mfa/authenticator/{factor.pk}/"
        assert secret not in staff.get(f"{page}change/").content.decode()
        staff.post(f"{page}delete/", {"post": "yes"})
        assert mail.outbox[-1].to == ["ada@example.org"]
        assert "deleted your second factor" in mail.outbox[-1].body
        client = Client()
        assert log_in(client, "ada")["Location"] == "/account/"
        assert "deleted your second factor" in client.get("/account/").content.decode()
        assert not owner.authenticator_set.exists(), "lost codes do not come back with a new app"

    def test_recovery_codes_stay_with_an_app(self, owner, stranger):
        stranger.is_staff = stranger.is_superuser = True
        stranger.save()
        for user in (owner, stranger):
            protect(user)
        form = {"action": "delete_selected", "post": "yes"}
        form["_selected_action"] = [owner.authenticator_set.get(type="recovery_codes").pk]
        browser_of(stranger).post("/admin/mfa/authenticator/", form)
        assert [factor.type for factor in owner.authenticator_set.all()] == ["totp"]
        assert stranger.authenticator_set.count() == 2

    def test_passwords_are_changed_on_the_page_that_counts_guesses(self, owner):
        owner.is_staff = True
        owner.save()
        client = browser_of(owner)
        form = {"old_password": PASSWORD, "new_password1": "x9!kfjRq", "new_password2": "x9!kfjRq"}
        for answer in (
            client.get("/admin/password_change/"),
            client.post("/admin/password_change/", form),
        ):
            assert answer["Location"] == "/accounts/password/change/"
        owner.refresh_from_db()
        assert owner.check_password(PASSWORD)
