"""What paths, addresses and headers mean to the client."""

import os
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest

from predictions.client import (
    Stop,
    find_photos,
    is_overheard,
    seconds_to_wait,
    site_url,
    spreadsheet_safe,
)


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("b.JPG", "a.heic", "notes.txt", ".hidden.png", "sub/c.png", ".git/d.png"):
        file = tmp_path / "dir" / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.touch()
    return tmp_path / "dir"


def names(folder: Path, photos: list[Path]) -> list[str]:
    return [str(photo.relative_to(folder)) for photo in photos]


def test_a_folder_gives_its_photos_in_order_and_its_folders_on_request(folder):
    assert names(folder, find_photos([folder])) == ["a.heic", "b.JPG"]
    assert names(folder, find_photos([folder], recursive=True)) == ["a.heic", "b.JPG", "sub/c.png"]


def test_links_are_followed_to_files_and_lead_in_no_circle(folder):
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "z.png").symlink_to(folder / "sub" / "c.png")
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "gone.png").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe.png")
    found = names(folder, find_photos([folder], recursive=True))
    assert found == ["a.heic", "b.JPG", "z.png", "sub/c.png"]


def test_a_file_is_taken_by_its_name_once(folder):
    given = [folder / "notes.txt", folder / ".hidden.png", folder, folder / "a.heic"]
    assert names(folder, find_photos(given)) == ["notes.txt", ".hidden.png", "a.heic", "b.JPG"]


def test_a_path_that_is_not_there_is_an_error(folder):
    with pytest.raises(Stop, match="nowhere"):
        find_photos([folder, folder / "nowhere"])


def test_retry_after_is_seconds_or_a_date():
    assert seconds_to_wait("7") == 7
    assert seconds_to_wait(formatdate(time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert seconds_to_wait(formatdate(time() - 60, usegmt=True)) == 0
    for text in ("", "soon", "-1", "nan"):
        assert seconds_to_wait(text) is None


@pytest.mark.parametrize("end", ["", "/", "/api/v1", "/api/v1/"])
def test_a_site_is_named_with_or_without_the_path_of_its_api(end):
    assert site_url(f"https://example.org/lab{end}") == "https://example.org/lab"


@pytest.mark.parametrize("text", ["", "example.org", "ftp://example.org", "http://", "http://a/?b"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(Stop, match="not the address"):
        site_url(text)


def test_only_plain_http_through_a_network_is_overheard():
    assert is_overheard("http://example.org")
    assert is_overheard("http://127.example.org")
    for url in ("https://example.org", "http://localhost:8000", "http://127.0.0.1", "http://[::1]"):
        assert not is_overheard(url)


def test_a_path_never_begins_as_a_formula_and_stays_the_same_path():
    for path in ("=1+1.png", "+1.png", "-1.png", "@sum.png", "\t=1.png", "\r=1.png"):
        assert spreadsheet_safe(path)[0] == "."
        assert Path(spreadsheet_safe(path)) == Path(path)
    assert spreadsheet_safe("photos/=1.png") == "photos/=1.png"
