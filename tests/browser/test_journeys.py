"""Whole visits: one on a phone-sized screen by keyboard alone, one on a desk with the mouse."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.pictures import crowd

PASSWORD = "correct horse battery"
RESULT = re.compile(r"/predictions/[0-9a-f-]{36}/")
FOCUS_IS_SHOWN = """element => [element, ...(element.labels ?? [])].some(shown => {
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    const { top, bottom } = shown.getBoundingClientRect();
    const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    return outlined && bottom > 0 && top < innerHeight;
})"""
MOST_STEPS = 80


pytestmark = pytest.mark.usefixtures("nobody_else_works")


def analyse_what_waits() -> None:
    """Do the worker's work in this process, which saves the seconds of its start."""
    from predictions import tasks
    from predictions.models import Prediction

    for pk in Prediction.objects.filter(status="queued").values_list("pk", flat=True):
        tasks.analyse(str(pk))


def reach(target: Locator, key: str = "Tab") -> None:
    """Press ``key`` until the target has the focus, and see that one can see where that is."""
    expect(target).to_be_attached()
    for _ in range(MOST_STEPS):
        if target.evaluate("element => element === document.activeElement"):
            break
        target.page.keyboard.press(key)
    expect(target).to_be_focused()
    assert target.evaluate(FOCUS_IS_SHOWN), f"the focus cannot be seen on {target}"


def press(target: Locator, key: str = "Enter", by: str = "Tab") -> None:
    """Reach the target and press ``key`` there."""
    reach(target, by)
    target.page.keyboard.press(key)


def link(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=name, exact=True).first


def test_by_keyboard_alone_on_a_narrow_screen(
    transactional_db, redis_server, page: Page, astronaut: bytes, make_image
):
    from predictions.models import Prediction
    from tests.support import records

    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/")
    press(link(page, "Sign up"))
    for label, text in (
        ("Username", "grace"),
        ("Email", "grace@example.org"),
        ("Password", PASSWORD),
        ("Password (again)", PASSWORD),
    ):
        reach(page.get_by_label(label, exact=True))
        page.keyboard.type(text)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Before your first photo")).to_be_visible()
    with page.expect_file_chooser() as chooser:
        press(page.locator("#photos"))
    photo = {"name": "eileen.png", "mimeType": "image/png", "buffer": astronaut}
    chooser.value.set_files(photo)
    expect(page.locator("#chosen")).to_have_text("eileen.png")
    press(page.get_by_label("I have read this"), "Space")
    press(page.get_by_role("button", name="Analyse"))
    expect(page).to_have_url(RESULT)
    analyse_what_waits()
    expect(page.locator("#result")).to_have_attribute("data-status", "succeeded")
    prediction = Prediction.objects.get()
    press(page.get_by_text("I would call it …"))
    press(page.get_by_role("button", name="disgust"))
    expect(page.get_by_text("You called it disgust")).to_be_visible()

    for number in range(2):
        records.analyse(prediction.owner, make_image(size=(200, 200 + number)), f"{number}.jpg")
    press(link(page, "History"))
    cards = page.locator(".card")
    expect(cards).to_have_count(3)
    press(page.get_by_text("Filter", exact=True))
    reach(page.get_by_label("Emotion"))
    page.keyboard.type(prediction.label)
    expect(cards).to_have_count(1)
    expect(page).to_have_url(re.compile(rf"\?emotion={prediction.label}$"))
    press(page.get_by_role("checkbox", name="Select eileen.png"), "Space")
    bar = page.get_by_role("form", name="Selected photos")
    expect(bar).to_contain_text("1 selected")
    press(bar.get_by_role("button", name="Delete"), by="Shift+Tab")
    expect(page.get_by_text("1 photo deleted.", exact=True)).to_be_visible()
    press(page.get_by_role("button", name="Undo"))
    expect(page.get_by_text("1 photo is back.")).to_be_visible()
    expect(cards).to_have_count(1)

    press(link(page, "Insights"))
    expect(link(page, "Insights")).to_have_attribute("aria-current", "page")
    table = page.get_by_role("region", name="By emotion")
    press(table.get_by_text("As a table"))
    expect(table.get_by_role("columnheader", name="Share")).to_be_visible()
    press(link(page, "Account"))
    for name in ("API tokens", "Webhooks", "Privacy & data"):
        press(link(page, name))
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
    press(page.get_by_role("button", name="Log out"))
    expect(link(page, "Log in")).to_be_visible()


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_by_mouse_at_a_desk(
    redis_server, grace, page: Page, mailoutbox, astronaut: bytes, make_image
):
    from emotionsite.accounts.models import User
    from tests.support import records

    records.publish(crowd(astronaut, 3, 1), expected="")
    records.publish(make_image(), slug="stripes", title="Stripes")
    page.set_viewport_size({"width": 1280, "height": 850})
    page.goto("/")
    main = page.locator("main")
    link(page, "Gallery").click()
    page.get_by_role("link", name="Where there is no right word").click()
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("link", name="A smile").click()
    page.get_by_role("link", name="Face 3").click()
    expect(page.get_by_text("Face 3 of 3")).to_be_visible()

    page.get_by_role("link", name="Log in to try your own photo").click()
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill("grace@example.org")
    page.get_by_role("button", name="Send the link").click()
    heading(page, "Check your inbox")
    [message] = mailoutbox
    page.goto(re.search(r"https?://\S+", message.body)[0])
    for label in ("New Password", "New Password (again)"):
        page.get_by_label(label, exact=True).fill("another horse battery")
    page.get_by_role("button", name="Save").click()
    heading(page, "Password changed")
    main.get_by_role("link", name="Log in").click()
    page.get_by_label("Username or email").fill("grace")
    page.get_by_label("Password").fill("another horse battery")
    page.get_by_role("button", name="Log in").click()

    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose photos", exact=True).click()
    photo = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": astronaut}
    chooser.value.set_files(photo)
    heading(page, "Queued")
    page.get_by_role("button", name="Cancel").click()
    heading(page, "Canceled")
    result = page.locator("#result")
    for _ in range(2):
        page.get_by_role("button", name="Analyse again").click()
        heading(page, "Queued")
        analyse_what_waits()
        expect(result).to_have_attribute("data-status", "succeeded")
    page.get_by_text("I would call it …").click()
    page.get_by_role("button", name="sad").click()
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("You called it")).to_have_count(0)
    link(page, "All photos").click()
    page.get_by_role("checkbox", name="Select a.jpg").click()
    page.get_by_role("button", name="Analyse again").click()
    expect(page.get_by_text("1 photo is analysed again.")).to_be_visible()
    analyse_what_waits()
    expect(page.locator('.card [data-status="succeeded"]')).to_have_count(1)

    link(page, "Account").click()
    page.get_by_role("link", name="Webhooks").first.click()
    page.get_by_label("Address").fill("https://example.org/hook")
    page.get_by_role("button", name="Add").click()
    heading(page, "Webhook")
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    heading(page, "Webhooks")
    link(page, "Privacy & data").click()
    page.get_by_label("Delete my photos and results").fill("30")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Yours go after 30 days")).to_be_visible()
    page.get_by_role("link", name="Delete my account").click()
    page.get_by_label("Password").fill("another horse battery")
    page.get_by_role("button", name="Delete everything").click()
    heading(page, "Your account is deleted")
    page.get_by_role("link", name="Done").click()
    expect(link(page, "Sign up")).to_be_visible()
    assert not User.objects.exists()
