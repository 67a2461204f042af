"""``python -m mlcore``, run as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from mlcore.labels import EMOJI, LABELS

ROOT = Path(__file__).parents[2]


def mlcore(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "mlcore", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        **options,
    )


@pytest.fixture
def portrait(astronaut, tmp_path) -> Path:
    path = tmp_path / "portrait.png"
    astronaut.save(path)
    return path


def test_a_person_gets_the_word_the_emoji_and_seven_numbers(portrait, tiny_model):
    done = mlcore(portrait, "--model", tiny_model)
    assert (done.returncode, done.stderr) == (0, "")
    assert "portrait.png: 512 x 512, 1 face" in done.stdout
    assert any(emoji in done.stdout for emoji in EMOJI.values())
    lines = done.stdout.splitlines()
    for label in LABELS:
        (line,) = [line for line in lines if line.strip().startswith(f"{label} ") and "." in line]
        assert line.split()[1].endswith("%")


def test_a_program_gets_one_object_a_line(portrait, tiny_model, tmp_path):
    Image.new("RGB", (300, 200), "grey").save(tmp_path / "blank.png")
    done = mlcore("--json", portrait, tmp_path / "blank.png", "--model", tiny_model)
    face_record, blank_record = map(json.loads, done.stdout.splitlines())
    (face,) = face_record["faces"]
    assert set(face) == {
        "index", "box", "detection_confidence", "label", "emoji", "confidence", "unsure",
        "probabilities",
    }  # fmt: skip
    assert set(face["box"]) == {"x", "y", "width", "height"}
    assert list(face["probabilities"]) == list(LABELS)
    assert face["emoji"] == EMOJI[face["label"]]
    assert face_record["photo"] == str(portrait)
    assert (face_record["width"], face_record["height"]) == (512, 512)
    assert set(face_record["model"]) == {"name", "version", "sha256"}
    assert (blank_record["faces"], blank_record["advice"]) == ([], ["no_face"])
    assert done.returncode == 0


def test_a_bad_file_costs_one_line_and_the_others_are_done(portrait, tiny_model, tmp_path):
    (tmp_path / "text.jpg").write_text("no photo")
    (tmp_path / "empty.png").touch()
    bad = [tmp_path / "text.jpg", tmp_path / "none.jpg", tmp_path / "empty.png"]
    done = mlcore("--json", bad[0], portrait, *bad[1:], portrait, "--model", tiny_model)
    assert done.returncode == 2
    assert [json.loads(line)["photo"] for line in done.stdout.splitlines()] == [str(portrait)] * 2
    lines = done.stderr.splitlines()
    assert [path.name in line for path, line in zip(bad, lines, strict=True)] == [True] * 3
    codes = ["[unsupported_format]", "[unreadable_image]", "[empty_file]"]
    assert [line.endswith(code) for line, code in zip(lines, codes, strict=True)] == [True] * 3


def test_a_missing_model_is_one_line(portrait, tmp_path):
    done = mlcore(portrait, portrait, "--model", tmp_path / "none.onnx")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "none.onnx" in done.stderr


def test_a_cropped_face_is_not_looked_for(astronaut, tiny_model, tmp_path):
    astronaut.crop((200, 90, 240, 130)).save(tmp_path / "crop.png")
    done = mlcore("--json", "--faces-are-cropped", tmp_path / "crop.png", "--model", tiny_model)
    (face,) = json.loads(done.stdout)["faces"]
    assert face["box"] == {"x": 0, "y": 0, "width": 40, "height": 40}


def test_heic_is_read(astronaut, tiny_model, tmp_path):
    pillow_heif.from_pillow(astronaut).save(tmp_path / "phone.heic", quality=90)
    done = mlcore("--json", tmp_path / "phone.heic", "--model", tiny_model)
    assert len(json.loads(done.stdout)["faces"]) == 1


def test_annotating_marks_the_face_and_nothing_else(portrait, astronaut, tiny_model, tmp_path):
    out = tmp_path / "out.png"
    assert mlcore(portrait, "--annotate", out, "--model", tiny_model).returncode == 0
    with Image.open(out) as marked:
        assert marked.size == astronaut.size
        assert marked.crop((300, 0, 512, 512)).tobytes() == (
            astronaut.crop((300, 0, 512, 512)).tobytes()
        )
        assert marked.crop((170, 30, 280, 180)).tobytes() != (
            astronaut.crop((170, 30, 280, 180)).tobytes()
        )


@pytest.mark.parametrize("name", ["missing-folder/out.png", "out.xyz", "out"])
def test_an_annotation_that_cannot_be_written_is_one_line(portrait, tiny_model, tmp_path, name):
    done = mlcore(portrait, "--annotate", tmp_path / name, "--model", tiny_model)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert name in done.stderr


def test_annotating_several_photos_at_once_is_refused(portrait, tiny_model, tmp_path):
    done = mlcore(portrait, portrait, "--annotate", tmp_path / "o.png", "--model", tiny_model)
    assert done.returncode == 2
    assert "single PHOTO" in done.stderr


def test_a_reader_that_leaves_early_hears_no_complaint(portrait, tiny_model):
    process = subprocess.Popen(
        [sys.executable, "-m", "mlcore", *[str(portrait)] * 3, "--model", str(tiny_model)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0


def test_a_terminal_without_emoji_still_gets_its_answer(portrait, tiny_model):
    done = mlcore(
        portrait, "--model", tiny_model, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "portrait.png: 512 x 512, 1 face" in done.stdout
