"""What the front page weighs, and when it can be used: ``make bench``.

Each visit is of a browser that knows nothing of the site yet. Weighed is what travels of the page,
its styles, scripts and fonts, with their headers; photos are not.
"""

import statistics
import time
from dataclasses import dataclass

from playwright.sync_api import Browser, StorageState

from tests.benchmarks.serving import chromium, log_in, running_site

VISITS = 7
WEIGHED = ("Document", "Stylesheet", "Script", "Font")
HEAVIEST = 150_000
"""Bytes."""
SLOWEST = 1.0
"""Seconds until the file picker opens, at the median."""


@dataclass(frozen=True)
class Visit:
    """Bytes of what is weighed, and seconds from the request on; no picker for a visitor."""

    weight: int
    ready: float
    picker: float | None


def visit(browser: Browser, address: str, state: StorageState | None) -> Visit:
    context = browser.new_context(storage_state=state)
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    kinds: dict[str, str] = {}
    sizes: dict[str, int] = {}
    network.on("Network.responseReceived", lambda e: kinds.update({e["requestId"]: e["type"]}))
    network.on(
        "Network.loadingFinished",
        lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]}),
    )
    started, picker = time.perf_counter(), None
    page.goto(address, wait_until="commit")
    if state:
        with page.expect_file_chooser():
            page.get_by_text("Choose photos", exact=True).click()
        picker = time.perf_counter() - started
    page.wait_for_load_state("networkidle")
    milliseconds = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    ready = page.evaluate(milliseconds) / 1000
    context.close()
    weight = sum(size for request, size in sizes.items() if kinds.get(request) in WEIGHED)
    return Visit(round(weight), ready, picker)


def report(name: str, visits: list[Visit]) -> None:
    """Print what was measured. Raises SystemExit where it is too much."""
    ready = statistics.median(each.ready for each in visits)
    line = f"front page, {name}: {visits[0].weight / 1000:.0f} kB, content after {ready:.2f} s"
    pickers = [each.picker for each in visits if each.picker is not None]
    if pickers:
        line += f", file picker after {statistics.median(pickers):.2f} s"
    print(f"{line} (medians of {len(visits)})")
    if max(each.weight for each in visits) > HEAVIEST:
        raise SystemExit(f"it is to weigh at most {HEAVIEST / 1000:.0f} kB")
    if pickers and statistics.median(pickers) > SLOWEST:
        raise SystemExit(f"the file picker is to open within {SLOWEST:.0f} s")


def main() -> None:
    with running_site() as address, chromium() as browser:
        page = browser.new_page()
        log_in(page, address)
        page.get_by_text("Choose photos", exact=True).wait_for()
        state = page.context.storage_state()
        for name, storage in (("visitor", None), ("logged in", state)):
            report(name, [visit(browser, address, storage) for _ in range(VISITS)])


if __name__ == "__main__":
    main()
