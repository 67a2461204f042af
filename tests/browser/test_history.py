"""The history in a real browser: scrolling, finding, selecting and undoing, also with little room
and without JavaScript."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.sessions import session


@pytest.fixture
def grace(grace):
    """The user, with 60 finished records, the three oldest of them sad."""
    from predictions.models import Photo, Prediction, name_key

    photos = [
        Photo(name=f"Day {n:02}.jpg", sha256=f"{n:064}", bytes=1, width=100, height=100)
        for n in range(60)
    ]
    Photo.objects.bulk_create(photos)
    Prediction.objects.bulk_create(
        Prediction(
            owner=grace,
            photo=photo,
            name_key=name_key(photo.name),
            status="succeeded",
            label="sad" if number < 3 else "happy",
            confidence=0.9 if number == 2 else 0.8,
            unsure=False,
        )
        for number, photo in enumerate(photos)
    )
    return grace


def log_in(context: BrowserContext, user, address: str) -> Page:
    context.add_cookies([session(user, address)])
    return context.new_page()


def test_scrolling_loads_more_and_back_returns_to_the_place(context, grace, live_server, width):
    page = log_in(context, grace, live_server.url)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/predictions/")
    cards = page.locator(".card")
    expect(cards).to_have_count(24)
    for count in (48, 60):
        page.locator("#more").scroll_into_view_if_needed()
        expect(cards).to_have_count(count)
    expect(page).to_have_url(re.compile(r"\?page=1&through=3$"))
    expect(page.locator(".pages")).to_have_count(0)
    link = cards.nth(50).get_by_role("link")
    link.scroll_into_view_if_needed()
    link.click()
    expect(page).to_have_url(re.compile(r"/predictions/[0-9a-f-]{36}/"))
    page.go_back()
    expect(cards).to_have_count(60)
    expect(cards.nth(50)).to_be_in_viewport()


def test_find_select_delete_undo(context, grace, live_server):
    page = log_in(context, grace, live_server.url)
    page.clock.install()
    page.goto("/predictions/")
    page.evaluate("window.neverReloaded = true")
    page.get_by_label("Emotion").select_option("sad")
    cards = page.locator(".card")
    expect(cards).to_have_count(3)
    expect(page).to_have_url(re.compile(r"/predictions/\?emotion=sad$"))
    expect(page.locator("#announcer")).to_have_text("3 photos")
    assert page.evaluate("window.neverReloaded")

    bar = page.get_by_role("form", name="Selected photos")
    expect(bar).not_to_be_visible()
    box = page.get_by_role("checkbox", name="Select Day 01.jpg")
    box.focus()
    page.keyboard.press("Space")
    expect(bar).to_contain_text("1 selected")
    page.get_by_role("link", name="Select all on this page").click()
    expect(bar).to_contain_text("3 selected")
    expect(page.locator("#announcer")).to_have_text("3 selected")
    page.get_by_role("link", name="Select none").click()
    expect(bar).not_to_be_visible()
    box.check()
    page.get_by_role("checkbox", name="Select Day 02.jpg").check()
    for kind in ("csv", "jsonl", "zip"):
        bar.get_by_label("Format").select_option(kind)
        with page.expect_download() as download:
            bar.get_by_role("button", name="Export").click()
        assert download.value.suggested_filename.endswith(f".{kind}")

    bar.get_by_role("button", name="Delete").click()
    expect(page.locator("#undo")).to_contain_text("2 photos deleted.")
    expect(page.locator("#announcer")).to_contain_text("undo this for ten seconds")
    expect(cards).to_have_count(1)
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    expect(undo).to_have_accessible_description("2 photos deleted.")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 photos are back.")).to_be_visible()
    expect(cards).to_have_count(3)
    expect(page).to_have_url(re.compile(r"\?emotion=sad$"))

    page.set_viewport_size({"width": 390, "height": 800})
    box.check()
    bar.get_by_role("button", name="Delete").click()
    expect(undo).to_be_focused()
    page.clock.fast_forward(11_000)
    expect(undo).to_have_count(0)
    expect(page.locator("#undo")).to_contain_text("deleted. This cannot be undone any more.")
    expect(page.locator("main")).to_be_focused()
    expect(page.get_by_label("Sureness")).not_to_be_visible()
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Sureness").select_option("unsure")
    expect(page.locator("#total")).to_have_text("No photo fits this choice.")
    page.go_back()
    expect(cards).to_have_count(2)
    expect(page.get_by_label("Sureness")).to_have_value("")
    page.get_by_role("checkbox", name="Select Day 02.jpg").check()
    expect(page.locator("#announcer")).to_have_text("1 selected")
    page.get_by_label("Order").select_option("sure")
    expect(cards.first).to_contain_text("Day 02.jpg")
    page.get_by_label("File name contains").fill("day 02")
    page.get_by_label("File name contains").press("Enter")
    expect(page.locator("#total")).to_have_text("1 photo")
    page.get_by_role("link", name="Remove all").click()
    expect(page).to_have_url(re.compile(r"/predictions/$"))
    expect(cards.nth(23)).to_be_attached()
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("From").fill("2020-01-01")
    expect(page).to_have_url(re.compile(r"\?since=2020-01-01$"))


def test_an_undo_that_comes_too_late_says_so(context, grace, live_server):
    from predictions import removal
    from predictions.models import Prediction

    page = log_in(context, grace, live_server.url)
    page.goto("/predictions/?name=day+05")
    page.get_by_role("checkbox", name="Select Day 05.jpg").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    removed = Prediction.objects.exclude(removed_at=None)
    removed.update(removed_at=timezone.now() - timedelta(minutes=1))
    removal.purge()
    page.keyboard.press("Enter")
    expect(page.get_by_text("It is too late for 1 photo: it is deleted for good.")).to_be_visible()


def test_the_server_learns_the_zone_of_the_reader(context, grace, live_server):
    page = log_in(context, grace, live_server.url)
    zone = {"timezoneId": "Pacific/Auckland"}
    context.new_cdp_session(page).send("Emulation.setTimezoneOverride", zone)
    page.goto("/")
    [cookie] = [cookie for cookie in context.cookies() if cookie["name"] == "timezone"]
    assert cookie["value"] == "Pacific/Auckland"
    assert cookie["sameSite"] == "Lax"
    html = context.request.get("/predictions/").text()
    assert re.search(r"\d\d:\d\d NZ[SD]T</time>", html)


def test_without_javascript(browser, grace, live_server, static_files):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = log_in(context, grace, live_server.url)
    page.goto("/predictions/")
    page.get_by_label("File name contains").fill("day 0")
    page.get_by_label("File name contains").press("Enter")
    cards = page.locator(".card")
    expect(cards).to_have_count(10)
    page.get_by_role("link", name="Select all on this page").click()
    page.get_by_role("checkbox", name="Select Day 05.jpg").uncheck()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("9 photos deleted.")).to_be_visible()
    expect(cards).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(cards).to_have_count(10)
    page.goto("/predictions/")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    context.close()


def test_a_day_that_is_typed_is_looked_for_once(context, grace, live_server):
    page = log_in(context, grace, live_server.url)
    page.goto("/predictions/")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    year = timezone.localdate().year + 1
    page.get_by_label("From").click(position={"x": 15, "y": 15})
    page.keyboard.type("0102")
    for key in str(year):
        page.keyboard.press(key)
        page.wait_for_timeout(400)  # Somebody who types slowly.
    expect(page.locator(".card")).to_have_count(0)
    assert [url for url in asked if "since" in url] == [
        f"{live_server.url}/predictions/?since={year}-01-02"
    ]
    page.go_back()
    expect(page.locator(".card")).to_have_count(24)


def test_a_photo_that_is_dropped_on_the_history_does_not_replace_it(
    context, grace, live_server, make_image, tmp_path
):
    page = log_in(context, grace, live_server.url)
    page.goto("/predictions/")
    (tmp_path / "a.jpg").write_bytes(make_image())
    pointer = context.new_cdp_session(page)
    files = {"items": [], "files": [str(tmp_path / "a.jpg")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 200, "y": 200, "data": files}
        pointer.send("Input.dispatchDragEvent", event)
    page.wait_for_timeout(500)
    expect(page).to_have_url(f"{live_server.url}/predictions/")
    assert len(context.pages) == 1
