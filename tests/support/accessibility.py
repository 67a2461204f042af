"""Pages under axe-core, light and dark, wide and narrow; and whether something is cut off."""

from collections.abc import Iterable, Iterator

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

GUIDELINES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
STANDARDS = [*GUIDELINES, "best-practice"]

# In the dark nothing changes but colours, and they are the same at every width.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}

# Their frames are not ours, so that no opinion of how a page is best built is asked of them.
DOCS = "/api/v1/docs/"
FOREIGN = ("/admin/", DOCS)

# The colours of pages that are not ours change slowly, and some only once a script has noticed.
END_TRANSITIONS = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  for (const one of document.getAnimations()) if (one instanceof CSSTransition) one.finish();
}"""

axe = Axe()


def faults(page: Page, scheme: str, standards: list[str] = STANDARDS) -> list[str]:
    """Return what axe finds on a page as it is, ``scheme`` light or dark."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate(END_TRANSITIONS)
    rules = standards if scheme == "light" else COLOURS
    # Of what it does not complain about, one example a rule is told: all of them take long.
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    results = axe.run(page, options=options).response
    assert results["passes"] or scheme == "dark", page.url
    return [
        f"{scheme}: {violation['id']} {[node['html'][:150] for node in violation['nodes'][:3]]}"
        for violation in results["violations"]
    ]


def faults_everywhere(page: Page, name: str) -> Iterator[str]:
    """Yield what axe finds, wide and narrow, light and dark, and whether something is cut off."""
    standards = GUIDELINES if name.startswith(FOREIGN) else STANDARDS
    # Tables and forms that lie folded are looked at, too.
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for width, scheme in ((1280, "dark"), (1280, "light"), (390, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        yield from (f"{name} {width} {fault}" for fault in faults(page, scheme, standards))
    page.set_viewport_size({"width": 320, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    if wide and not name.startswith(FOREIGN):
        yield f"{name} is wider than 320 pixels"


def visit(browser: Browser, address: str, visitors: Iterable) -> Iterator[tuple[Page, str]]:
    """Yield (page, name) of every place, each opened once by the visitor that ``places`` names."""
    for client, places in visitors:
        context = browser.new_context(base_url=address, reduced_motion="reduce")
        if cookie := client.cookies.get("sessionid"):
            session = {"name": "sessionid", "value": cookie.value, "url": address}
            context.add_cookies([session])
        page = context.new_page()
        for place in places:
            response = page.goto(place.path)
            assert response.status == place.status, place
            assert page.url.removeprefix(address) == place.final_path, place
            if place.path == DOCS:
                page.locator(".opblock").first.wait_for()
            yield page, place.path
        context.close()
