"""How long people and programs wait: ``make bench``.

Measures in Chromium the time from the click on *Analyse* to the visible result, for the first photo
after the start and for later ones; how long after the row is done ``Prefer: wait`` answers; then
the whole command ``python -m mlcore`` on the same portrait.
"""

import io
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Page, expect
from skimage import data

from tests.benchmarks.serving import BASE_DIR, PASSWORD, USER, chromium, log_in, running_site

LATER = 7
LATEST = 0.05
"""Seconds between the end of an analysis and the answer to whoever waits for it, at the median."""


def portrait(number: int) -> bytes:
    """Return the astronaut's portrait as a PNG; every number is another file to the site."""
    image = Image.fromarray(data.astronaut())
    image.putpixel((0, 0), (number, 0, 0))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def seconds_to_result(page: Page, address: str, number: int) -> float:
    """Upload a photo in the page and return the seconds from the click to its answer."""
    page.goto(address)
    if (notice := page.get_by_label("I have read this")).count():
        notice.check()
        file = {"name": f"{number}.png", "mimeType": "image/png", "buffer": portrait(number)}
        page.locator("#photos").set_input_files(file)
        started = time.perf_counter()
        page.get_by_role("button", name="Analyse").click()
    else:
        # Once the notice is agreed to, choosing a file is the click that sends it.
        file = {"name": f"{number}.png", "mimeType": "image/png", "buffer": portrait(number)}
        started = time.perf_counter()
        page.locator("#photos").set_input_files(file)
    page.locator("#result[data-status=succeeded] .bars li").first.wait_for()
    seconds = time.perf_counter() - started
    expect(page.locator(".bars").first.locator("li")).to_have_count(7)
    return seconds


def seconds_after_done(address: str, photos: range) -> list[float]:
    """Send photos to the API with ``Prefer: wait``; return the seconds from the moment that each
    row says it was finished to the answer."""
    with requests.post(
        f"{address}/api/v1/auth/token/", auth=(USER, PASSWORD), timeout=30
    ) as answer:
        headers = {"Authorization": f"Token {answer.json()['token']}", "Prefer": "wait=30"}
    seconds = []
    with requests.Session() as session:
        for number in photos:
            answer = session.post(
                f"{address}/api/v1/predictions/",
                files={"image": portrait(number)},
                headers=headers,
            )
            now = time.time()
            if answer.status_code != 201:
                raise SystemExit(f"no answer within the time: {answer.text}")
            finished = datetime.fromisoformat(answer.json()["finished_at"])
            seconds.append(now - finished.timestamp())
    return seconds


def seconds_of_command(photo: Path) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "mlcore", str(photo)]
    answer = subprocess.run(command, cwd=BASE_DIR, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if "happy" not in answer.stdout:
        raise SystemExit(f"the portrait is not happy:\n{answer.stdout}")
    return seconds


def main() -> None:
    with running_site() as address:
        with chromium() as browser:
            page = browser.new_page()
            log_in(page, address)
            first = seconds_to_result(page, address, 0)
            later = [seconds_to_result(page, address, n) for n in range(1, LATER + 1)]
        print(f"first photo, click to result: {first:.2f} s")
        print(f"later photos: median {statistics.median(later):.2f} s, slowest {max(later):.2f} s")
        waits = seconds_after_done(address, range(LATER + 1, LATER + 31))
        print(
            f"Prefer: wait, answer after the row is done: median "
            f"{1000 * statistics.median(waits):.0f} ms, slowest {1000 * max(waits):.0f} ms"
        )
        if statistics.median(waits) > LATEST:
            raise SystemExit(f"the answer is to come within {1000 * LATEST:.0f} ms")
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "portrait.png")
        photo.write_bytes(portrait(0))
        whole = [seconds_of_command(photo) for _ in range(LATER)]
    print(
        f"python -m mlcore: first {whole[0]:.2f} s, median {statistics.median(whole):.2f} s, "
        f"slowest {max(whole):.2f} s"
    )


if __name__ == "__main__":
    main()
