"""A data directory that is full or read-only: what reads works, what writes is a 503."""

import re
import shutil
import sys

import pytest
import requests

from tests.support.small_disk import PASSWORD, Site, SmallDisk

READING = [
    *("/healthz", "/", "/gallery/", "/about/", "/predictions/", "/insights/", "/account/"),
    *("/account/tokens/", "/account/privacy/", "/account/webhooks/", "/accounts/2fa/"),
    *("/admin/", "/admin/predictions/demoimage/", "/predictions/{id}/"),
    *("/api/v1/predictions/", "/api/v1/predictions/{id}/", "/api/v1/demo-images/"),
    *("/api/v1/insights/", "/api/v1/export/?as=csv", "/api/v1/model/"),
]
"""Addresses that only read."""


@pytest.fixture
def disk(tmp_path):
    if not sys.platform.startswith("linux") or not shutil.which("nsenter"):
        pytest.skip("a small disk needs Linux with unshare and nsenter")
    try:
        disk = SmallDisk(tmp_path / "disk", 40)
    except OSError as error:
        pytest.skip(f"a small disk cannot be mounted here: {error}")
    yield disk
    disk.close()


@pytest.fixture
def site(disk, redis_server, static_files):
    site = Site(disk)
    site.start()
    yield site
    site.stop()


@pytest.fixture
def browser(site) -> requests.Session:
    """The user's browser, with the CSRF token of a page in its headers."""
    browser = requests.Session()
    browser.cookies.set("sessionid", site.user["session"])
    page = browser.get(f"{site.address}/about/", timeout=60).text
    browser.headers["X-CSRFToken"] = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)[1]
    return browser


@pytest.fixture
def program(site) -> requests.Session:
    """A program of the user, with a token."""
    program = requests.Session()
    program.headers["Authorization"] = f"Token {site.user['token']}"
    return program


def test_on_a_full_disk_pages_are_read_and_nothing_is_half_stored(
    disk, site, browser, program, make_image
):
    api = f"{site.address}/api/v1/predictions/"
    photo, large = make_image(), make_image("BMP", size=(1300, 1000))
    assert len(large) > 2.5 * 1024 * 1024, "it must be received in a file"
    first = program.post(api, files={"image": photo}, timeout=60).json()
    addresses = [f"{site.address}{path.format(id=first['id'])}" for path in READING]
    kept = disk.files()
    disk.fill()

    for address in addresses:
        client = program if "/api/" in address else browser
        answer = client.get(address, timeout=60)
        assert answer.status_code == 200, (address, answer.text)

    for number, content in enumerate((make_image("PNG"), large)):
        answer = program.post(api, files={"image": content}, timeout=60)
        assert_problem(answer)
        batch = {"Idempotency-Key": f"key-{number}"}
        answer = program.post(
            f"{api}batch/", files=[("image", content)] * 2, headers=batch, timeout=60
        )
        if answer.status_code == 207:
            assert [outcome["status"] for outcome in answer.json()] == [503, 503]
            assert answer.headers["Retry-After"]
        else:
            assert_problem(answer)
        for path in ("/", "/uploads/"):
            answer = browser.post(
                f"{site.address}{path}",
                files={"photos": content},
                allow_redirects=False,
                timeout=60,
            )
            assert_page(answer)
    picture = {"title": "A", "credit": "B", "licence": "C", "position": "1"}
    answer = browser.post(
        f"{site.address}/admin/predictions/demoimage/add/",
        data=picture,
        files={"picture": photo},
        timeout=60,
    )
    assert_page(answer)
    answer = browser.post(
        f"{site.address}/admin/predictions/demoimage/several/",
        data=picture,
        files=[("pictures", photo)],
        timeout=60,
    )
    assert "storage_unavailable" in answer.text
    assert disk.files() == kept

    # Some of these find room in pages that the database has already.
    for answer in (
        requests.post(f"{site.address}/api/v1/auth/token/", auth=("ada", PASSWORD), timeout=60),
        log_in(site),
        browser.post(f"{site.address}/predictions/{first['id']}/delete/", timeout=60),
        browser.post(f"{site.address}/account/tokens/", data={"name": "x"}, timeout=60),
        program.delete(f"{api}{first['id']}/", timeout=60),
    ):
        assert answer.status_code != 500
        assert "Traceback" not in answer.text
        if answer.status_code == 503:
            assert "storage_unavailable" in answer.text
            assert answer.headers["Retry-After"]

    disk.free()
    for content in (make_image("PNG"), large):
        assert program.post(api, files={"image": content}, timeout=60).status_code == 202
    whole = {"Idempotency-Key": "key-1"}
    answer = program.post(f"{api}batch/", files=[("image", large)], headers=whole, timeout=60)
    assert [outcome["status"] for outcome in answer.json()] == [200]


def test_on_a_read_only_disk_a_site_starts_and_says_what_is_wrong(
    disk, site, browser, program, make_image
):
    site.stop()
    disk.set_read_only()
    site.start()
    assert requests.get(f"{site.address}/healthz", timeout=60).status_code == 200
    for path in READING:
        client = program if "/api/" in path else browser
        answer = client.get(f"{site.address}{path.format(id='0' * 32)}", timeout=60)
        assert answer.status_code == (404 if "{id}" in path else 200), (path, answer.text)
    answer = program.post(
        f"{site.address}/api/v1/predictions/", files={"image": make_image()}, timeout=60
    )
    assert_problem(answer)
    answer = browser.post(f"{site.address}/", files={"photos": make_image()}, timeout=60)
    assert_page(answer)


def log_in(site: Site) -> requests.Response:
    visitor = requests.Session()
    page = visitor.get(f"{site.address}/accounts/login/", timeout=60)
    assert page.status_code == 200
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    form = {"login": "ada", "password": PASSWORD, "csrfmiddlewaretoken": token}
    return visitor.post(page.url, data=form, timeout=60)


def assert_problem(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "storage_unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def assert_page(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert "<code>storage_unavailable</code>" in answer.text
    assert int(answer.headers["Retry-After"]) > 0
