"""Curating the gallery in a real browser, under the site's content security policy."""

import pytest
from playwright.sync_api import Page, expect

from emotionsite.accounts.models import User
from predictions.models import DemoImage, Prediction
from tests.support.waiting import wait_until


@pytest.fixture
def staff_page(page: Page, client, live_server) -> Page:
    """A page where an admin is logged in already."""
    client.force_login(User.objects.create_superuser("root", "root@example.org"))
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    return page


def test_admin_curates_the_gallery(worker, staff_page: Page, astronaut, make_image):
    page = staff_page
    page.goto("/admin/predictions/demoimage/add/")
    page.get_by_label("Picture:").set_input_files(
        {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}
    )
    for label, text in (("Title", "A smile"), ("Credit", "NASA"), ("Licence", "Public domain")):
        page.get_by_label(f"{label}:").fill(text)
    page.get_by_role("button", name="Save", exact=True).first.click()
    expect(page.locator(".field-picture .errorlist")).to_contain_text("not a picture we can read")

    page.get_by_label("Picture:").set_input_files(
        {"name": "face.png", "mimeType": "image/png", "buffer": astronaut}
    )
    page.get_by_role("button", name="Save", exact=True).first.click()
    expect(page.locator(".messagelist")).to_contain_text("was added successfully")
    wait_until(lambda: Prediction.objects.get().is_finished, 30)

    page.reload()
    row = page.locator("#result_list tbody tr")
    image = row.get_by_role("img", name="A smile")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 480
    assert image.bounding_box()["width"] < 100
    row.get_by_role("checkbox").first.check()
    page.get_by_label("Action:").select_option("publish")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist")).to_contain_text("1 picture was published")
    assert DemoImage.objects.published().count() == 1

    row.locator("[name$=position]").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messagelist")).to_contain_text("changed successfully")
    assert DemoImage.objects.get().position == 7

    row.get_by_role("link", name="A smile").last.click()
    prediction = Prediction.objects.get()
    answer = f"{prediction.emoji} {prediction.label}, {prediction.confidence:.0%}"
    expect(page.locator(".field-answered")).to_contain_text(answer)
    preview = page.locator("img.demo-display")
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") == 512

    page.goto("/admin/predictions/demoimage/")
    page.locator("#changelist-filter").get_by_role("link", name="Yes").click()
    expect(row).to_have_count(1)
    row.get_by_role("checkbox").first.check()
    page.get_by_label("Action:").select_option("delete_selected")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.locator(".messagelist")).to_contain_text("Successfully deleted 1")
    assert not Prediction.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "predictions/prediction/",
        "predictions/prediction/?status__exact=succeeded",
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
