"""What an acceptable photo is, told from its header."""

import io
import struct
import threading
import zlib
from contextlib import suppress
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from django.core.files.base import ContentFile
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from mlcore.decoder import Decoder
from mlcore.errors import DecoderUnavailable, UnreadableImage
from mlcore.formats import FORMATS
from predictions import uploads
from predictions.uploads import UploadError, clean_name, explain, validate
from tests.support.waiting import wait_until


def code_of(content: bytes, name: str = "photo.jpg") -> str:
    with pytest.raises(UploadError) as caught:
        validate(ContentFile(content, name))
    assert caught.value.detail == explain(caught.value.code)
    return caught.value.code


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def test_accepted_photo_is_described(make_image):
    content = make_image(size=(320, 240))
    upload = validate(ContentFile(content, "me.jpg"))
    assert (upload.name, upload.width, upload.height, upload.bytes) == (
        "me.jpg",
        320,
        240,
        len(content),
    )
    assert len(upload.sha256) == 64
    assert upload.file.read() == content, "it is wound back for whoever stores it"


@pytest.mark.parametrize("format", [*FORMATS, "MPO"])
def test_every_format_is_told_by_content(format, make_image):
    upload = validate(ContentFile(make_image(format, size=(64, 48)), "document.txt"))
    assert (upload.width, upload.height) == (64, 48)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
def test_every_colour_mode(mode, make_image):
    format = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
    image = Image.open(io.BytesIO(make_image("PNG", size=(64, 48))))
    image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    file = io.BytesIO()
    image.save(file, format)
    assert validate(ContentFile(file.getvalue(), "x")).width == 64


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_size_is_that_of_the_upright_picture(format, make_image):
    exif = Image.Exif()
    exif[0x0112] = 6
    upload = validate(ContentFile(make_image(format, size=(64, 48), exif=exif), "x"))
    assert (upload.width, upload.height) == (48, 64)


def test_what_is_refused(make_image, settings):
    settings.MAX_UPLOAD_MB = 1
    assert code_of(b"") == "empty_file"
    assert code_of(b"Dear diary, ...") == "unsupported_format"
    assert code_of(b"%PDF-1.7 ...") == "unsupported_format"
    assert code_of(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "unsupported_format"
    assert code_of(bytes(2**20 + 1)) == "file_too_large"
    assert code_of(make_image(size=(23, 300))) == "too_small"
    assert code_of(png_that_claims(50_000, 50_000)) == "too_many_pixels"
    assert code_of(png_that_claims(8001, 8000)) == "too_many_pixels"
    assert code_of(make_image("GIF")[:8]) in ("unsupported_format", "unreadable_image")


def test_limit_of_pixels_is_a_setting(make_image, settings):
    settings.MAX_UPLOAD_MEGAPIXELS = 1
    assert code_of(make_image(size=(1001, 1000))) == "too_many_pixels"
    assert "1 megapixels" in explain("too_many_pixels")
    assert validate(ContentFile(make_image(size=(1000, 1000)), "x")).width == 1000


@pytest.mark.parametrize("code", ["too_complex", "timed_out"])
def test_a_file_that_takes_too_much_is_refused_with_a_way_out(code, make_image, monkeypatch):
    refuse = Mock(side_effect=UnreadableImage("refused", code))
    monkeypatch.setattr("mlcore.decoder.Decoder.read_header", refuse)
    assert code_of(make_image()) == code
    assert "Save it again" in explain(code)


def test_a_decoder_that_is_away_is_no_fault_of_the_file(make_image, monkeypatch):
    refuse = Mock(side_effect=DecoderUnavailable("no memory for a process"))
    monkeypatch.setattr("mlcore.decoder.Decoder.read_header", refuse)
    with pytest.raises(DecoderUnavailable):
        validate(ContentFile(make_image(), "photo.jpg"))


def test_one_user_keeps_no_other_waiting_whose_upload_is_read(make_image, monkeypatch):
    content, is_over = make_image(), threading.Event()
    read = Decoder.read_header

    def slow(decoder, file, **options):
        if getattr(file, "is_slow", False):
            is_over.wait(60)
        return read(decoder, file, **options)

    def send(outcomes: list, owner: int, is_slow: bool) -> None:
        file = ContentFile(content, "photo.jpg")
        file.is_slow = is_slow
        try:
            outcomes.append(validate(file, owner=SimpleNamespace(pk=owner)).width)
        except DecoderUnavailable:
            outcomes.append("unavailable")

    monkeypatch.setattr(Decoder, "read_header", slow)
    monkeypatch.setattr(uploads, "READING_TIMEOUT", 0.5)
    greedy: list = []
    threads = [threading.Thread(target=send, args=(greedy, 1, True)) for _number in range(6)]
    for thread in threads:
        thread.start()
    other: list = []
    for _number in range(3):
        send(other, 2, False)
    assert other == [320] * 3
    wait_until(lambda: len(greedy) == 4, 20)
    assert greedy == ["unavailable"] * 4
    is_over.set()
    for thread in threads:
        thread.join()
    assert greedy[4:] == [320] * 2


def test_this_process_opens_no_picture(make_image, monkeypatch):
    pictures = [make_image(format) for format in FORMATS]
    monkeypatch.setattr(Image, "open", Mock(side_effect=AssertionError("opened here")))
    for content in pictures:
        assert validate(ContentFile(content, "x")).width == 320


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("me.jpg", "me.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\me.jpg", "me.jpg"),
        ("a\x00b\n\u202egpj.exe", "abgpj.exe"),
        ("", "photo"),
        ("/", "photo"),
        ("x" * 300 + ".jpg", "x" * 196 + ".jpg"),
    ],
)
def test_names_are_safe_to_show(given_name, name):
    assert clean_name(given_name) == name


@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_files_are_refused_or_accepted_but_never_an_error(data, make_image):
    format = data.draw(st.sampled_from(FORMATS))
    content = bytearray(make_image(format, size=(40, 40)))
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, min(len(content), 400) - 1))] = data.draw(
            st.integers(0, 255)
        )
    content = bytes(content[: data.draw(st.integers(1, len(content)))])
    with suppress(UploadError):
        upload = validate(ContentFile(content, "x"))
        assert upload.width * upload.height <= 64_000_000
