"""Waiting in a real browser: the place in the queue moves without a reload."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.support.accessibility import faults


@pytest.fixture
def others(transactional_db, nobody_else_works, make_image):
    """Three photos of other users, each with its first turn."""
    from emotionsite.accounts.models import User
    from tests.support import records

    users = [User.objects.create_user(f"u{n}", f"u{n}@example.org") for n in range(3)]
    return [records.queue(user, make_image(size=(60, 60))) for user in users]


def finish_next() -> None:
    """Let the photo whose turn it is take nine seconds."""
    from predictions import services
    from predictions.models import Prediction, Status

    done, now = services.claim("test"), timezone.now()
    Prediction.objects.filter(pk=done.pk).update(
        status=Status.SUCCEEDED, started_at=now - timedelta(seconds=9), finished_at=now
    )


def test_a_waiting_page_counts_down(others, grace, screen: Page, make_image):
    from tests.support import records

    mine = records.queue(grace, make_image())
    screen.goto(mine.get_absolute_url())
    place = screen.locator("#place")
    expect(place).to_have_text("3 before yours")
    screen.evaluate("window.neverReloaded = true")
    screen.get_by_role("button", name="Cancel").focus()
    finish_next()
    expect(place).to_have_text("2 before yours, about 25 s")
    expect(screen.locator("#announcer")).to_have_text("")
    finish_next()
    expect(place).to_have_text("1 before yours, about 20 s")
    expect(screen.locator("#announcer")).to_have_text("1 before yours, about 20 s")
    assert faults(screen, "light") + faults(screen, "dark") == []
    finish_next()
    expect(place).to_have_text("Yours is next")
    expect(screen.get_by_role("button", name="Cancel")).to_be_focused()
    records.finish(mine)
    expect(screen.get_by_role("heading", name="No face found")).to_be_visible()
    assert screen.evaluate("window.neverReloaded")


@pytest.mark.parametrize("path", ["/", "/predictions/"])
def test_waiting_cards_count_down(others, grace, screen: Page, make_image, path):
    from tests.support import records

    mine = records.queue(grace, make_image())
    screen.goto(path)
    place = screen.locator(f"#place-{mine.pk}")
    expect(place).to_have_text("3 before yours")
    screen.evaluate("window.neverReloaded = true")
    finish_next()
    expect(place).to_have_text("2 before yours, about 25 s")
    assert faults(screen, "light") + faults(screen, "dark") == []
    for _number in range(2):
        finish_next()
    expect(place).to_have_text("Yours is next")
    records.finish(mine)
    expect(place).to_have_count(0)
    expect(screen.locator(f"#link-{mine.pk}")).to_contain_text("No face found")
    assert screen.evaluate("window.neverReloaded")


def test_a_used_up_quota_is_said_on_the_card_and_sent_again_only_on_request(
    nobody_else_works, grace, screen: Page, make_image, settings
):
    from tests.support import records

    waiting = records.queue(grace, make_image())
    settings.QUOTA_WAITING = 1
    sent = []
    screen.on("request", lambda request: sent.append(request) if "/uploads/" in request.url else 0)
    screen.goto("/")
    photos = [
        {
            "name": f"{number}.jpg",
            "mimeType": "image/jpeg",
            "buffer": make_image(size=(100 + number, 100)),
        }
        for number in range(2)
    ]
    screen.locator("#photos").set_input_files(photos)
    summary = screen.locator("#summary")
    expect(summary).to_have_text("0 of 2 uploaded, 2 failed")
    card = screen.locator(".card").filter(has_text="0.jpg")
    expect(card).to_contain_text("quota_exceeded")
    expect(card).to_contain_text("Your queue is full: 1 of 1 photos are waiting.")
    screen.wait_for_timeout(1500)
    assert len(sent) == 2, "nothing is sent again by itself"
    settings.QUOTA_WAITING, settings.QUOTA_STORED_MB = 0, 1
    type(waiting.photo).objects.update(stored_bytes=1024 * 1024)
    card.get_by_role("button", name="Retry").click()
    expect(card).to_contain_text("Delete some to make room.")
    expect(card.get_by_role("button")).to_have_count(0)
    expect(summary).to_have_text("0 of 2 uploaded, 1 refused, 1 failed")
