"""Sending photos in a real browser: several at once, what fails, and the webcam."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from predictions import limits
from tests.support.accessibility import faults
from tests.support.sessions import session
from tests.support.waiting import wait_until

RESULT = re.compile(r"/predictions/[0-9a-f-]{36}/")


@pytest.fixture(scope="module")
def arguments(arguments: list[str]) -> list[str]:
    """A Chromium whose camera shows a test pattern."""
    return [*arguments, "--use-fake-device-for-media-stream"]


@pytest.fixture
def user_page(page: Page, grace, live_server) -> Page:
    """A page of a user who has agreed to the notice; it is to be opened yet."""
    page.context.add_cookies([session(grace, live_server.url)])
    return page


@pytest.fixture
def photos(make_image):
    """``photos(n)`` returns n different ones to choose: 0.jpg, 1.jpg, …"""

    def photos(count: int) -> list[dict]:
        return [
            {
                "name": f"{number}.jpg",
                "mimeType": "image/jpeg",
                "buffer": make_image(size=(100 + number, 100)),
            }
            for number in range(count)
        ]

    return photos


def test_what_the_site_has_no_room_for_is_sent_again(
    redis_server, user_page: Page, photos, settings, monkeypatch, width: int
):
    from predictions.models import Photo

    monkeypatch.setattr(limits, "AT_ONCE", 4)
    settings.QUEUE_LIMIT = 0
    page = user_page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/")
    page.get_by_label("Don't keep the photo").check()
    words = {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"These are words."}
    page.locator("#photos").set_input_files([*photos(3), words, photos(4)[3]])
    summary = page.locator("#summary")
    expect(summary).to_have_text("0 of 4 uploaded, 1 refused, 3 failed")
    refused = page.locator(".card").filter(has_text="words.jpg")
    expect(refused).to_contain_text("unsupported_format")
    expect(refused.get_by_role("button")).to_have_count(0)
    assert faults(page, "dark") + faults(page, "light") == []

    retry = page.get_by_role("button", name="Retry: 0.jpg")
    retry.focus()
    page.keyboard.press("Enter")
    expect(retry).to_be_focused()
    expect(page.locator(".card").filter(has_text="0.jpg")).to_contain_text("queue_full")
    settings.QUEUE_LIMIT = 100
    retry.click()
    expect(summary).to_have_text("1 of 4 uploaded, 1 refused, 2 failed")
    page.get_by_role("button", name="Retry all").click()
    expect(summary).to_have_text("3 of 4 uploaded, 1 refused")
    expect(page.locator(".card time")).to_have_count(3)
    expect(page.locator(".card time", has_text="UTC")).to_have_count(0)
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)

    expect(page.get_by_text("Up to 4 photos go at once. Left for now: 1.").first).to_be_visible()
    page.locator("#photos").set_input_files(photos(5)[4])
    expect(summary).to_have_text("1 of 1 uploaded")
    page.on("dialog", lambda dialog: dialog.dismiss())
    with page.expect_event("dialog") as asked:
        page.get_by_role("link", name="About", exact=True).click()
    assert asked.value.type == "beforeunload", "one photo is left, and it would be lost"
    page.get_by_role("button", name="Upload the next ones").click()
    expect(page.locator("#rest")).not_to_be_visible()
    expect(page.locator(".card").filter(has_text="3.jpg").locator("time")).to_be_attached()
    expect(summary).to_have_text("1 of 1 uploaded")
    expect(summary).to_be_focused()
    expect(page.get_by_label("Don't keep the photo")).to_be_checked()
    assert {photo.name for photo in Photo.objects.filter(is_kept=False)} == {
        f"{number}.jpg" for number in range(5)
    }
    assert page.url.endswith("/")


def test_uploads_are_called_off_and_whoever_leaves_is_asked(
    redis_server, user_page: Page, photos, width: int
):
    from predictions.models import Photo

    page, held = user_page, []
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/")
    page.route("**/uploads/", lambda route: held.append(route))
    page.locator("#photos").set_input_files(photos(5))
    expect(page.get_by_text("Waiting …")).to_have_count(2)
    page.get_by_role("button", name="Cancel: 4.jpg").click()
    page.get_by_role("button", name="Cancel: 0.jpg").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(3)
    expect(page.get_by_text("Waiting …")).to_have_count(0)
    summary = page.locator("#summary")
    expect(summary).to_be_focused()
    expect(summary).to_have_text("0 of 3 uploaded")

    page.on("dialog", lambda dialog: dialog.dismiss())
    about = page.get_by_role("link", name="About", exact=True)
    with page.expect_event("dialog") as asked:
        about.click()
    assert asked.value.type == "beforeunload"
    for route in held[1:]:
        route.continue_()
    expect(summary).to_have_text("3 of 3 uploaded")
    assert {photo.name for photo in Photo.objects.all()} == {"1.jpg", "2.jpg", "3.jpg"}
    about.click()
    page.wait_for_url("**/about/")


def test_fifty_go_at_once_show_their_progress_and_wait_together(
    redis_server, nobody_else_works, user_page: Page, photos
):
    from predictions.models import Prediction

    page, asked = user_page, []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/")
    network = page.context.new_cdp_session(page)
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    slow = {**conditions, "uploadThroughput": 100_000}
    network.send("Network.emulateNetworkConditions", slow)
    chosen = photos(limits.AT_ONCE)
    chosen[0]["buffer"] += bytes(400_000)
    page.locator("#photos").set_input_files(chosen)
    bar = page.get_by_role("progressbar", name="Upload: 0.jpg")
    expect(bar).to_have_attribute("value", re.compile(r"^0\.\d*[1-9]"))
    network.send("Network.emulateNetworkConditions", {**conditions, "uploadThroughput": -1})
    expect(page.locator("#summary")).to_have_text("50 of 50 uploaded", timeout=90_000)
    waiting = page.locator(".card [data-status=queued]")
    expect(waiting).to_have_count(50)

    first, second, *_ = Prediction.objects.order_by("photo__name")
    link = page.locator(f"#link-{first.pk}")
    link.focus()
    Prediction.objects.filter(pk=first.pk).update(status="canceled")
    second.delete()
    expect(link).to_have_attribute("data-status", "canceled")
    expect(link).to_be_focused()
    expect(page.locator("#announcer")).to_have_text(f"{first.photo.name}: Canceled")
    expect(waiting).to_have_count(48)
    expect(page.locator(".card")).to_have_count(49)

    page.goto("/predictions/")
    newest = page.locator(".card").first
    newest.get_by_role("checkbox").check()
    Prediction.objects.update(status="failed")
    expect(newest).to_contain_text("Could not be analysed")
    expect(newest.get_by_role("checkbox")).to_be_checked()
    expect(waiting).to_have_count(0)
    asked.clear()
    page.wait_for_timeout(1500)
    assert not asked, "nothing waits any more"


def test_what_cannot_be_read_any_more_is_refused_and_the_others_go_on(
    redis_server, user_page: Page, photos, tmp_path
):
    from predictions.models import Photo

    def hold(route: Route) -> None:
        held.append(route) if len(held) < 3 else route.continue_()

    page, held, paths = user_page, [], []
    for photo in photos(4):
        paths.append(tmp_path / photo["name"])
        paths[-1].write_bytes(photo["buffer"])
    page.goto("/")
    page.route("**/uploads/", hold)
    page.locator("#photos").set_input_files(paths)
    expect(page.get_by_text("Waiting …")).to_have_count(1)
    paths[3].unlink()
    for route in held:
        route.continue_()
    expect(page.locator("#summary")).to_have_text("3 of 4 uploaded, 1 refused")
    refused = page.locator(".card").filter(has_text="3.jpg")
    expect(refused).to_contain_text("file_unreadable")
    expect(refused.get_by_role("button")).to_have_count(0)
    assert {photo.name for photo in Photo.objects.all()} == {"0.jpg", "1.jpg", "2.jpg"}


FAULTS = {
    "NotFoundError": "No camera was found",
    "NotReadableError": "another program may be using it",
    "TypeError": "You can choose a photo instead",
}
FAIL = """(name) => {
    navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", name); };
}"""


def test_the_webcam_takes_a_photo(redis_server, user_page: Page, width: int):
    from predictions.models import Photo

    page = user_page
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/")
    opener = page.get_by_role("button", name="Use the webcam")
    dialog = page.get_by_role("dialog", name="Use the webcam")
    page.context.grant_permissions(["notifications"])  # All others are denied by that.
    opener.focus()
    page.keyboard.press("Enter")
    problem = dialog.get_by_role("alert")
    expect(problem).to_contain_text("does not let this page use the camera")
    for name, words in FAULTS.items():
        page.evaluate(FAIL, name)
        expect(dialog.get_by_role("button", name="Try again")).to_be_focused()
        page.keyboard.press("Enter")
        expect(problem).to_contain_text(words)
    page.evaluate("delete navigator.mediaDevices.getUserMedia")
    page.context.grant_permissions(["camera"])
    page.keyboard.press("Enter")
    take = dialog.get_by_role("button", name="Take a photo")
    expect(take).to_be_focused()
    assert faults(page, "dark") + faults(page, "light") == []
    page.evaluate("window.track = document.querySelector('#webcam video').srcObject.getTracks()[0]")
    assert page.evaluate("track.readyState") == "live"
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(opener).to_be_focused()
    # A dialog tells that it is closed a moment after it is.
    wait_until(lambda: page.evaluate("track.readyState") == "ended", 5)

    page.clock.install()
    opener.click()
    use = dialog.get_by_role("button", name="Use this photo")
    for again in (True, False):
        expect(take).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog.locator(".countdown")).to_have_text("3")
        page.clock.run_for(3000)
        expect(use).to_be_focused()
        if again:
            dialog.get_by_role("button", name="Take another").click()
    page.keyboard.press("Enter")
    expect(page).to_have_url(RESULT)
    photo = Photo.objects.get()
    assert photo.name == "webcam.jpg"
    assert photo.width > photo.height > 400
