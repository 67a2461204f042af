"""Curating the gallery and looking after the work in a real browser, under the site's policy, with
the mouse at a desk and by keyboard on a narrow screen."""

import pytest
from django.template.defaultfilters import filesizeformat
from playwright.sync_api import Locator, Page, expect

from emotionsite.accounts.models import User
from predictions import services
from predictions.models import DemoImage, Prediction, Status
from tests.support import records, steps
from tests.support.hands import act, by_keyboard, choose, choose_files, write
from tests.support.sessions import session
from tests.support.waiting import wait_until


@pytest.fixture
def staff_page(page: Page, transactional_db, live_server) -> Page:
    """A page where an admin is logged in already."""
    root = User.objects.create_superuser("root", "root@example.org")
    page.context.add_cookies([session(root, live_server.url)])
    return page


def image_file(name: str, content: bytes) -> dict:
    return {"name": f"{name}.png", "mimeType": "image/png", "buffer": content}


def choose_action(page: Page, box: Locator, name: str) -> None:
    """Do something with what a box ticks."""
    act(box, "Space")
    choose(page.get_by_label("Action:"), name)
    act(page.get_by_role("button", name="Go"))


def drag_to_the_top(page: Page, title: str) -> None:
    """Drag a picture, and hold it still."""
    top = page.locator("#result_list .field-title").first.bounding_box()
    page.get_by_role("row", name=title).locator(".order-handle").hover()
    page.mouse.down()
    page.mouse.move(top["x"], top["y"] + 1, steps=5)


def test_admin_curates_the_gallery(worker, staff_page: Page, astronaut, width: int):
    page = staff_page
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/admin/predictions/demoimage/add/")
    picture = page.get_by_label("Picture:")
    save = page.get_by_role("button", name="Save", exact=True)
    expect(picture).to_be_focused()
    choose_files(picture, image_file("notes", b"no picture"))
    for label, text in (("Title", "A smile"), ("Credit", "NASA"), ("Licence", "Public domain")):
        write(page.get_by_label(f"{label}:"), text)
    act(save)
    expect(page.locator(".field-picture .errorlist")).to_contain_text("not a picture we can read")

    choose_files(picture, image_file("face", astronaut))
    act(save)
    expect(page.locator(".messagelist")).to_contain_text("was added successfully")
    wait_until(lambda: Prediction.objects.get().is_finished, 30)

    page.reload()
    row = page.locator("#result_list tbody tr")
    image = row.get_by_role("img", name="A smile")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 480
    assert image.bounding_box()["width"] < 100
    choose_action(page, row.get_by_role("checkbox").first, "Publish")
    expect(page.locator(".messagelist")).to_contain_text("1 picture was published")
    assert DemoImage.objects.published().count() == 1

    write(row.locator("[name$=position]"), "7")
    act(page.get_by_role("button", name="Save"))
    expect(page.locator(".messagelist")).to_contain_text("changed successfully")
    assert DemoImage.objects.get().position == 7

    act(row.get_by_role("link", name="A smile").last)
    prediction = Prediction.objects.get()
    answer = f"{prediction.emoji} {prediction.label}, {prediction.confidence:.0%}"
    expect(page.locator(".field-answered")).to_contain_text(answer)
    preview = page.locator("img.demo-display")
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") == 512

    page.goto("/admin/predictions/demoimage/")
    act(page.locator("#changelist-filter").get_by_role("link", name="Yes"))
    expect(row).to_have_count(1)
    choose_action(page, row.get_by_role("checkbox").first, "Delete selected demo images")
    act(page.get_by_role("button", name="Yes, I’m sure"))
    expect(page.locator(".messagelist")).to_contain_text("Successfully deleted 1")
    assert not Prediction.objects.exists()

    page.goto("/admin/")
    work = page.get_by_role("region", name="Work")
    expect(work.get_by_role("row", name="celery 0 celery@")).to_be_visible()


