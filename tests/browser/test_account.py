"""The account, at a desk and on a phone: a token for a program, the second factor, and leaving."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core import mail
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.hands import act, choose, write
from tests.support.sessions import session
from tests.support.totp import totp

PASSWORD = "correct horse battery"


@pytest.fixture
def account(context: BrowserContext, live_server, transactional_db, width: int) -> Page:
    """The account page of a user, who may use the clipboard."""
    from emotionsite.accounts.models import User

    ada = User.objects.create(username="ada")
    context.add_cookies([session(ada, live_server.url)])
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/account/tokens/")
    return page


def assert_fits_and_is_accessible(page: Page, *schemes: str) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for scheme in schemes or ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        violations = Axe().run(page).response["violations"]
        assert [violation["id"] for violation in violations] == []


def test_a_token_is_made_copied_and_revoked(account: Page):
    page = account
    expect(page.get_by_text("You have no tokens yet")).to_be_visible()
    write(page.get_by_label("Name"), "The camera in the lab on the second floor")
    choose(page.get_by_label("Access"), "read only")
    choose(page.get_by_label("Expires after"), "one year")
    act(page.get_by_role("button", name="Create a token"))

    field = page.get_by_role("textbox", name="Your new API token")
    token = field.input_value()
    assert len(token) == 64
    assert_fits_and_is_accessible(page)
    act(page.get_by_role("button", name="Copy"))
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token
    field.focus()
    assert page.evaluate("getSelection().toString()") == token

    page.goto("/account/tokens/")
    expect(page.get_by_text(token)).to_have_count(0)
    row = page.locator(".tokens li")
    expect(row).to_contain_text("read only")
    expect(row).to_contain_text("never")
    answer = page.request.get(
        "/api/v1/predictions/", headers={"authorization": f"Token {token}", "cookie": ""}
    )
    assert answer.status == 200
    page.reload()
    expect(row).not_to_contain_text("never")
    assert_fits_and_is_accessible(page)

    act(page.get_by_role("button", name="Revoke The camera"))
    expect(page.get_by_text("The token is revoked")).to_be_visible()
    expect(row).to_have_count(0)


def log_in(page: Page) -> None:
    page.goto("/accounts/login/?next=/account/")
    write(page.get_by_label("Username or email"), "grace")
    write(page.get_by_label("Password"), PASSWORD)
    act(page.get_by_role("button", name="Log in"))


def log_out(page: Page) -> None:
    act(page.get_by_role("button", name="Log out"))
    expect(page.get_by_role("link", name="Log in").first).to_be_visible()


def read(download) -> Path:
    return Path(download.value.path())


def test_second_factor_then_everything_is_taken_along_and_erased(
    page: Page, live_server, db, settings, storage, make_image, redis_server, monkeypatch, width
):
    from emotionsite.accounts import erasure
    from emotionsite.accounts.models import User
    from predictions.models import Photo
    from tests.support import records

    user = User.objects.create_user("grace", "grace@example.org", PASSWORD)
    for name in ("one.jpg", "two.jpg", "three.jpg"):
        records.queue(user, make_image(), name)
    page.set_viewport_size({"width": width, "height": 800})
    log_in(page)
    act(page.get_by_role("link", name="Protect the log-in"))
    act(page.get_by_role("link", name="Switch on"))
    write(page.get_by_label("Password"), PASSWORD)
    act(page.get_by_role("button", name="Continue"))

    picture = page.get_by_role("img", name="QR code")
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert_fits_and_is_accessible(page, "dark")
    secret = page.get_by_role("textbox", name="Secret").input_value()
    write(page.get_by_label("Authenticator code"), totp(secret))
    act(page.get_by_role("button", name="Switch on"))
    codes = page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    recovery_code = codes.first.text_content()
    with page.expect_download() as download:
        act(page.get_by_role("link", name="Download"))
    assert recovery_code in read(download).read_text()

    log_out(page)
    log_in(page)
    write(page.get_by_label("Code"), totp(secret))
    act(page.get_by_role("button", name="Log in"))
    expect(page.get_by_role("link", name="Manage")).to_be_visible()
    log_out(page)
    log_in(page)
    write(page.get_by_label("Code"), recovery_code)
    act(page.get_by_role("button", name="Log in"))
    act(page.get_by_role("link", name="Manage"))
    expect(page.get_by_text("9 left")).to_be_visible()
    act(page.get_by_role("link", name="Switch off"))
    write(page.get_by_label("Password"), PASSWORD)
    act(page.get_by_role("button", name="Continue"))
    act(page.get_by_role("button", name="Switch off"))
    expect(page.get_by_text("The second factor is off")).to_be_visible()

    act(page.get_by_role("link", name="Privacy & data"))
    with page.expect_download() as download:
        act(page.get_by_role("link", name="Everything (ZIP)"))
    with zipfile.ZipFile(read(download)) as archive:
        assert json.loads(archive.read("account.json"))["username"] == "grace"
        assert len(archive.read("records.jsonl").splitlines()) == 3

    monkeypatch.setattr(erasure, "SECONDS", -1)  # So that it takes three requests.
    act(page.get_by_role("link", name="Erase all photos"))
    write(page.get_by_label("Password"), PASSWORD)
    act(page.get_by_role("button", name="Erase all photos"))
    expect(page.get_by_role("heading", name="Your photos are erased")).to_be_visible()
    assert_fits_and_is_accessible(page, "dark")
    with page.expect_download() as download:
        act(page.get_by_role("link", name="Download the receipt"))
    assert json.loads(read(download).read_text())["erased"]["photos"] == 3
    assert not Photo.objects.exists()


def test_who_signs_up_verifies_the_address_while_sign_up_is_open(
    page: Page, live_server, transactional_db, settings, width
):
    settings.EMAIL_URL = "smtp://mail.example.org"
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/accounts/login/")
    act(page.get_by_role("link", name="Sign up"))
    write(page.get_by_label("Username"), "grace")
    write(page.get_by_label("Email"), "grace@example.org")
    for field in page.locator("[type=password]").all():
        write(field, PASSWORD)
    act(page.get_by_role("button", name="Sign up"))
    expect(page.get_by_role("heading", name="Verify your address")).to_be_visible()
    assert_fits_and_is_accessible(page, "dark")
    log_in(page)
    expect(page.get_by_role("heading", name="Verify your address")).to_be_visible()

    page.goto(re.search(r"http://\S+", mail.outbox[0].body)[0])
    expect(page.get_by_text("grace@example.org is the address of grace")).to_be_visible()
    act(page.get_by_role("button", name="Yes, this is right"))
    page.wait_for_url("**/accounts/login/**")
    log_in(page)
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    log_out(page)

    settings.SIGNUP_OPEN = False
    page.goto("/accounts/login/")
    expect(page.get_by_role("link", name="Sign up")).to_have_count(0)
    page.goto("/accounts/signup/")
    expect(page.get_by_role("heading", name="Sign-up is closed")).to_be_visible()
    assert_fits_and_is_accessible(page, "light")
