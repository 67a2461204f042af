"""Every page under axe-core, light and dark, wide and narrow; and what axe cannot see."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from tests.support.pictures import crowd
from tests.support.sessions import session
from tests.support.waiting import wait_until

PASSWORD = "correct horse battery"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

VISITOR_PAGES = [
    "/",
    "/gallery/",
    "/gallery/a-smile/",
    "/about/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/nothing/",
]


@pytest.fixture
def site(worker, astronaut: bytes, make_image, live_server):
    """Return who visits: cookies and addresses of a visitor, a newcomer and a user of long."""
    from emotionsite.accounts.models import User
    from predictions.models import Prediction
    from tests.support import records

    user = User.objects.create_user("grace", "grace@example.org", PASSWORD)
    records.publish(astronaut)
    answered = records.queue(user, astronaut)
    several = records.queue(user, crowd(astronaut, 3, 1))
    faceless = records.queue(user, make_image())
    damaged = records.queue(user, make_image(size=(800, 600))[:4000], "damaged.jpg")
    wait_until(lambda: not Prediction.objects.filter(status__in=["queued", "running"]), 30)
    worker.stop()
    waiting = records.queue(user, make_image(size=(90, 90)))
    canceled = records.queue(user, make_image(size=(80, 80)))
    Prediction.objects.filter(pk=canceled.pk).update(status="canceled")
    pages = [
        p.get_absolute_url() for p in (answered, several, faceless, damaged, waiting, canceled)
    ]
    pages += ["/", "/predictions/", "/predictions/?emotion=fear", f"{pages[0]}delete/"]
    pages += ["/predictions/?select=all&name=o&sort=size"]
    pages += ["/insights/"]
    pages += ["/account/", "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/"]
    pages += [f"/account/{more}/" for more in ("tokens", "privacy", "erase", "delete")]
    webhook = log_of_every_kind(user, answered)
    pages += [f"/account/webhooks/{more}" for more in ("", f"{webhook}/", f"{webhook}/delete/")]
    newcomer = User.objects.create_user("ada")
    user.accept_notice()
    return [
        ([], VISITOR_PAGES),
        ([session(newcomer, live_server.url)], ["/", "/predictions/", "/insights/"]),
        ([session(user, live_server.url)], pages),
    ]


def log_of_every_kind(user, prediction) -> str:
    """Make a webhook with messages that wait, arrived and were given up; return its id."""
    from predictions.webhooks.models import Delivery, Webhook

    now = timezone.now()
    webhook = Webhook.objects.create(owner=user, url="https://example.org/hook", given_up=1)
    for end in (
        {"last_status": 503, "last_error": "refused"},
        {"next_attempt_at": None, "delivered_at": now, "last_status": 200},
        {"next_attempt_at": None, "last_error": "bad_certificate"},
    ):
        Delivery.objects.create(
            webhook=webhook,
            event="prediction.succeeded",
            prediction=prediction,
            attempts=1,
            last_attempt_at=now,
            **end,
        )
    return str(webhook.pk)


def pages(browser, live_server, site):
    """Yield (address, page) of every page, each opened once by whoever may see it."""
    for cookies, addresses in site:
        context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
        context.add_cookies(cookies)
        page = context.new_page()
        for address in addresses:
            page.goto(address)
            yield address, page
        context.close()


def test_axe_finds_nothing_and_nothing_is_cut_off(browser, live_server, static_files, site):
    axe = Axe()
    problems = []
    # In the dark nothing changes but colours.
    rules = {"light": STANDARDS, "dark": {"type": "rule", "values": ["color-contrast"]}}
    for address, page in pages(browser, live_server, site):
        for width, scheme in ((1280, "light"), (390, "light"), (390, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            results = axe.run(page, options={"runOnly": rules[scheme]})
            assert results.response["passes"], address
            for violation in results.response["violations"]:
                nodes = [node["html"] for node in violation["nodes"][:3]]
                problems.append(f"{address} {width} {scheme}: {violation['id']} {nodes}")
        page.set_viewport_size({"width": 320, "height": 800})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            problems.append(f"{address} is wider than 320 pixels")
    assert not problems, "\n".join(problems)


def test_first_tab_leads_to_the_content(page):
    page.goto("/about/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