def test_admin_adds_several_pictures_and_puts_them_in_order(
    redis_server, staff_page: Page, make_image, width: int
):
    page = staff_page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/admin/predictions/demoimage/")
    act(page.get_by_role("link", name="Add several"))
    choose_files(
        page.get_by_label("Pictures:"),
        image_file("one", make_image("PNG")),
        image_file("notes", b"no picture"),
        image_file("two", make_image("PNG", size=(90, 60))),
        image_file("three", make_image("PNG", size=(60, 90))),
    )
    write(page.get_by_label("Credit:"), "Ada")
    write(page.get_by_label("Licence:"), "CC0")
    act(page.get_by_role("button", name="Add pictures"))
    expect(page.locator(".messagelist")).to_contain_text("3 pictures were added.")
    expect(page.locator(".messagelist")).to_contain_text(
        "Not added: notes.png. This is not a picture"
    )

    def order() -> list[str]:
        return list(DemoImage.objects.values_list("title", flat=True))

    titles = page.locator("#result_list .field-title")
    status = page.get_by_role("status")
    expect(titles).to_have_text(["One", "Two", "Three"])
    down = page.get_by_role("button", name="Move down: One")
    for place in (2, 3):
        act(down)
        expect(status).to_have_text(f"One: {place}/3. Saved.")
        expect(down).to_be_focused()
    assert order() == ["Two", "Three", "One"]

    if by_keyboard(page):
        for place in (2, 1):
            act(page.get_by_role("button", name="Move up: One"))
            expect(status).to_have_text(f"One: {place}/3. Saved.")
    else:
        drag_to_the_top(page, "One")
        expect(titles).to_have_text(["One", "Two", "Three"])
        page.keyboard.press("Escape")
        expect(titles).to_have_text(["Two", "Three", "One"])
        page.mouse.up()
        drag_to_the_top(page, "One")
        page.mouse.up()
        expect(status).to_have_text("One: 1/3. Saved.")
    assert order() == ["One", "Two", "Three"]

    # The fields followed: saving them, as one does without the script, changes nothing.
    positions = page.locator("[name$=position]")
    assert [field.input_value() for field in positions.all()] == ["1", "2", "3"]
    page.goto("/admin/predictions/demoimage/?o=2")
    expect(titles).to_have_text(["One", "Three", "Two"])
    expect(page.locator(".order-tools")).to_have_count(0)


def test_staff_looks_after_the_work(
    redis_server, nobody_else_works, staff_page: Page, grace, make_image, storage, width
):
    page = staff_page
    page.set_viewport_size({"width": width, "height": 800})
    failed = records.queue(grace, make_image())
    services.fail(steps.claim(failed.pk), "timed_out", "The analysis took too long.")
    other = records.queue(grace, make_image(size=(90, 60)))

    def fits() -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.goto("/admin/")
    work = page.get_by_role("region", name="Work")
    expect(work.get_by_role("row", name="timed_out 1")).to_be_visible()
    fits()
    act(work.get_by_role("link", name="timed_out"))
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("grace")
    fits()
    choose_action(page, rows.get_by_role("checkbox"), "Analyse again")
    expect(page.locator(".messagelist")).to_contain_text("1 prediction queued.")
    expect(rows).to_have_count(0)

    page.goto("/admin/predictions/prediction/")
    filters = page.locator("#changelist-filter")
    act(filters.get_by_role("link", name="queued"))
    act(filters.get_by_role("link", name="The last hour"))
    expect(rows).to_have_count(2)
    choose_action(page, page.locator("#action-toggle"), "Cancel")
    expect(page.locator(".messagelist")).to_contain_text("2 predictions canceled.")
    assert {p.status for p in Prediction.objects.all()} == {Status.CANCELED}

    size = filesizeformat(sum(p.photo.stored_bytes for p in (failed, other)))
    page.goto("/admin/accounts/user/")
    expect(page.get_by_role("row", name="grace").locator(".field-size")).to_have_text(size)
    fits()


def test_index_says_that_the_work_does_not_answer(browser, live_server, transactional_db):
    # What htmx logs is a fault to the context of other tests.
    context = browser.new_context(base_url=live_server.url)
    root = User.objects.create_superuser("root", "root@example.org")
    context.add_cookies([session(root, live_server.url)])
    page = context.new_page()
    page.route("**/work/", lambda route: route.fulfill(status=500))
    page.goto("/admin/")
    work = page.get_by_role("region", name="Work")
    expect(work.locator("#trouble")).to_contain_text("There was no answer.")
    page.unroute("**/work/")
    work.get_by_role("link", name="Open Work").click()
    expect(page.locator("#figures")).to_be_visible()
    expect(page.locator("#trouble")).to_have_count(0)
    context.close()


@pytest.mark.parametrize(
    "path",
    [
        "predictions/prediction/",
        "predictions/prediction/?stuck=yes&age=hour",
        "predictions/prediction/work/",
        "accounts/apitoken/",
        "accounts/user/",
        "accounts/user/add/",
        "auth/group/add/",
    ],
)
def test_admin_pages_obey_the_policy(path, staff_page: Page):
    response = staff_page.goto(f"/admin/{path}")
    assert response.status == 200
    assert "default-src 'self'" in response.headers["content-security-policy"]
    assert "unsafe" not in response.headers["content-security-policy"]
