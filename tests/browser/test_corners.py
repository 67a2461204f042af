"""What the whole visits pass by, with the mouse at a desk and by keyboard on a narrow screen."""

import re
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE
from tests.support.endpoint import Endpoint
from tests.support.hands import act, choose, write
from tests.support.sessions import session

PASSWORD = "correct horse battery"

pytestmark = pytest.mark.usefixtures("nobody_else_works", "redis_server")


@pytest.fixture
def screen(request, browser, live_server, grace, width: int):
    """The page of a user; with the parameter "phone" the screen is touched."""
    is_phone = getattr(request, "param", "") == "phone"
    context = browser.new_context(
        base_url=live_server.url,
        locale="en-GB",
        viewport={"width": width, "height": 800},
        has_touch=is_phone,
        is_mobile=is_phone,
    )
    context.set_default_timeout(PATIENCE)
    context.add_cookies([session(grace, live_server.url)])
    yield context.new_page()
    context.close()


@pytest.fixture
def history(grace, make_image) -> dict:
    """Three photos: one of last month, one that could not be read, one that waits."""
    from predictions.models import Prediction
    from tests.support import records

    found = {
        "old": records.analyse(grace, make_image(size=(300, 200)), "old.jpg"),
        "damaged": records.analyse(grace, make_image(size=(800, 600))[:4000], "damaged.jpg"),
        "waiting": records.queue(grace, make_image(size=(310, 200)), "waiting.jpg"),
    }
    last_month = timezone.now() - timedelta(days=40)
    Prediction.objects.filter(pk=found["old"].pk).update(created_at=last_month)
    return found


def names(page: Page) -> list[str]:
    return page.locator(".card .card-name").all_inner_texts()


def open_filter(page: Page) -> None:
    """On a wide screen it stands open."""
    if page.viewport_size["width"] < 800:  # In a wide window it stands open.
        act(page.get_by_text("Filter", exact=True))


def test_photos_are_found_by_state_day_and_order(screen: Page, history):
    page = screen
    page.goto("/predictions/")
    cards = page.locator(".card")
    expect(cards).to_have_count(3)
    open_filter(page)
    choose(page.get_by_label("Status"), "failed")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("damaged.jpg")
    choose(page.get_by_label("Status"), "in progress")
    expect(cards).to_contain_text("waiting.jpg")
    choose(page.get_by_label("Status"), "every state")
    expect(cards).to_have_count(3)
    choose(page.get_by_label("Order"), "oldest first")
    expect(page).to_have_url(re.compile("sort=oldest"))
    expect(cards.first).to_contain_text("old.jpg")
    choose(page.get_by_label("Order"), "by file name")
    expect(cards.first).to_contain_text("damaged.jpg")
    assert names(page) == ["damaged.jpg", "old.jpg", "waiting.jpg"]
    page.get_by_label("Until").fill((timezone.now() - timedelta(days=7)).strftime("%Y-%m-%d"))
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("old.jpg")
    act(page.get_by_role("link", name=re.compile("Until")))
    expect(cards).to_have_count(3)
    open_filter(page)
    page.get_by_label("From", exact=True).fill("2026-02-03")
    expect(page).to_have_url(re.compile("since=2026-02-03"))


def test_files_are_taken_along_and_old_photos_go(screen: Page, grace, history):
    page = screen
    page.goto("/insights/")
    with page.expect_download() as download:
        act(page.get_by_role("link", name="All with photos (ZIP)"))
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        assert f"photos/{history['old'].pk}.jpg" in archive.namelist()
    expect(page.get_by_text("Your file is complete.").first).to_be_visible()
    with page.expect_download() as download:
        act(page.get_by_role("link", name="Records (JSON lines)"))
    assert Path(download.value.path()).read_text().count("\n") == 3

    page.goto("/account/privacy/")
    write(page.get_by_label("Delete my photos and results"), "30")
    act(page.get_by_role("button", name="Save"))
    expect(page.get_by_role("alert")).to_contain_text(
        "1 of your photos is older than the limit you chose (days: 30)"
    )
    grace.refresh_from_db()
    assert grace.retention_days is None
    act(page.get_by_role("button", name="Save and delete 1 photo"))
    expect(page.get_by_text("Yours go after 30 days")).to_be_visible()


def test_a_webhook_is_tried_and_its_log_read(screen: Page, settings):
    from predictions.webhooks import services

    page = screen
    page.goto("/account/webhooks/")
    write(page.get_by_label("Address"), "http://127.0.0.1/hook")
    act(page.get_by_role("button", name="Add"))
    expect(page.locator(".errorlist")).to_be_visible()
    settings.WEBHOOKS_ALLOW_PRIVATE = True
    with closing(Endpoint()) as endpoint:
        write(page.get_by_label("Address"), endpoint.url)
        act(page.get_by_role("button", name="Add"))
        act(page.get_by_role("button", name="Send a test"))
        expect(page.locator(".tokens li")).to_contain_text("waiting")
        assert services.deliver_next()
    page.reload()
    expect(page.locator(".tokens li")).to_contain_text("delivered")
    act(page.get_by_text("Show", exact=True))
    secret = page.get_by_role("textbox", name="Secret").input_value()
    [received] = endpoint.requests
    assert received.message(secret)["type"] == "test"


def test_password_and_address_are_changed(screen: Page, grace, mailoutbox):
    page = screen
    page.goto("/account/")
    act(page.get_by_role("link", name="Change password"))
    write(page.get_by_label("Current password"), PASSWORD)
    for label in ("New password", "New password (again)"):
        write(page.get_by_label(label, exact=True), "another horse battery")
    act(page.get_by_role("button", name="Change password"))
    expect(page.locator(".messages")).to_be_visible()
    grace.refresh_from_db()
    assert grace.check_password("another horse battery")

    page.goto("/accounts/email/")
    write(page.get_by_role("textbox", name="Email"), "ada@example.org")
    act(page.get_by_role("button", name="Add"))
    write(page.get_by_label("Password"), "another horse battery")
    act(page.get_by_role("button", name="Continue"))
    expect(page.locator(".messages")).to_contain_text("is on its way to ada@example.org")
    link = next(
        found[0]
        for message in reversed(mailoutbox)
        if (found := re.search(r"https?://\S+confirm-email\S+", message.body))
    )
    page.goto(link)
    act(page.get_by_role("button", name="Yes, this is right"))
    expect(page.locator(".messages")).to_contain_text("ada@example.org")
    assert grace.emailaddress_set.get(email="ada@example.org").verified


@pytest.mark.parametrize(("width", "screen"), [(390, "phone")], indirect=True)
def test_the_camera_of_the_phone_is_offered(screen: Page, make_image):
    page = screen
    page.goto("/")
    expect(page.locator("label[for=camera]")).to_be_visible()
    camera = page.locator("#camera")
    expect(camera).to_have_attribute("capture", "user")
    photo = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": make_image()}
    camera.set_input_files(photo)
    expect(page).to_have_url(re.compile(r"/predictions/[0-9a-f-]{36}/"))
