"""The page of a result in a real browser: its keys, its download, and an older answer."""

import re
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support import steps
from tests.support.accessibility import faults
from tests.support.pictures import crowd
from tests.support.sessions import session


@pytest.fixture
def results(grace, page: Page, live_server, astronaut: bytes) -> list:
    """Three faces with an older answer, and before them a photo that was not kept; the page is
    their owner's."""
    from predictions import services
    from predictions.models import EarlierAnswer
    from predictions.uploads import validate
    from tests.support import records

    upload = validate(ContentFile(astronaut, "eileen.png"))
    unkept = services.submit(grace, upload, keep_photo=False)[0]
    steps.analyse(unkept.pk)
    several = records.analyse(grace, crowd(astronaut, 3, 1), "three.png")
    EarlierAnswer.keep(several)
    several.earlier_answers.update(model_version="2026.1.2", model_sha256="0" * 64)
    page.context.add_cookies([session(grace, live_server.url)])
    return [several, unkept]


def test_faces_by_key_download_older_answer_and_the_next_photo(
    results, static_files, page: Page, width: int
):
    several, unkept = results
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(several.get_absolute_url())
    page.evaluate("window.neverReloaded = true")
    page.locator("#face-1").focus()
    for number, key in ((2, "ArrowRight"), (3, "ArrowRight"), (2, "ArrowLeft")):
        page.keyboard.press(key)
        expect(page.get_by_text(f"Face {number} of 3")).to_be_visible()
        expect(page.locator(f"#face-{number}")).to_be_focused()
    assert page.evaluate("window.neverReloaded")

    expect(page.get_by_text(re.compile("^Network 2026.1.2 called this face"))).to_be_visible()
    page.get_by_text("Compare the numbers").click()
    expect(page.locator(".pairs li").first).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("link", name="Save with its boxes").click()
    assert download.value.suggested_filename == "three-annotated.jpg"
    with Image.open(Path(download.value.path())) as saved:
        assert (saved.format, saved.size) == ("JPEG", (600, 200))
    assert not faults(page, "light")

    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(str(unkept.pk)))
    expect(page.get_by_text("You chose not to keep this photo")).to_be_visible()
    assert page.locator(".outline rect.box").bounding_box()["width"] > 20
    assert not faults(page, "light")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(str(several.pk)))


def test_doubts_are_said_beside_the_answer(
    grace, live_server, static_files, page: Page, astronaut: bytes, width: int
):
    from tests.support import records

    prediction = records.analyse(grace, astronaut)
    type(prediction).objects.update(label="fear", unsure=True, advice=["too_dark", "face_turned"])
    prediction.faces.update(label="fear", confidence=0.38, unsure=True)
    page.context.add_cookies([session(grace, live_server.url)])
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(prediction.get_absolute_url())
    expect(page.get_by_role("heading", level=1)).to_have_text("Perhaps fear")
    expect(page.locator(".sureness")).to_have_text(re.compile("38%.*unsure", re.DOTALL))
    expect(page.get_by_text("sees no single expression clearly")).to_be_visible()
    expect(
        page.get_by_text(re.compile("^Of [0-9]+ test faces that it called “fear”"))
    ).to_be_visible()
    for advice in ("This photo is very dark", "The largest face is turned aside"):
        expect(page.get_by_text(advice)).to_be_visible()
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_the_focus_survives_the_waiting(
    grace, redis_server, live_server, static_files, page: Page, astronaut: bytes
):
    from django.utils import timezone

    from predictions import services
    from tests.support import records

    prediction = records.queue(grace, astronaut)
    page.context.add_cookies([session(grace, live_server.url)])
    page.goto(prediction.get_absolute_url())
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    claimed = steps.claim(prediction.pk)
    expect(page.get_by_role("heading", level=1)).to_have_text("Looking for faces")
    expect(cancel).to_be_focused()
    services.cancel(claimed)
    expect(page.get_by_role("heading", level=1)).to_have_text("Canceled")
    expect(page.get_by_role("heading", level=1)).to_be_focused()

    page.get_by_role("button", name="Analyse again").click()
    expect(cancel).to_be_visible()
    type(prediction).objects.update(removed_at=timezone.now())
    expect(page.get_by_role("heading", level=1)).to_have_text("This photo was deleted")
    page.get_by_role("link", name="All photos").click()
    expect(page).to_have_url(re.compile("/predictions/$"))
