"""Bad input: always a problem document with a code, never a 500, and nothing is kept of it."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.test import Client
from PIL import Image

from predictions.api.throttling import AddressThrottle
from predictions.models import Photo
from tests.support.api import PREDICTIONS, assert_problem, photo

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
MULTIPART = "multipart/form-data; boundary=b"


def part(name: str, value: bytes, file: str = "") -> bytes:
    file = f'; filename="{file}"' if file else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value


def body(*parts: bytes) -> bytes:
    return b"".join(part + b"\r\n" for part in parts) + b"--b--\r\n"


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, content)
        for kind, content in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


def tiny_png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 300)).save(file, "PNG")
    return file.getvalue()


def stored_files() -> set[Path]:
    return {path for path in Path(default_storage.location).rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _nothing_is_kept(owner):
    """Check after the test that no photo was stored."""
    before = stored_files()
    yield
    assert not Photo.objects.exists()
    assert stored_files() == before


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"just a text", 415, "unsupported_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_format"),
        (b"%PDF-1.7\n", 415, "unsupported_format"),
        (b"", 422, "empty_file"),
        (b"\xff\xd8\xff\xe0", 415, "unsupported_format"),
        (png_that_claims(50_000, 50_000), 422, "too_many_pixels"),
        (tiny_png(), 422, "too_small"),
        (b"\xff\xd8" + bytes(20 * 1024 * 1024), 413, "file_too_large"),
        (b"\xff\xd8" + bytes(30 * 1024 * 1024), 413, "file_too_large"),
    ],
    ids=["text", "svg", "pdf", "empty", "head", "claims", "tiny", "just too large", "too large"],
)
def test_a_bad_file_has_a_code(client, content, status, code):
    response = client.post(PREDICTIONS, {"image": photo(content, "photo.jpg")})
    assert_problem(response, status, code)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "image"),
        ({"image": "a text"}, "image"),
        ({"photo": photo(tiny_png())}, "image"),
        ({"image": [photo(tiny_png()), photo(tiny_png())]}, "image"),
        ({"image": photo(tiny_png()), "force": "perhaps"}, "force"),
        ({"image": photo(tiny_png()), "force": "\x00"}, "force"),
    ],
)
def test_a_bad_form_names_the_field(client, fields, field):
    problem = assert_problem(client.post(PREDICTIONS, fields), 400, "invalid_input")
    assert set(problem["errors"]) == {field}


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (tiny_png(), "image/png", 415, "unsupported_media_type"),
        (b"image=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"x", "no media type", 415, "unsupported_media_type"),
        (b"x", ";;;", 415, "unsupported_media_type"),
        (b"x", "multipart/form-data", 400, "parse_error"),
        (b"x", "multipart/form-data; boundary=" + "b" * 300, 415, "unsupported_media_type"),
        (b"x", "multipart/form-data; boundary=\xff", 400, "parse_error"),
        (b"x", MULTIPART, 400, "incomplete_request"),
        (part("image", b"cut off", "a.jpg"), MULTIPART, 400, "incomplete_request"),
        (body(part("image", b"x", "a\x00b.jpg")), MULTIPART, 415, "unsupported_format"),
        (body(part("image", b"x", "/")), MULTIPART, 400, "invalid_input"),
        (body(part("force", b"\xff\xfe")), MULTIPART, 400, "invalid_input"),
        (body(part("image\x00", b"x", "a.jpg")), MULTIPART, 400, "invalid_input"),
        (body(*[part("a", b"1")] * 1001), MULTIPART, 400, "bad_request"),
        (body(*[part("image", b"1", "a.jpg")] * 101), MULTIPART, 400, "bad_request"),
        (body(part("force", b"1" * 3_000_000)), MULTIPART, 413, "request_too_large"),
        (b"", "application/json", 400, "invalid_input"),
    ],
)
def test_a_bad_request_has_a_code(client, content, content_type, status, code):
    response = client.generic("POST", PREDICTIONS, content, content_type)
    assert_problem(response, status, code)


@pytest.mark.parametrize(
    "path",
    [
        f"{UNKNOWN_ID}/",
        f"{UNKNOWN_ID}/image/",
        "1/",
        "None/",
        "%00/",
        "%ff%fe/",
        f"{'9' * 2000}/",
        f"{UNKNOWN_ID[:-1]}g/",
        "../../../etc/passwd",
        f"{UNKNOWN_ID}/upload/",
    ],
)
@pytest.mark.parametrize("method", ["get", "delete"])
def test_an_absurd_id_is_a_404(client, path, method):
    if path.endswith("image/") and method == "delete":
        return
    assert_problem(getattr(client, method)(f"{PREDICTIONS}{path}"), 404, "not_found")


class TestCorrections:
    @pytest.fixture(autouse=True)
    def _nothing_is_kept(self):
        """Here a photo is there before."""

    @pytest.mark.parametrize(
        ("content", "content_type", "status"),
        [
            (b'{"label": "angst"}', "application/json", 400),
            (b'{"label": 3}', "application/json", 400),
            (b'{"label": ["sad"]}', "application/json", 400),
            (b'{"label": {"sad": 1}}', "application/json", 400),
            (b'{"label": "\\u0000"}', "application/json", 400),
            (b'{"label": "\\ud800"}', "application/json", 400),
            (b"{}", "application/json", 400),
            (b"[]", "application/json", 400),
            (b'"sad"', "application/json", 400),
            (b"null", "application/json", 400),
            (b"{", "application/json", 400),
            (b'{"label": "\xff"}', "application/json", 400),
            (b'{"label": NaN}', "application/json", 400),
            (b'{"label": 1e999999}', "application/json", 400),
            (b'{"label": ' + b"9" * 5000 + b"}", "application/json", 400),
            (b"[" * 100_000, "application/json", 400),
            (b'{"label": "angst"}', "application/json; charset=zlib", 400),
            (b"", "application/json", 400),
            (b"label=sad", "text/plain", 415),
            (b"x" * 3_000_000, "application/x-www-form-urlencoded", 413),
        ],
    )
    def test_a_bad_correction_changes_nothing(self, client, analyse, content, content_type, status):
        prediction = analyse()
        address = f"{PREDICTIONS}{prediction.pk}/faces/0/correction/"
        response = client.generic("PUT", address, content, content_type)
        assert response.status_code == status, response.content
        assert response["Content-Type"] == "application/problem+json"
        assert prediction.faces.get().correction == ""

    @pytest.mark.parametrize("index", ["1", "-1", "x", "9" * 30, "9" * 5000])
    def test_a_face_that_is_not_there_is_a_404(self, client, analyse, index):
        address = f"{PREDICTIONS}{analyse().pk}/faces/{index}/correction/"
        response = client.put(address, {"label": "sad"}, "application/json")
        assert_problem(response, 404, "not_found")


@pytest.mark.parametrize("path", ["", "nowhere/", "predictions/x/y/z/", "\x00", "ÿ/", "docs/x/"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_an_unknown_address_is_a_404_for_everybody(db, path, method):
    assert_problem(getattr(Client(), method)(f"/api/v1/{path}"), 404, "not_found")


def test_a_missing_slash_is_pointed_out(db):
    response = Client().post("/api/v1/predictions")
    assert "slash" in assert_problem(response, 404, "not_found")["detail"]


def test_a_method_that_is_not_offered_is_a_405(client):
    response = client.patch(PREDICTIONS, {})
    assert_problem(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response["Allow"].split(", "))


@pytest.mark.parametrize("accept", ["text/html", "image/jpeg", "x/y;q=z", "application/xml"])
def test_what_cannot_be_offered_is_a_406(client, accept):
    assert_problem(client.get(PREDICTIONS, headers={"accept": accept}), 406, "not_acceptable")


def test_an_error_is_json_also_where_a_picture_was_asked_for(client):
    address = f"{PREDICTIONS}{UNKNOWN_ID}/image/"
    response = client.get(address, headers={"accept": "image/jpeg"})
    assert_problem(response, 404, "not_found")


def test_a_full_queue_is_a_503_that_says_when_to_come_back(client, settings, make_image):
    settings.QUEUE_LIMIT = 0
    response = client.post(PREDICTIONS, {"image": photo(make_image())})
    assert_problem(response, 503, "queue_full")
    assert int(response["Retry-After"]) > 0


def test_too_many_requests_are_a_429_that_says_when_to_come_back(db, monkeypatch):
    monkeypatch.setitem(AddressThrottle.THROTTLE_RATES, "address", "3/hour")
    statuses = [Client().get("/api/v1/demo-images/").status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    # Who claims to come from elsewhere is still the same visitor: no proxy is trusted.
    response = Client().get("/api/v1/demo-images/", headers={"x-forwarded-for": "192.0.2.7"})
    assert_problem(response, 429, "throttled")
    assert 0 < int(response["Retry-After"]) <= 3600


def test_the_id_of_a_request_may_come_from_the_client(client):
    response = client.get(f"{PREDICTIONS}1/", headers={"x-request-id": "trace-7"})
    assert assert_problem(response, 404, "not_found")["request_id"] == "trace-7"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("database is locked"), 503, "database_unavailable"),
        (RuntimeError("nobody foresaw this"), 500, "internal_error"),
        (Photo.DoesNotExist("deleted meanwhile"), 404, "not_found"),
    ],
)
def test_what_nobody_foresaw_is_a_problem_too_and_is_logged(
    client, monkeypatch, caplog, error, status, code
):
    def fail(*_args):
        raise error

    monkeypatch.setattr("predictions.api.reports.insights", fail)
    problem = assert_problem(client.get("/api/v1/insights/"), status, code)
    assert str(error) not in problem["detail"]
    assert ("request failed" in caplog.text) == (status >= 500)
