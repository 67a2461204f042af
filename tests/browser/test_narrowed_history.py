"""The photos that one has narrowed the history to, and the numbers that lead there: with the mouse
at a desk and by keyboard on a narrow screen."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mlcore.labels import LABELS
from tests.support import records
from tests.support.hands import act, choose, link, write

pytestmark = pytest.mark.usefixtures("nobody_else_works", "redis_server")


@pytest.fixture
def beaches(grace, make_image) -> dict:
    """Three unsure photos of beaches by name, the last of them the surest; a sure one and another
    unsure photo came between them."""
    found = {}
    for name, unsure, confidence in (
        ("beach 1.jpg", True, 0.3),
        ("beach at noon.jpg", False, 0.9),
        ("beach 2.jpg", True, 0.4),
        ("party.jpg", True, 0.35),
        ("beach 3.jpg", True, 0.5),
    ):
        photo = make_image(size=(200, 200 + len(found)))
        found[name] = records.analyse(grace, photo, name)
        answer = {"label": "sad", "confidence": confidence, "unsure": unsure}
        type(found[name]).objects.filter(pk=found[name].pk).update(**answer)
    return found


def names(page: Page) -> list[str]:
    return page.locator(".card .card-name").all_inner_texts()


def rows(download) -> list[dict]:
    with Path(download.value.path()).open(newline="") as file:
        return list(csv.DictReader(file))


def narrow_to_unsure_beaches(page: Page) -> None:
    page.goto("/predictions/")
    if page.viewport_size["width"] < 800:  # In a wide window it stands open.
        act(page.get_by_text("Filter", exact=True))
    choose(page.get_by_label("Sureness"), "unsure of the largest face")
    expect(page.locator(".card")).to_have_count(4)
    write(page.get_by_label("File name contains"), "Beach")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(3)
    assert names(page) == ["beach 3.jpg", "beach 2.jpg", "beach 1.jpg"]


def test_a_selection_of_the_narrowed_history_is_exported(screen: Page, beaches):
    page = screen
    narrow_to_unsure_beaches(page)
    act(link(page, "Select all on this page"))
    bar = page.get_by_role("form", name="Selected photos")
    expect(bar).to_contain_text("3 selected")
    act(page.get_by_role("checkbox", name="Select beach 2.jpg"), "Space")
    expect(bar).to_contain_text("2 selected")
    choose(bar.get_by_label("Format"), "Table (CSV)")
    with page.expect_download() as download:
        act(bar.get_by_role("button", name="Export"))
    ids = {str(beaches[name].pk) for name in ("beach 1.jpg", "beach 3.jpg")}
    assert {row["id"] for row in rows(download)} == ids


def test_steps_stay_within_the_narrowed_history_and_its_order(screen: Page, beaches):
    page = screen
    heading = page.locator(".record").get_by_text(re.compile(r"\.jpg"))

    def step(name: str, photo: str) -> None:
        act(page.get_by_role("link", name=name))
        expect(heading).to_contain_text(photo)

    narrow_to_unsure_beaches(page)
    step("beach 3.jpg", "beach 3.jpg")
    expect(page.get_by_role("link", name="Newer")).to_have_count(0)
    step("Older", "beach 2.jpg")
    step("Older", "beach 1.jpg")
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    step("Newer", "beach 2.jpg")
    act(link(page, "These photos"))
    choose(page.get_by_label("Order"), "least sure first")
    expect(page.locator(".card").first).to_contain_text("beach 1.jpg")
    assert names(page) == ["beach 1.jpg", "beach 2.jpg", "beach 3.jpg"]
    step("beach 1.jpg", "beach 1.jpg")
    step("Next", "beach 2.jpg")
    step("Next", "beach 3.jpg")
    step("Previous", "beach 2.jpg")

    act(link(page, "Delete"))
    act(page.get_by_role("button", name="Delete"))
    expect(page.get_by_text("1 photo deleted.", exact=True)).to_be_visible()
    assert names(page) == ["beach 1.jpg", "beach 3.jpg"]
    act(page.get_by_role("button", name="Undo"))
    expect(page.get_by_text("1 photo is back.")).to_be_visible()
    assert names(page) == ["beach 1.jpg", "beach 2.jpg", "beach 3.jpg"]


def test_ones_own_word_is_counted_and_leads_back_to_its_photo(
    screen: Page, grace, astronaut: bytes, make_image
):
    prediction = records.analyse(grace, astronaut, "eileen.png")
    records.analyse(grace, make_image(), "stripes.jpg")
    word = next(label for label in LABELS if label != prediction.label)
    page = screen
    page.goto(prediction.get_absolute_url())
    act(page.get_by_text("I would call it …"))
    act(page.get_by_role("button", name=word))
    expect(page.get_by_text(f"You called it {word}")).to_be_visible()

    act(link(page, "Insights"))
    agreement = page.get_by_role("region", name="You and the network")
    expect(agreement).to_contain_text("You named 1 face yourself; the network agrees on 0.")
    cells = agreement.get_by_role("row", name=word).get_by_role("cell")
    expect(cells).to_have_text([str(int(label == prediction.label)) for label in LABELS])
    with page.expect_download() as download:
        act(link(page, "Table (CSV)"))
    assert {(row["name"], row["correction"]) for row in rows(download)} == {
        ("eileen.png", word),
        ("stripes.jpg", ""),
    }
    expect(page.get_by_text("Your file is complete.").first).to_be_visible()

    act(page.get_by_role("region", name="By emotion").get_by_role("link", name=prediction.label))
    expect(page).to_have_url(re.compile(rf"\?emotion={prediction.label}$"))
    expect(page.locator(".card")).to_have_count(1)
    assert names(page) == ["eileen.png"]
