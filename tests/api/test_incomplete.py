"""A body that ends before its end, sent to the real web server: nothing of it is worked on."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.test import Client

from predictions.models import IdempotencyKey, Photo
from tests.support.api import PREDICTIONS, new_token
from tests.support.raw import BOUNDARY, MULTIPART, chunked, form, part, send

pytestmark = pytest.mark.usefixtures("redis_server", "nobody_else_works")

CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.fixture
def headers(owner) -> dict[str, str]:
    return {"Authorization": f"Token {new_token(owner)}", "Content-Type": MULTIPART}


@pytest.fixture
def page_headers(owner) -> dict[str, str]:
    """A logged-in browser that knows its CSRF token, and sends it in a header, too."""
    owner.accept_notice()
    browser = Client()
    browser.force_login(owner)
    token = browser.get("/about/")  # Any page will do.
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', token.content.decode())[1]
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    return {"Cookie": cookies, "X-CSRFToken": token, "Content-Type": MULTIPART}


def files() -> set[Path]:
    kept = (Path(default_storage.location), Path(settings.FILE_UPLOAD_TEMP_DIR))
    return {path for folder in kept for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _no_file_is_left(transactional_db):
    """Check that every file that a test leaves belongs to a photo."""
    before = files()
    yield
    names = {default_storage.path(name) for name in Photo.objects.values_list("upload", flat=True)}
    assert {str(path) for path in files() - before} == names


def assert_incomplete(answer) -> None:
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] == "incomplete_request"
    assert not Photo.objects.exists()


def test_an_upload_cut_anywhere_is_refused_whole(web, headers, make_image):
    whole = form(part("image", make_image(), "a.jpg"), part("keep_photo", b"false"))
    fields = whole.index(b"keep_photo") - 60
    for sent in (1, 200, fields, len(whole) - 30, len(whole) - 1):
        assert_incomplete(send(web, PREDICTIONS, whole[:sent], headers, length=len(whole)))
    assert send(web, PREDICTIONS, whole, headers, length=len(whole)).status == 202
    assert not Photo.objects.get().is_kept


def test_a_large_upload_leaves_no_temporary_file(web, headers, make_image):
    whole = form(part("image", make_image() + bytes(6 * 1024 * 1024), "a.jpg"))
    cut = whole[: 4 * 1024 * 1024]
    assert_incomplete(send(web, PREDICTIONS, cut, headers, length=len(whole)))


def test_a_cut_batch_stores_nothing_and_its_key_is_free_for_the_whole(web, headers, make_image):
    photos = [make_image(size=(100 + n, 80)) for n in range(10)]
    whole = form(*(part("image", photo, f"{n}.jpg") for n, photo in enumerate(photos)))
    headers["Idempotency-Key"] = "a-key"
    cut = whole[: len(whole) * 4 // 10]
    assert_incomplete(send(web, f"{PREDICTIONS}batch/", cut, headers, length=len(whole)))
    assert not IdempotencyKey.objects.exists()
    answer = send(web, f"{PREDICTIONS}batch/", whole, headers, length=len(whole))
    assert answer.status == 207
    assert [outcome["status"] for outcome in answer.json] == [202] * 10


def test_a_form_without_its_closing_boundary_is_incomplete(web, headers, make_image):
    whole = form(part("image", make_image(), "a.jpg"), part("keep_photo", b"false"))
    for cut in (whole[:-4], whole[: whole.index(b"keep_photo")], whole[:3000]):
        assert_incomplete(send(web, PREDICTIONS, cut, headers, length=len(cut)))
    # A closing boundary in the middle does not make what follows it complete.
    cut = form(part("image", make_image(), "a.jpg")) + part("keep_photo", b"false")
    assert_incomplete(send(web, PREDICTIONS, cut, headers, length=len(cut)))
    for end in (b"--", b"--\r\n", b"--\r\nan epilogue, which the standard allows"):
        sound = whole.removesuffix(b"--\r\n") + end
        assert send(web, PREDICTIONS, sound, headers, length=len(sound)).status in (200, 202)


def test_a_body_in_chunks_is_taken_whole_or_not_at_all(web, headers, make_image):
    whole = chunked(form(part("image", make_image(), "a.jpg"), part("keep_photo", b"false")))
    for sent in (1, 700, len(whole) - 10, len(whole) - 5, len(whole) - 2):
        assert_incomplete(send(web, PREDICTIONS, whole[:sent], headers | CHUNKED))
    inner = form(part("image", make_image(), "a.jpg"))[:-30]
    assert_incomplete(send(web, PREDICTIONS, chunked(inner), headers | CHUNKED))
    assert send(web, PREDICTIONS, whole, headers | CHUNKED).status == 202
    assert not Photo.objects.get().is_kept


def test_what_takes_no_fields_is_not_done_either(web, headers, queue):
    address = f"{PREDICTIONS}{queue().pk}/"
    for method, path in (("POST", f"{address}cancel/"), ("DELETE", address)):
        answer = send(web, path, b"x" * 10, headers, method=method, length=100)
        assert (answer.status, answer.json["code"]) == (400, "incomplete_request")
    assert send(web, f"{address}cancel/", b"", headers, length=0).status == 202


def test_json_that_is_cut_is_not_called_bad_json(web, headers, queue):
    headers["Content-Type"] = "application/json"
    address = f"{PREDICTIONS}{queue().pk}/faces/0/correction/"
    answer = send(web, address, b"{", headers, method="PUT", length=30)
    assert (answer.status, answer.json["code"]) == (400, "incomplete_request")


def test_with_a_session_it_is_not_a_matter_of_the_csrf_token(web, page_headers, make_image):
    whole = form(part("image", make_image(), "a.jpg"))
    cut = whole[: len(whole) // 2]
    for headers in (page_headers, {**page_headers, "X-CSRFToken": ""}):
        assert_incomplete(send(web, PREDICTIONS, cut, headers, length=len(whole)))


@pytest.mark.parametrize("path", ["/", "/uploads/"])
def test_a_page_refuses_a_cut_upload_and_says_why(web, page_headers, make_image, path):
    fields = part("csrfmiddlewaretoken", page_headers["X-CSRFToken"].encode())
    whole = form(fields, part("photos", make_image(), "a.jpg"), part("discard_photo", b"on"))
    for length, cut in (
        (len(whole), whole[:50]),
        (len(whole), whole[: whole.index(b"discard_photo")]),
        (len(whole) - 4, whole[:-4]),
    ):
        answer = send(web, path, cut, page_headers, length=length)
        assert answer.status == 400
        assert b"<code>incomplete_request</code>" in answer.body
        assert b"too old" not in answer.body
    assert not Photo.objects.exists()
    assert send(web, path, whole, page_headers, length=len(whole)).status in (201, 302)
    assert not Photo.objects.get().is_kept


def test_no_form_of_a_page_is_worked_on_when_it_is_cut(web, page_headers, queue):
    prediction = queue()
    urlencoded = {**page_headers, "Content-Type": "application/x-www-form-urlencoded"}
    for headers, body in (
        (urlencoded, b"a=1"),
        ({**page_headers, "Content-Type": "text/plain"}, b"a"),
        (page_headers, f"--{BOUNDARY}\r\n".encode()),
        (urlencoded | CHUNKED, b"5\r\na=1"),
    ):
        length = None if "Transfer-Encoding" in headers else 100
        for action in ("cancel", "delete"):
            path = f"/predictions/{prediction.pk}/{action}/"
            answer = send(web, path, body, headers, length=length)
            assert answer.status == 400
            assert b"incomplete_request" in answer.body
    prediction.refresh_from_db()
    assert (prediction.status, prediction.removed_at) == ("queued", None)
    path = f"/predictions/{prediction.pk}/cancel/"
    assert send(web, path, b"a=1", urlencoded, length=3).status == 302
