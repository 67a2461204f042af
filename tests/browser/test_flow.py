"""The main job in a real browser: sign up, upload, see the result appear, history, delete."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.accessibility import faults
from tests.support.pictures import crowd
from tests.support.sessions import session
from tests.support.waiting import wait_until

PASSWORD = "correct horse battery"
RESULT = re.compile(r"/predictions/[0-9a-f-]{36}/")


def file(name: str, content: bytes) -> dict:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def sign_up(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Email").fill("grace@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Before your first photo")).to_be_visible()


def look_at_history_and_delete(page: Page) -> None:
    page.get_by_role("link", name="History").click()
    card = page.locator(".card")
    expect(card).to_have_count(1)
    thumbnail = card.locator("img")
    thumbnail.scroll_into_view_if_needed()
    expect(thumbnail).to_have_js_property("complete", True)
    assert thumbnail.evaluate("image => image.naturalWidth") > 0
    card.get_by_role("link").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()


@pytest.fixture
def logged_in(page: Page, grace, live_server) -> Page:
    """A page of a user who has agreed to the notice, at the upload."""
    page.context.add_cookies([session(grace, live_server.url)])
    page.goto("/")
    return page


def test_result_appears_without_reloading(worker, page: Page, astronaut: bytes):
    worker.stop()
    sign_up(page)
    page.locator("#photos").set_input_files(file("eileen.png", astronaut))
    expect(page.locator("#chosen")).to_have_text("eileen.png")
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Analyse").click()

    page.wait_for_url(RESULT)
    expect(page.get_by_role("heading", level=1)).to_have_text("Queued")
    page.evaluate("window.neverReloaded = true")
    worker.start()
    expect(page.locator("#result")).to_have_attribute("data-status", "succeeded", timeout=20_000)
    assert page.evaluate("window.neverReloaded")
    expect(page.locator(".bars").first.locator("li")).to_have_count(7)
    heading = page.get_by_role("heading", level=1).inner_text()
    expect(page).to_have_title(f"{heading} · Emotionsite")
    expect(page.locator("#announcer")).to_have_text(heading)
    hero = page.locator(".photo img")
    expect(hero).to_have_js_property("complete", True)
    assert hero.evaluate("image => image.naturalWidth") == 512
    assert page.locator(".photo rect.box").bounding_box()["width"] > 20

    look_at_history_and_delete(page)
    page.get_by_role("link", name="New photo").click()
    expect(page.get_by_label("I have read this")).to_have_count(0)


def test_without_javascript(
    worker, browser, live_server, static_files, astronaut: bytes, make_image
):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_up(page)
    page.get_by_label("I have read this").check()
    page.locator("#photos").set_input_files(file("eileen.png", astronaut))
    page.get_by_role("button", name="Analyse").click()
    expect(page).to_have_url(RESULT)
    # The waiting page reloads itself.
    expect(page.locator("#result")).to_have_attribute("data-status", "succeeded", timeout=20_000)
    expect(page.locator(".bars").first.locator("li")).to_have_count(7)
    look_at_history_and_delete(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 photo is back.")).to_be_visible()
    expect(page.locator(".card")).to_have_count(1)

    page.get_by_role("link", name="New photo").click()
    page.get_by_label("Don't keep the photo").check()
    page.locator("#photos").set_input_files(file("stripes.png", make_image("PNG")))
    page.get_by_role("button", name="Analyse").click()
    expect(page.get_by_text("You chose not to keep this photo")).to_be_visible(timeout=20_000)
    context.close()


def test_several_photos_become_cards(worker, logged_in: Page, astronaut: bytes, make_image):
    page = logged_in
    page.locator("#photos").set_input_files(
        [
            file("eileen.png", astronaut),
            file("words.jpg", b"These are words."),
            file("stripes.jpg", make_image()),
        ]
    )
    done = page.locator('.card:has([data-status="succeeded"])')
    expect(done).to_have_count(2, timeout=20_000)
    expect(page.locator(".card.refused")).to_contain_text("unsupported_format")
    expect(page.locator(".card").filter(has_text="stripes.jpg")).to_contain_text("No face found")
    assert page.url.endswith("/")
    done.filter(has_text="eileen.png").get_by_role("link").click()
    expect(page).to_have_url(RESULT)


def test_photos_are_dropped_anywhere(
    redis_server, logged_in: Page, grace, make_image, tmp_path, width: int
):
    page, paths = logged_in, []
    page.set_viewport_size({"width": width, "height": 800})
    grace.notice_version = ""
    grace.save()
    page.reload()
    pointer = page.context.new_cdp_session(page)

    def drop(name: str) -> None:
        paths.append(tmp_path / name)
        paths[-1].write_bytes(make_image(size=(200, 100 + len(paths))))
        files = {"items": [], "files": [str(paths[-1])], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": width // 2, "y": 40, "data": files}
            pointer.send("Input.dispatchDragEvent", event)
            expect(page.locator("body.dragging")).to_have_count(int(kind != "drop"))

    drop("a.jpg")
    expect(page.locator("#chosen")).to_have_text("a.jpg")
    drop("b.jpg")
    expect(page.locator("#chosen")).to_have_text("a.jpg, b.jpg")
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator("#summary")).to_have_text("2 of 2 uploaded")


COPY = """async (bytes) => {
    const image = new Blob([new Uint8Array(bytes)], {type: "image/png"});
    await navigator.clipboard.write([new ClipboardItem({"image/png": image})]);
}"""


def test_a_photo_is_pasted(redis_server, logged_in: Page, grace, make_image, width: int):
    page = logged_in
    page.set_viewport_size({"width": width, "height": 800})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(COPY, list(make_image("PNG")))
    page.keyboard.press("Control+V")
    expect(page).to_have_url(RESULT)
    assert grace.predictions.get().photo.name.endswith(".png")


def test_a_lost_connection_is_told(redis_server, logged_in: Page, make_image):
    page = logged_in
    page.route("**/uploads/", lambda route: route.abort())
    page.locator("#photos").set_input_files(file("a.jpg", make_image()))
    expect(page.locator(".card.refused")).to_contain_text("connection_lost")
    page.unroute("**/uploads/")
    page.locator("#photos").set_input_files(file("a.jpg", make_image()))
    expect(page).to_have_url(RESULT)


def test_an_ended_session_leads_to_the_log_in_and_back(logged_in: Page, make_image):
    page = logged_in
    page.context.clear_cookies(name="sessionid")
    page.locator("#photos").set_input_files(file("a.png", make_image("PNG")))
    page.wait_for_url("**/accounts/login/?next=/")
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/")
    page.context.clear_cookies(name="sessionid")
    photos = [file("a.png", make_image("PNG")), file("b.jpg", make_image())]
    page.locator("#photos").set_input_files(photos)
    expect(page.locator("#summary")).to_have_text("0 of 2 uploaded, 2 refused")
    expect(page.locator(".card.refused").first).to_contain_text("not logged in any more")


def test_faces_are_chosen_by_box_and_by_keyboard(
    worker, logged_in: Page, grace, astronaut: bytes, width: int
):
    from tests.support import records

    prediction = records.queue(grace, crowd(astronaut, 3, 1))

    page = logged_in
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(prediction.get_absolute_url())
    expect(page.get_by_text("Face 1 of 3")).to_be_visible(timeout=20_000)
    page.evaluate("window.neverReloaded = true")
    page.locator("#face-2").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Face 2 of 3")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?face=2$"))
    expect(page.locator("#face-2")).to_be_focused()
    assert page.evaluate("window.neverReloaded")
    page.locator(".photo a").nth(2).locator("rect.box").click()
    expect(page.get_by_text("Face 3 of 3")).to_be_visible()
    assert page.evaluate("window.neverReloaded")
    page.go_back()
    expect(page.get_by_text("Face 2 of 3")).to_be_visible()


def test_where_the_network_looked_is_drawn_when_it_is_asked(
    worker, logged_in: Page, grace, astronaut: bytes, width: int
):
    from predictions.models import Explanation, Prediction
    from tests.support import records

    page = logged_in
    page.set_viewport_size({"width": width, "height": 800})
    prediction = records.queue(grace, astronaut)
    wait_until(lambda: Prediction.objects.get().is_finished, 20)
    page.goto(prediction.get_absolute_url())
    page.evaluate("window.neverReloaded = true")
    picture, over = page.locator("img.explanation"), page.locator("image.looked")
    assert not Explanation.objects.exists()
    question, switch = page.get_by_text("Where did it look?"), page.get_by_label("Show it on the")
    if width == 390:
        question.focus()
        page.keyboard.press("Enter")
    else:
        question.click()
    expect(picture).to_have_js_property("naturalWidth", 384, timeout=20_000)
    assert "happy" in picture.get_attribute("alt")
    expect(page.locator("#announcer")).to_have_text("Here is where the network looked.")
    expect(page.locator("#look-summary")).to_be_focused()
    # It covers the face: its middle is that of the box, and it is a little larger.
    expect(over).to_be_visible()
    place, box = over.bounding_box(), page.locator(".photo .box").bounding_box()
    for corner, side in (("x", "width"), ("y", "height")):
        middle = box[corner] + box[side] / 2
        assert abs(place[corner] + place[side] / 2 - middle) < 0.1 * box[side]
    assert faults(page, "dark") + faults(page, "light") == []
    if width == 390:
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
    else:
        switch.uncheck()
    expect(switch).not_to_be_checked()
    expect(over).not_to_be_visible()
    assert page.evaluate("window.neverReloaded")


def test_insights_lead_to_the_photos_behind_a_number(
    worker, logged_in: Page, grace, astronaut: bytes
):
    from predictions.models import Prediction
    from tests.support import records

    prediction = records.queue(grace, astronaut)
    wait_until(lambda: Prediction.objects.get().is_finished, 20)
    prediction.refresh_from_db()
    page = logged_in
    page.get_by_role("link", name="Insights").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Insights")
    page.wait_for_load_state()  # What tells of a file listens only once the scripts are there.
    with page.expect_download() as download:
        page.get_by_role("link", name="Table (CSV)").click()
    assert str(prediction.pk) in Path(download.value.path()).read_text()
    expect(page.get_by_text("Your file is complete.").first).to_be_visible()
    page.locator(".counts").get_by_role("link", name=prediction.label).click()
    expect(page.locator(".card")).to_have_count(1)


def test_demo_picture_with_a_click(worker, logged_in: Page, astronaut: bytes, width: int):
    from tests.support import records

    demo = records.publish(astronaut).prediction
    wait_until(lambda: type(demo).objects.get(pk=demo.pk).status == "succeeded", 20)
    page = logged_in
    page.set_viewport_size({"width": width, "height": 800})
    page.reload()
    page.get_by_role("button", name="A smile").click()
    expect(page).to_have_url(RESULT)
    expect(page.locator("#result")).to_have_attribute("data-status", "succeeded", timeout=20_000)
