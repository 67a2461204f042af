"""Verifying an email address, where there is mail and where there is none."""

import os
import re
import subprocess
import sys

import pytest
from django.core import mail

from tests.pages.conftest import PASSWORD

SIGN_UP = {
    "username": "grace",
    "email": "grace@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}
LOG_IN = {"login": "grace", "password": PASSWORD}


@pytest.fixture
def mail_arrives(settings) -> None:
    settings.EMAIL_URL = "smtp://mail.example.org"
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.MFA_ALLOW_UNVERIFIED_EMAIL = False


@pytest.mark.parametrize(
    ("url", "expected"), [("", "none True"), ("smtp://localhost:25", "mandatory False")]
)
def test_is_mandatory_where_mail_is_configured(url, expected):
    program = (
        "from django.conf import settings as s;"
        "print(s.ACCOUNT_EMAIL_VERIFICATION, s.MFA_ALLOW_UNVERIFIED_EMAIL)"
    )
    env = {**os.environ, "EMAIL_URL": url, "DJANGO_SETTINGS_MODULE": "emotionsite.settings"}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True
    )
    assert printed.stdout.strip() == expected


def test_who_signs_up_logs_in_once_the_address_is_verified(mail_arrives, anonymous_client):
    client = anonymous_client
    page = client.post("/accounts/signup/", SIGN_UP, follow=True).content.decode()
    assert "Verify your email address" in page
    [message] = mail.outbox
    assert message.to == ["grace@example.org"]
    assert message.subject == "Verify your email address"
    assert message.body.startswith("grace gave this address")
    assert "Emotionsite, testserver" in message.body
    assert client.post("/accounts/login/", LOG_IN)["Location"] == "/accounts/confirm-email/"
    assert client.get("/account/").status_code == 302

    link = re.search(r"http://testserver(/\S+)", message.body)[1]
    assert "grace@example.org is the address of grace" in client.get(link).content.decode()
    assert client.get("/account/").status_code == 302, "following a link changes nothing"
    page = client.post(link, follow=True).content.decode()
    assert "grace@example.org is verified" in page
    client.post("/accounts/login/", LOG_IN)
    assert client.get("/account/").status_code == 200


def test_nobody_takes_an_address_that_is_verified(mail_arrives, owner, anonymous_client):
    owner.emailaddress_set.create(email=owner.email, verified=True, primary=True)
    form = {**SIGN_UP, "email": owner.email}
    page = anonymous_client.post("/accounts/signup/", form, follow=True).content.decode()
    assert "Verify your email address" in page, "nor learns that there is such an account"
    assert mail.outbox[0].subject == "You have an account already"
    assert not type(owner).objects.filter(username="grace").exists()


def test_an_account_without_any_address_is_not_locked_out(mail_arrives, owner, anonymous_client):
    form = {"login": "ada", "password": PASSWORD}
    assert anonymous_client.post("/accounts/login/", form)["Location"] != "/"
    type(owner).objects.update(email="")
    assert anonymous_client.post("/accounts/login/", form)["Location"] == "/"


def test_a_second_factor_waits_for_the_address(mail_arrives, owner, client):
    owner.emailaddress_set.create(email=owner.email, verified=False, primary=True)
    assert '<span class="badge">not verified</span>' in client.get("/account/").content.decode()
    page = client.get("/accounts/2fa/totp/activate/", follow=True).content.decode()
    assert "until you have verified your email address" in page
    owner.emailaddress_set.update(verified=True)
    assert "not verified" not in client.get("/account/").content.decode()
    answer = client.get("/accounts/2fa/totp/activate/")
    assert answer["Location"].startswith("/accounts/reauthenticate/")


def test_without_mail_nothing_is_verified(anonymous_client):
    page = anonymous_client.post("/accounts/signup/", SIGN_UP, follow=True)
    assert page.context["user"].username == "grace"
    assert mail.outbox == []
    assert "not verified" not in anonymous_client.get("/account/").content.decode()
