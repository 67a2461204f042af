"""The decoder's limits, and what its launcher is, measured on the real processes."""

import io
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from mlcore.decoder import Decoder, Header, client, shared_decoder
from mlcore.errors import DecoderUnavailable, UnreadableImage
from mlcore.formats import FORMATS
from tests.support.decoder_probe import ask, children_of, probing
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

# A launcher whose children find no memory reserved, so that small limits are felt.
WITHOUT_RESERVE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from mlcore.decoder import launcher; "
    "launcher.memory_tuning.reserve_heap = lambda: None; launcher.main(int(sys.argv[2]))"
)


@pytest.fixture
def probed() -> Iterator[Decoder]:
    """A decoder whose children do what a test asks for."""
    with probing(PIXELS_CPU_SECONDS=1, WALL_FACTOR=8) as decoder:
        yield decoder


# A launcher that can make no process for its second picture.
WITHOUT_ROOM = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); from mlcore.decoder import launcher\n"
    "fork, calls = os.fork, []\n"
    "def fork_or_fail():\n"
    "    calls.append(1)\n"
    "    if len(calls) in (2, 3): raise BlockingIOError('no room for a process')\n"
    "    return fork()\n"
    "os.fork = fork_or_fail; launcher.main(int(sys.argv[2]))"
)


def code_of(read, *arguments, **options) -> str:
    with pytest.raises(UnreadableImage) as refused:
        read(*arguments, **options)
    return refused.value.code


def opened_by(process: Path) -> list[str]:
    """Return what the descriptors of a process in /proc stand for."""
    names = []
    for path in (process / "fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(str(path.readlink()))
    return names


def open_sockets(process: Path) -> int:
    """Count the sockets: one is always there, and one for each picture until it is answered."""
    return sum(name.startswith("socket") for name in opened_by(process))


def code_or_ok(read, *arguments) -> str:
    try:
        read(*arguments)
    except UnreadableImage as error:
        return error.code
    return "ok"


def test_a_jpeg_with_further_pictures_as_phones_make_them(make_image):
    gain_map = Image.open(io.BytesIO(make_image(size=(80, 60))))
    content = make_image("MPO", size=(320, 240), save_all=True, append_images=[gain_map])
    assert shared_decoder().read_header(content) == Header("JPEG", 320, 240)
    assert shared_decoder().decode(content).image.size == (320, 240)


def test_a_file_that_its_owner_writes_to_cannot_be_written_by_the_child(make_image, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(make_image())
    with path.open("r+b") as file, client._open(file) as handed:
        assert handed.fileno() != file.fileno()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(handed.fileno(), b"x")


# Not of WebP, whose decoder tells no reason: it fits its canvases into the limit by design.
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "WEBP"])
def test_a_picture_that_takes_too_much_memory_is_not_called_damaged(name, make_image, monkeypatch):
    fast = {
        "AVIF": {"speed": 10},
        "HEIF": {"quality": 10, "enc_params": {"preset": "ultrafast"}},
    }
    content = make_image(name, size=(4000, 3000), **fast.get(name, {}))
    codes = []
    with probing(_BOOTSTRAP=WITHOUT_RESERVE) as decoder:
        for megabytes in (4, 8, 16, 24, 256):
            limit = megabytes * client.MEGABYTE
            monkeypatch.setattr(client, "memory_limit", lambda _, limit=limit: limit)
            codes.append(code_or_ok(decoder.decode, content))
    assert (codes[0], codes[-1]) == ("too_complex", "ok")
    assert set(codes) == {"too_complex", "ok"}


def test_out_of_time_though_it_ignores_the_warning(probed):
    assert code_of(ask, probed, "burn", stubborn=True) == "timed_out"


def test_out_of_memory(probed):
    assert code_of(ask, probed, "allocate", megabytes=4000) == "too_complex"


def test_a_crash_is_damage_and_one_with_full_memory_is_not(probed):
    assert code_of(ask, probed, "allocate", megabytes=1, then_crash=True) == "unreadable_image"
    assert code_of(ask, probed, "allocate", megabytes=900, then_crash=True) == "too_complex"


def test_an_end_without_a_result_is_damage(probed):
    assert code_of(ask, probed, "exit", status=0) == "unreadable_image"


@linux
def test_no_more_children_than_slots_work_at_once(probed):
    most = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, len(children_of(probed._launcher.pid)))
            time.sleep(0.005)

    ask(probed, "echo", number=0)
    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: ask(probed, "sleep", seconds=0.2), range(6)))
    done.set()
    watcher.join()
    assert most == 2


def test_neither_its_folder_nor_the_terminal_matters(make_image, tmp_path):
    home = tmp_path / "we ird #1 50% é"
    shutil.copytree(
        ROOT / "mlcore", home / "mlcore", ignore=shutil.ignore_patterns("models", "*.pyc")
    )
    (home / "photo.jpg").write_bytes(make_image())
    code = (
        "import mlcore.decoder as d\n"
        "print(d.shared_decoder().read_header('photo.jpg').width, d.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env={"PYTHONDONTWRITEBYTECODE": "1", "LANG": "C"},
        capture_output=True,
        timeout=120,
        check=True,
    )
    width, file = os.fsdecode(done.stdout).split(" ", 1)
    assert width == "320"
    assert Path(file.strip()).is_relative_to(home)


@linux
def test_the_launcher_knows_nothing_of_its_owner(monkeypatch, make_image):
    monkeypatch.setenv("SECRET_KEY", "very secret")
    decoder = Decoder(1)
    try:
        decoder.read_header(make_image())
        process = Path(f"/proc/{decoder._launcher.pid}")
        assert (process / "environ").read_bytes() == b""
        wait_until(lambda: open_sockets(process) == 1, 10)
        kinds = {name.split(":")[0] for name in opened_by(process)}
        assert kinds == {"/dev/null", "socket", "pipe", "anon_inode"}
        assert len(list((process / "task").iterdir())) == 1, "it has one thread"
    finally:
        decoder.close()


def test_a_launcher_that_can_make_no_process_blames_no_file_and_stays(make_image):
    content = make_image()
    with probing(_BOOTSTRAP=WITHOUT_ROOM) as decoder:
        decoder.read_header(content)
        launcher = decoder._launcher.pid
        with pytest.raises(DecoderUnavailable):
            decoder.read_header(content)
        assert decoder.read_header(content).width == 320
        assert decoder._launcher.pid == launcher
