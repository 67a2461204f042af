"""From a photo to its answer and what is done with it, and the pages for everybody: with the mouse
at a desk and by keyboard on a narrow screen."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support import records, steps
from tests.support.hands import act, choose_files, link

RESULT = re.compile(r"/predictions/[0-9a-f-]{36}/")

pytestmark = pytest.mark.usefixtures("nobody_else_works", "redis_server")


@pytest.fixture
def eileen(grace, astronaut: bytes):
    """A photo of the user's with one face."""
    return records.analyse(grace, astronaut, "eileen.png")


def file(name: str, content: bytes) -> dict:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


def answered(page: Page) -> None:
    """See the answer come to the page that waits for it."""
    expect(page).to_have_url(RESULT)
    records.finish_all()
    expect(page.locator("#result")).to_have_attribute("data-status", "succeeded")


def test_a_photo_is_not_kept_and_a_demo_picture_takes_its_place(
    screen: Page, grace, astronaut: bytes, make_image
):
    records.publish(astronaut)
    page = screen
    page.goto("/")
    act(page.get_by_label("Don't keep the photo"), "Space")
    choose_files(page.locator("#photos"), file("me.jpg", make_image()))
    answered(page)
    expect(page.get_by_text("You chose not to keep this photo")).to_be_visible()
    assert not grace.predictions.get().photo.display

    act(link(page, "New photo"))
    demos = page.get_by_role("region", name="No photo at hand? Try one of these")
    act(demos.get_by_role("button", name="A smile"))
    answered(page)
    expect(page.locator(".record")).to_contain_text("a-smile.jpg")


def test_of_several_photos_a_bad_one_says_why_and_what_finds_no_room_is_sent_again(
    screen: Page, settings, make_image
):
    page = screen
    photos = [file(f"{n}.jpg", make_image(size=(200, 100 + n))) for n in range(3)]
    summary, cards = page.locator("#summary"), page.locator(".card")
    page.goto("/")
    choose_files(page.locator("#photos"), photos[0], file("words.jpg", b"Words."), photos[1])
    expect(summary).to_have_text("2 of 3 uploaded, 1 refused")
    refused = cards.filter(has_text="words.jpg")
    expect(refused).to_contain_text("not a picture we can read")
    records.finish_all()
    expect(page.locator('.card [data-status="succeeded"]')).to_have_count(2)

    settings.QUEUE_LIMIT = 0
    choose_files(page.locator("#photos"), photos[2])
    for room in (0, 100):
        expect(cards.filter(has_text="2.jpg")).to_contain_text("queue_full")
        settings.QUEUE_LIMIT = room
        with page.expect_response("**/uploads/"):
            act(page.get_by_role("button", name="Retry: 2.jpg"))
    answered(page)


def test_a_result_is_saved_and_compared_with_an_older_answer(screen: Page, eileen):
    from predictions.models import EarlierAnswer

    EarlierAnswer.keep(eileen)
    eileen.earlier_answers.update(model_version="2026.1.2", model_sha256="0" * 64)
    page = screen
    page.goto(eileen.get_absolute_url())
    with page.expect_download() as download:
        act(link(page, "Save with its boxes"))
    assert download.value.suggested_filename == "eileen-annotated.jpg"
    with Image.open(Path(download.value.path())) as saved:
        assert (saved.format, saved.size) == ("JPEG", (512, 512))
    numbers = page.get_by_role("list", name="All seven emotions, before and now")
    expect(numbers).not_to_be_visible()
    act(page.get_by_text("Compare the numbers"))
    expect(numbers.get_by_role("listitem")).to_have_count(7)


def test_a_drawing_that_failed_is_asked_for_again(screen: Page, eileen):

    page, face = screen, eileen.faces.get()
    page.goto(eileen.get_absolute_url())
    look = page.locator("#look")
    act(look.get_by_text("Where did it look?"))
    expect(look).to_contain_text("Drawing where the network looked …")
    steps.fail_drawing(face)
    expect(look).to_contain_text("This face could not be drawn.")
    act(look.get_by_role("link", name="Try again"))
    expect(look).to_contain_text("Drawing where the network looked …")
    expect(look.locator("summary")).to_be_focused()
    steps.draw(face)
    expect(look.locator("img")).to_have_js_property("naturalWidth", 384)
    over = page.locator("image.looked")
    expect(over).to_be_visible()
    act(look.get_by_label("Show it on the photo"), "Space")
    expect(over).not_to_be_visible()


def test_a_picture_of_the_gallery_is_tried(screen: Page, astronaut: bytes):
    records.publish(astronaut)
    page = screen
    page.goto("/gallery/")
    act(page.get_by_role("link", name="A smile"))
    act(page.get_by_role("button", name="Try this picture"))
    answered(page)
    expect(page.locator(".record")).to_contain_text("a-smile.jpg")


def test_the_contents_of_the_about_page_lead_to_a_table_to_unfold(screen: Page):
    page = screen
    page.goto("/about/")
    act(page.get_by_role("navigation", name="On this page").get_by_role("link", name="The network"))
    expect(page).to_have_url(re.compile("#network$"))
    expect(page.get_by_role("heading", name="The network", exact=True)).to_be_in_viewport()
    table = page.get_by_role("group", name="The network").get_by_role("table")
    expect(table).not_to_be_visible()
    act(page.get_by_text("As a table").first)
    expect(table).to_be_visible()
    expect(table).to_contain_text("convolutions of 3 × 3")
