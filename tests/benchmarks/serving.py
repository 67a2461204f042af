"""What is measured: the site as ``make run`` starts it, seen by a real Chromium."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

BASE_DIR = Path(__file__).resolve().parents[2]
USER = "bench"
PASSWORD = "only-for-this-benchmark"


@contextmanager
def running_site() -> Iterator[str]:
    """Start the site with a data folder of its own; yield its address once it is ready."""
    folder = Path(tempfile.mkdtemp())
    address = f"http://127.0.0.1:{os.environ.get('PORT', '8765')}"
    environment = os.environ | {
        "DATA_DIR": str(folder),
        "PORT": address.rpartition(":")[2],
        "DJANGO_SUPERUSER_USERNAME": USER,
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    command = [sys.executable, "-m", "emotionsite.run"]
    with (folder / "log").open("wb") as log:
        started = time.perf_counter()
        site = subprocess.Popen(command, cwd=BASE_DIR, env=environment, stdout=log, stderr=log)
        try:
            while "Emotionsite is ready" not in (output := (folder / "log").read_text()):
                if site.poll() is not None:
                    raise SystemExit(output)
                time.sleep(0.05)
            print(f"site ready, installed before: {time.perf_counter() - started:.1f} s")
            yield address
        finally:
            site.terminate()
            site.wait()
    shutil.rmtree(folder)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


def log_in(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/login/")
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
