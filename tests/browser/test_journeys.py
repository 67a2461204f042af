"""Whole visits, each with the mouse at a desk and by keyboard alone on a narrow screen."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.hands import act, choose, choose_files, link, write
from tests.support.pictures import crowd

PASSWORD = "correct horse battery"
RESULT = re.compile(r"/predictions/[0-9a-f-]{36}/")
pytestmark = pytest.mark.usefixtures("nobody_else_works")


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_from_the_first_photo_to_ones_own_history(
    transactional_db, redis_server, page: Page, astronaut: bytes, make_image, width: int
):
    from predictions.models import Prediction
    from tests.support import records

    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/")
    act(link(page, "Sign up"))
    for label, text in (
        ("Username", "grace"),
        ("Email", "grace@example.org"),
        ("Password", PASSWORD),
        ("Password (again)", PASSWORD),
    ):
        write(page.get_by_label(label, exact=True), text)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Before your first photo")).to_be_visible()
    photo = {"name": "eileen.png", "mimeType": "image/png", "buffer": astronaut}
    choose_files(page.locator("#photos"), photo)
    expect(page.locator("#chosen")).to_have_text("eileen.png")
    act(page.get_by_label("I have read this"), "Space")
    act(page.get_by_role("button", name="Analyse"))
    expect(page).to_have_url(RESULT)
    records.finish_all()
    expect(page.locator("#result")).to_have_attribute("data-status", "succeeded")
    prediction = Prediction.objects.get()
    act(page.get_by_text("I would call it …"))
    act(page.get_by_role("button", name="disgust"))
    expect(page.get_by_text("You called it disgust")).to_be_visible()

    for number in range(2):
        records.analyse(prediction.owner, make_image(size=(200, 200 + number)), f"{number}.jpg")
    act(link(page, "History"))
    cards = page.locator(".card")
    expect(cards).to_have_count(3)
    if page.viewport_size["width"] < 800:  # In a wide window it stands open.
        act(page.get_by_text("Filter", exact=True))
    choose(page.get_by_label("Emotion"), prediction.label)
    expect(cards).to_have_count(1)
    expect(page).to_have_url(re.compile(rf"\?emotion={prediction.label}$"))
    act(page.get_by_role("checkbox", name="Select eileen.png"), "Space")
    bar = page.get_by_role("form", name="Selected photos")
    expect(bar).to_contain_text("1 selected")
    act(bar.get_by_role("button", name="Delete"), by="Shift+Tab")
    expect(page.get_by_text("1 photo deleted.", exact=True)).to_be_visible()
    act(page.get_by_role("button", name="Undo"))
    expect(page.get_by_text("1 photo is back.")).to_be_visible()
    expect(cards).to_have_count(1)

    act(link(page, "Insights"))
    expect(link(page, "Insights")).to_have_attribute("aria-current", "page")
    table = page.get_by_role("region", name="By emotion")
    act(table.get_by_text("As a table"))
    expect(table.get_by_role("columnheader", name="Share")).to_be_visible()
    act(link(page, "Account"))
    for name in ("API tokens", "Webhooks", "Privacy & data"):
        act(link(page, name))
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
    act(page.get_by_role("button", name="Log out"))
    expect(link(page, "Log in")).to_be_visible()


def test_from_the_gallery_to_the_end_of_an_account(
    redis_server, grace, page: Page, mailoutbox, astronaut: bytes, make_image, width: int
):
    from emotionsite.accounts.models import User
    from tests.support import records

    records.publish(crowd(astronaut, 3, 1), expected="")
    records.publish(make_image(), slug="stripes", title="Stripes")
    page.set_viewport_size({"width": width, "height": 850})
    page.goto("/")
    main = page.locator("main")
    act(link(page, "Gallery"))
    act(page.get_by_role("link", name="Where there is no right word"))
    expect(page.locator(".card")).to_have_count(1)
    act(page.get_by_role("link", name="A smile"))
    act(page.get_by_role("link", name="Face 3"))
    expect(page.get_by_text("Face 3 of 3")).to_be_visible()

    act(page.get_by_role("main").get_by_role("link", name="Log in"))
    act(page.get_by_role("link", name="Forgot your password?"))
    write(page.get_by_label("Email"), "grace@example.org")
    act(page.get_by_role("button", name="Send the link"))
    heading(page, "Check your inbox")
    [message] = mailoutbox
    page.goto(re.search(r"https?://\S+", message.body)[0])
    for label in ("New password", "New password (again)"):
        write(page.get_by_label(label, exact=True), "another horse battery")
    act(page.get_by_role("button", name="Change password"))
    heading(page, "Password changed")
    act(main.get_by_role("link", name="Log in"))
    write(page.get_by_label("Username or email"), "grace")
    write(page.get_by_label("Password"), "another horse battery")
    act(page.get_by_role("button", name="Log in"))

    photo = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": astronaut}
    choose_files(page.locator("#photos"), photo)
    heading(page, "Queued")
    act(page.get_by_role("button", name="Cancel"))
    heading(page, "Canceled")
    result = page.locator("#result")
    for _ in range(2):
        act(page.get_by_role("button", name="Analyse again"))
        heading(page, "Queued")
        records.finish_all()
        expect(result).to_have_attribute("data-status", "succeeded")
    act(page.get_by_text("I would call it …"))
    act(page.get_by_role("button", name="sad"))
    act(page.get_by_role("button", name="Take it back"))
    expect(page.get_by_text("You called it")).to_have_count(0)
    act(link(page, "All photos"))
    act(page.get_by_role("checkbox", name="Select a.jpg"), "Space")
    act(page.get_by_role("button", name="Analyse again"))
    expect(page.get_by_text("1 photo is analysed again.")).to_be_visible()
    records.finish_all()
    expect(page.locator('.card [data-status="succeeded"]')).to_have_count(1)

    act(link(page, "Account"))
    act(page.get_by_role("link", name="Webhooks").first)
    write(page.get_by_label("Address"), "https://example.org/hook")
    act(page.get_by_role("button", name="Add"))
    heading(page, "Webhook")
    act(page.get_by_role("button", name="Switch off"))
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    act(page.get_by_role("link", name="Delete"))
    act(page.get_by_role("button", name="Delete"))
    heading(page, "Webhooks")
    act(link(page, "Privacy & data"))
    write(page.get_by_label("Delete my photos and results"), "30")
    act(page.get_by_role("button", name="Save"))
    expect(page.get_by_text("Yours go after 30 days")).to_be_visible()
    act(page.get_by_role("link", name="Delete my account"))
    write(page.get_by_label("Password"), "another horse battery")
    act(page.get_by_role("button", name="Delete everything"))
    heading(page, "Your account is deleted")
    act(page.get_by_role("link", name="Done"))
    expect(link(page, "Sign up")).to_be_visible()
    assert not User.objects.exists()
