"""A site that is busy, slow, broken or gone, and a client that is stopped."""

import csv
import hashlib
import signal
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest

from emotionsite.processes import free_port
from predictions import client
from tests.support.waiting import wait_until


@pytest.fixture
def upload(played):
    """``upload(*arguments)`` runs the client against the played site."""
    return lambda *arguments: client.main(["upload", "--url", played.url, *map(str, arguments)])


def table(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_workers_leave_a_site_alone_that_asks_for_it(played, upload, make_photos):
    played.seconds_per_photo = 0.1
    busy = 429, {"Retry-After": "1"}
    played.answer = lambda sha256, times: (
        busy if not times and sha256 == played.posts[0].sha256 else None
    )
    assert upload(make_photos(24), "--workers", 4) == 0
    asked = played.posts[0].at + played.seconds_per_photo
    pause = [post for post in played.posts if asked + 0.3 < post.at < asked + 0.95]
    assert not pause
    assert played.posts[-1].at >= asked + 1
    assert len(played.records) == 24


def test_a_full_queue_of_ones_own_is_waited_for(played, upload, make_photos):
    problem = {"code": "quota_exceeded", "detail": "Your queue is full."}
    played.answer = lambda _, times: None if times else (429, {"Retry-After": "1"}, problem)
    assert upload(make_photos(2)) == 0
    assert len(played.records) == 2


def test_full_storage_ends_the_run_and_says_what_to_do(played, upload, make_photos, capsys):
    detail = "Your photos may occupy 100 MB. Delete some to make room."
    problem = {"code": "quota_exceeded", "detail": detail}
    played.answer = lambda *_: (403, {}, problem)
    assert upload(make_photos(2), "--workers", 1) == 2
    assert len(played.posts) == 1, "asking again helps nothing"
    assert f"{detail} Then go on with --resume." in capsys.readouterr().err
    played.answer = lambda *_: None


def test_a_date_says_when_to_come_back(played, upload, make_photos):
    until = formatdate(time() + 3, usegmt=True)
    played.answer = lambda _, times: (503, {"Retry-After": until}) if not times else None
    assert upload(make_photos(1)) == 0
    first, second = played.posts
    assert second.at - first.at > 1


def test_a_lost_answer_is_asked_for_again_by_the_same_key(played, upload, make_photos):
    played.answer = lambda _, times: None if times else "lose"
    assert upload(make_photos(1)) == 0
    first, second = played.posts
    assert first.key == second.key


def test_a_request_that_is_still_worked_on_is_waited_for(played, upload, make_photos):
    in_use = {"code": "idempotency_key_in_use", "detail": "The first is not answered yet."}
    played.answer = lambda _, times: None if times else (409, {}, in_use)
    assert upload(make_photos(1)) == 0
    assert len(played.posts) == 2


def test_a_key_is_the_same_in_the_run_that_goes_on(played, upload, make_photos, capsys):
    played.answer = lambda *_: "lose"
    photos = make_photos(1)
    assert upload(photos, "--give-up-after", 0.1) == 2
    assert "No answer from" in capsys.readouterr().err
    played.answer = lambda *_: None
    assert upload(photos, "--resume") == 0
    assert len({post.key for post in played.posts}) == 1


def test_a_photo_that_never_gets_through_holds_nobody_up(
    played, upload, make_photos, monkeypatch, tmp_path
):
    monkeypatch.setattr(client, "TRIES", 2)
    photos = make_photos(8)
    bad = hashlib.sha256((photos / "0000.png").read_bytes()).hexdigest()
    played.seconds_per_photo = 0.05
    played.answer = lambda sha256, _: (500, {}) if sha256 == bad else None
    assert upload(photos, "--csv", tmp_path / "out.csv") == 1
    first, *others = table(tmp_path / "out.csv")
    assert (first["status"], first["error_code"]) == ("unsent", "code_500")
    assert {row["status"] for row in others} == {"succeeded"}
    played.answer = lambda *_: None
    sent = len(played.posts)
    assert upload(photos, "--csv", tmp_path / "out.csv", "--resume") == 0
    assert [post.sha256 for post in played.posts[sent:]] == [bad]


@pytest.mark.parametrize(
    ("status", "headers"), [(401, {}), (403, {}), (301, {"Location": "https://else"}), (500, {})]
)
def test_what_would_befall_every_photo_stops_before_the_first(
    played, upload, make_photos, capsys, status, headers
):
    played.check = (status, headers)
    photos = make_photos(1)
    assert upload(photos) == 2
    assert capsys.readouterr().err.count("\n") == 1
    played.check = None
    assert upload(photos) == 0


def test_a_token_that_is_refused_on_the_way_stops_all(played, upload, make_photos, capsys):
    played.seconds_per_photo = 0.05
    played.answer = lambda *_: (403, {}) if len(played.posts) > 4 else None
    assert upload(make_photos(24), "--workers", 2) == 2
    assert "This is a 403." in capsys.readouterr().err
    assert len(played.posts) <= 7


def test_a_password_kept_for_the_host_does_not_replace_the_token(
    upload, make_photos, tmp_path, monkeypatch
):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert upload(make_photos(1)) == 0


def test_nobody_at_the_address(make_photos, capsys):
    url = f"http://127.0.0.1:{free_port()}"
    assert client.main(["upload", str(make_photos(1)), "--url", url]) == 2
    assert "Connection refused" in capsys.readouterr().err


def test_a_refused_photo_is_named_and_not_sent_again(played, upload, make_photos, tmp_path, capsys):
    photos = make_photos(3)
    bad = hashlib.sha256((photos / "0001.png").read_bytes()).hexdigest()
    played.answer = lambda sha256, _: (415, {}) if sha256 == bad else None
    for arguments in ([], ["--resume"]):
        assert upload(photos, "--csv", tmp_path / "out.csv", *arguments) == 1
        assert f"{photos / '0001.png'}: code_415: This is a 415." in capsys.readouterr().err
        rows = table(tmp_path / "out.csv")
        assert [row["status"] for row in rows] == ["succeeded", "refused", "succeeded"]
        assert [row["error_code"] for row in rows] == ["", "code_415", ""]
    assert len(played.posts) == 3


def test_photos_that_were_sent_are_sent_again_only_on_request(
    played, upload, make_photos, capsys, home
):
    photos = make_photos(2)
    assert upload(photos) == 0
    assert upload(photos) == 2
    assert "--resume" in capsys.readouterr().err
    assert len(played.posts) == 2
    assert upload(photos, "--restart") == 0
    assert len({post.key for post in played.posts}) == 4
    (journal,) = home.iterdir()
    assert "0123456789abcdef" not in journal.read_text()


def test_copies_are_sent_once_and_have_a_row_each(played, upload, make_photos, tmp_path):
    photos = make_photos(1)
    (photos / "copy.png").write_bytes((photos / "0000.png").read_bytes())
    assert upload(photos, "--csv", tmp_path / "out.csv") == 0
    assert len(played.posts) == 1
    first, second = table(tmp_path / "out.csv")
    assert first["path"] != second["path"]
    assert (first["id"], first["sha256"]) == (second["id"], second["sha256"])


def test_a_changed_photo_is_a_new_one(played, upload, make_photos):
    photos = make_photos(2)
    assert upload(photos) == 0
    (photos / "0000.png").replace(photos / "renamed.png")
    (photos / "0001.png").write_bytes(b"other bytes")
    assert upload(photos, "--resume") == 0
    assert len(played.posts) == 3


def test_a_photo_that_cannot_be_read_holds_nobody_up(upload, make_photos, tmp_path, monkeypatch):
    photos = make_photos(3)
    monkeypatch.setattr(client, "LARGEST", 10_000)
    (photos / "0001.png").write_bytes(bytes(10_001))
    assert upload(photos, "--csv", tmp_path / "out.csv") == 1
    rows = table(tmp_path / "out.csv")
    assert [row["error_code"] for row in rows] == ["", "unreadable_file", ""]


def test_a_record_that_was_deleted_is_not_waited_for(played, upload, make_photos, tmp_path):
    played.has_results = played.has_records = False
    assert upload(make_photos(2), "--csv", tmp_path / "out.csv") == 1
    assert [row["status"] for row in table(tmp_path / "out.csv")] == ["deleted", "deleted"]


def test_half_a_line_in_the_journal_is_left_out(played, upload, make_photos, home):
    photos = make_photos(2)
    assert upload(photos) == 0
    (journal,) = home.iterdir()
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    for _ in range(2):
        assert upload(photos, "--resume") == 0
    assert len(played.posts) <= 3


def test_no_other_file_is_taken_for_a_journal(upload, make_photos, capsys, tmp_path):
    photos, other = make_photos(1), tmp_path / "other.txt"
    for content in ("\nnotes", "{}", '["site"]', "\x00"):
        other.write_text(content)
        assert upload(photos, "--state", other, "--restart") == 2
        assert "not a journal" in capsys.readouterr().err
        assert other.read_text() == content


def test_without_waiting_it_ends_when_all_is_sent(played, upload, make_photos, tmp_path):
    played.has_results = False
    photos = make_photos(2)
    assert upload(photos, "--no-wait", "--csv", tmp_path / "out.csv") == 0
    assert [row["status"] for row in table(tmp_path / "out.csv")] == ["queued", "queued"]
    played.has_results = True
    assert upload(photos, "--resume", "--csv", tmp_path / "out.csv") == 0
    assert [row["status"] for row in table(tmp_path / "out.csv")] == ["succeeded", "succeeded"]
    assert len(played.posts) == 2


def test_ctrl_c_ends_it_at_once_and_it_goes_on_where_it_was(played, make_photos, tmp_path):
    played.has_results = False
    command = [sys.executable, client.__file__, "upload", make_photos(5), "--url", played.url]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background lets its children ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        wait_until(lambda: len(played.records) == 5, 30)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "--resume" in said
    assert "Traceback" not in said
    played.has_results = True
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "5 photos: 5 succeeded\n")
    assert len(played.posts) == 5
