"""A token for a program: made, copied, shown in the list and revoked, on a narrow screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect


@pytest.fixture
def account(context: BrowserContext, client, live_server, db) -> Page:
    """The account page of a user, 390 pixels wide, who may use the clipboard."""
    from emotionsite.accounts.models import User

    client.force_login(User.objects.create(username="ada"))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    context.add_cookies([{**cookie, "url": live_server.url}])
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/account/")
    return page


def assert_fits_and_is_accessible(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        violations = Axe().run(page).response["violations"]
        assert [violation["id"] for violation in violations] == []


def test_a_token_is_made_copied_and_revoked(account: Page):
    page = account
    expect(page.get_by_text("No program acts for you")).to_be_visible()
    page.get_by_label("Name").fill("The camera in the lab on the second floor")
    page.get_by_label("Access").select_option(label="read only")
    page.get_by_label("Expires after").select_option(label="one year")
    page.get_by_role("button", name="Create a token").click()

    field = page.get_by_role("textbox", name="Your new API token")
    token = field.input_value()
    assert len(token) == 64
    assert_fits_and_is_accessible(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token
    field.focus()
    assert page.evaluate("getSelection().toString()") == token

    page.goto("/account/")
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

    page.get_by_role("button", name="Revoke The camera").click()
    expect(page.get_by_text("The token is revoked")).to_be_visible()
    expect(row).to_have_count(0)
