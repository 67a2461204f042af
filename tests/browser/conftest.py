"""A real Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.test.testcases import _StaticFilesHandler
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.support.sessions import session

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 30_000
"""Milliseconds for what is to happen in a page: a slow machine is no fault of the site."""

expect.set_options(timeout=PATIENCE)

ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def live_server(static_files) -> Iterator[LiveServer]:
    """The site on a port of its own, with its static files as they were collected.

    pytest-django serves them under the names of their sources, which no page asks for.
    """
    with pytest.MonkeyPatch.context() as patch:
        handler = "django.contrib.staticfiles.handlers.StaticFilesHandler"
        patch.setattr(handler, _StaticFilesHandler)
        server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: ``CHROMIUM`` in the environment, or the one on PATH."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not path:
        reason = f"no Chromium: CHROMIUM is not set, and PATH has none of {', '.join(NAMES)}"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return path


@pytest.fixture(scope="module")
def arguments() -> list[str]:
    """The command line of a module's Chromium."""
    return ARGUMENTS


@pytest.fixture(scope="module")
def browser(chromium: str, arguments: list[str]) -> Iterator[Browser]:
    """One Chromium for a module.

    Playwright's synchronous interface keeps an asyncio loop running in this thread for as long as
    it is open. Django takes that for asynchronous code and refuses the database, although every
    call here blocks as usual; so its check is off meanwhile, and on again for other modules.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, live_server, static_files) -> Iterator[BrowserContext]:
    """A fresh visitor of the live server, to whom a request to another host is an error."""
    context = browser.new_context(base_url=live_server.url, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    problems: list[str] = []

    def note_request(request) -> None:
        if not request.url.startswith((f"{live_server.url}/", "data:", "blob:")):
            problems.append(f"asked another host for {request.url}")

    def note_message(message) -> None:
        # An answer with an error status is logged, too; which ones may come is the test's business.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            problems.append(f"console: {message.text}")

    context.on("request", note_request)
    context.on("console", note_message)
    context.on("weberror", lambda error: problems.append(f"script: {error.error}"))
    yield context
    context.close()
    assert not problems, "\n".join(problems)


@pytest.fixture(autouse=True)
def _quick_passwords(settings) -> None:
    """A strong hash is slow on purpose, and no test here is about it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def grace(transactional_db):
    """A user who has agreed to the notice, with the password "correct horse battery"."""
    from emotionsite.accounts.models import User

    user = User.objects.create_user("grace", "grace@example.org", "correct horse battery")
    user.accept_notice()
    return user


@pytest.fixture(params=[1280, 390])
def width(request: pytest.FixtureRequest) -> int:
    """The width of the window in pixels: who asks for it is tried at a desk and on a phone."""
    return request.param


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of that visitor."""
    return context.new_page()


@pytest.fixture
def screen(page: Page, grace, live_server, width: int) -> Page:
    """The page of a user, in a window of that width."""
    page.context.add_cookies([session(grace, live_server.url)])
    page.set_viewport_size({"width": width, "height": 800})
    return page
