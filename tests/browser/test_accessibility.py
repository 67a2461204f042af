"""Every page under axe-core, light and dark, wide and narrow; and what axe cannot see."""

from collections.abc import Iterator
from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GUIDELINES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

# Their frames are not ours, so that no opinion of how a page is best built is asked of them.
DOCS = "/api/v1/docs/"
FOREIGN = ("/admin/", DOCS)

# The colours of pages that are not ours change slowly, and some only once a script has noticed.
END_TRANSITIONS = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish();
}"""


def visits(browser, live_server, astronaut, make_image, monkeypatch):
    """Yield (name, page) of every page in every state, each opened once by whoever may see it."""
    from tests.support.places import answers, furnish

    for client, places in furnish(astronaut, make_image):
        context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
        if cookie := client.cookies.get("sessionid"):
            session = {"name": "sessionid", "value": cookie.value, "url": live_server.url}
            context.add_cookies([session])
        page = context.new_page()
        for place in places:
            response = page.goto(place.path)
            assert response.status == place.status, place
            assert page.url.removeprefix(live_server.url) == place.final_path, place
            if place.path == DOCS:
                page.locator(".opblock").first.wait_for()
            yield place.path, page
        context.close()
    # What a form leads to has no address: the browser gets the answer under that of the form.
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    page = context.new_page()
    page.route("**/*", hold)
    for name, response in answers(monkeypatch):
        address = f"{live_server.url}/{name.replace(' ', '-')}/"
        body = response.content.decode()
        page.route(address, partial(fulfil, body=body))
        page.goto(address)
        yield name, page
    context.close()


def hold(route) -> None:
    """Never answer what a page asks for by itself, which nobody is logged in for."""
    if "hx-request" not in route.request.headers:
        route.continue_()


def fulfil(route, body: str) -> None:
    route.fulfill(body=body, content_type="text/html; charset=utf-8")


def violations(axe: Axe, page: Page, name: str) -> Iterator[str]:
    """Yield what axe finds, wide and narrow, light and dark, and whether something is cut off."""
    standards = GUIDELINES if name.startswith(FOREIGN) else [*GUIDELINES, "best-practice"]
    # Tables and forms that lie folded are looked at, too.
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    # In the dark nothing changes but colours, and they are the same at every width.
    rules = {"light": standards, "dark": {"type": "rule", "values": ["color-contrast"]}}
    for width, scheme in ((1280, "dark"), (1280, "light"), (390, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        page.evaluate(END_TRANSITIONS)
        results = axe.run(page, options={"runOnly": rules[scheme]}).response
        assert results["passes"] or scheme == "dark", name
        for violation in results["violations"]:
            nodes = [node["html"][:150] for node in violation["nodes"][:3]]
            yield f"{name} {width} {scheme}: {violation['id']} {nodes}"
    page.set_viewport_size({"width": 320, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    if wide and not name.startswith(FOREIGN):
        yield f"{name} is wider than 320 pixels"


@pytest.mark.usefixtures("transactional_db", "redis_server", "static_files", "nobody_else_works")
def test_axe_finds_nothing_on_any_page(browser, live_server, astronaut, make_image, monkeypatch):
    axe = Axe()
    problems = [
        problem
        for name, page in visits(browser, live_server, astronaut, make_image, monkeypatch)
        for problem in violations(axe, page, name)
    ]
    assert not problems, "\n".join(problems)


def test_first_tab_leads_to_the_content(page):
    page.goto("/about/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
