"""The client against the real site: web server, broker, worker and database."""

import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlcore import LABELS
from predictions import client
from predictions.models import Face, Photo, Prediction
from tests.support.api import new_token
from tests.support.waiting import wait_until

NUMBER = int(os.environ.get("CLIENT_PHOTOS", "120"))
"""``make endure`` sends 500."""
WORKERS = 4


@pytest.fixture
def command(web, owner, tmp_path, monkeypatch) -> list:
    """The client as a file copied to another place, for the token's owner."""
    monkeypatch.setenv("EMOTIONSITE_URL", web[0])
    monkeypatch.setenv("EMOTIONSITE_TOKEN", new_token(owner))
    copy = shutil.copy(client.__file__, tmp_path / "elsewhere.py")
    return [sys.executable, "-I", copy, "upload"]


def table(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_killed_twice_it_sends_every_photo_once(
    command, web, worker, make_photos, tmp_path, record_property
):
    photos, out = make_photos(NUMBER), tmp_path / "out.csv"
    command = [*command, photos, "--csv", out, "--resume", "--workers", str(WORKERS)]
    for part in (NUMBER // 3, NUMBER * 2 // 3):
        with subprocess.Popen(command) as process:
            took = wait_until(lambda part=part: Prediction.objects.count() >= part, 120)
            record_property(f"seconds until {part}", took)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert part <= Prediction.objects.count() < NUMBER
        assert not out.exists()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{NUMBER} photos: {NUMBER} succeeded\n"

    digests = {hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos.iterdir()}
    assert len(digests) == NUMBER
    records = Prediction.objects.select_related("photo")
    assert sorted(record.photo.sha256 for record in records) == sorted(digests)
    assert {record.status for record in records} == {"succeeded"}
    rows = table(out)
    assert [row["path"] for row in rows] == [str(photo) for photo in sorted(photos.iterdir())]
    assert {(row["id"], row["sha256"], row["status"]) for row in rows} == {
        (str(record.pk), record.photo.sha256, "succeeded") for record in records
    }
    # Sent twice is at most what was on its way when the client died.
    sent = web[1].read_text().count('"POST /api/v1/predictions/ ')
    assert NUMBER <= sent <= NUMBER + 2 * WORKERS


def test_the_table_says_what_the_site_says(command, worker, make_photos, astronaut, tmp_path):
    photos, out = make_photos(1), tmp_path / "out.csv"
    (photos / "sub").mkdir()
    (photos / "sub" / "astronaut.png").write_bytes(astronaut)
    (photos / "sub" / "copy.png").write_bytes(astronaut)
    (photos / "sub" / "text.jpg").write_text("no picture")
    command = [*command, ".", "--recursive", "--csv", out]
    done = subprocess.run(command, cwd=photos, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "sub/text.jpg: unsupported_format: " in done.stderr
    assert Photo.objects.count() == 2
    noise, face, copy, refused = table(out)
    (stored,) = Face.objects.select_related("prediction__photo")
    assert noise["face_index"] == noise["label"] == ""
    assert noise["status"] == face["status"] == "succeeded"
    assert face["path"] == "sub/astronaut.png"
    assert copy == face | {"path": "sub/copy.png"}
    assert face["sha256"] == hashlib.sha256(astronaut).hexdigest()
    assert face["id"] == str(stored.prediction.pk)
    assert face["model_version"] == stored.prediction.model_version
    for name in ("x", "y", "width", "height", "label", "confidence"):
        assert face[name] == str(getattr(stored, name))
    assert face["unsure"] == str(stored.unsure).lower()
    assert {label: float(face[label]) for label in LABELS} == stored.probabilities
    assert (refused["status"], refused["error_code"]) == ("refused", "unsupported_format")
    assert refused["id"] == ""


def test_photos_are_discarded_where_that_is_asked_for(command, make_photos, redis_server):
    command = [*command, make_photos(2), "--no-wait", "--discard-photos"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert list(Photo.objects.values_list("is_kept", flat=True)) == [False, False]


def test_a_token_that_may_only_read_sends_nothing(
    command, owner, make_photos, monkeypatch, tmp_path
):
    monkeypatch.setenv("EMOTIONSITE_TOKEN", new_token(owner, scope="read"))
    done = subprocess.run(
        [*command, make_photos(3)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not Photo.objects.exists()
