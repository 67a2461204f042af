"""The decoder's process: what it returns, how it ends, and that nothing of it is left."""

import io
import json
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

from mlcore.decoder import Decoder, Header, client, protocol
from mlcore.errors import DecoderUnavailable, UnreadableImage
from mlcore.formats import FORMATS
from mlcore.images import load_photo
from tests.support import hostile
from tests.support.decoder_probe import ask, children_of, is_alive, kill, probing, wait_until

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(2)
    yield decoder
    decoder.close()


@pytest.fixture(scope="class")
def probed() -> Iterator[Decoder]:
    """A decoder whose children do what a test asks for."""
    with probing(HEADER_CPU_SECONDS=1, PIXELS_CPU_SECONDS=1, WALL_FACTOR=8) as decoder:
        yield decoder


# A launcher whose children find no memory reserved, so that small limits are felt.
WITHOUT_RESERVE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from mlcore.decoder import launcher; "
    "launcher.memory_tuning.reserve_heap = lambda: None; launcher.main(int(sys.argv[2]))"
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


class TestPictures:
    @pytest.mark.parametrize("name", [*FORMATS, "MPO"])
    def test_the_picture_is_the_one_that_is_read_without_a_process(self, name, decoder, make_image):
        content = make_image(name, size=(500, 300))
        assert decoder.read_header(content) == Header(name.replace("MPO", "JPEG"), 500, 300)
        for max_side in (2048, 200):
            expected = load_photo(content, max_side)
            photo = decoder.decode(content, max_side)
            assert (photo.width, photo.height) == (500, 300)
            assert photo.image.tobytes() == expected.image.tobytes()
            assert photo.decode_seconds > 0

    def test_a_jpeg_with_further_pictures_as_phones_make_them(self, decoder, make_image):
        gain_map = Image.open(io.BytesIO(make_image(size=(80, 60))))
        content = make_image("MPO", size=(320, 240), save_all=True, append_images=[gain_map])
        assert decoder.read_header(content) == Header("JPEG", 320, 240)
        assert decoder.decode(content).image.size == (320, 240)

    def test_a_picture_on_its_side_comes_upright(self, decoder, make_image):
        exif = Image.Exif()
        exif[0x0112] = 6
        content = make_image(size=(64, 48), exif=exif)
        assert decoder.read_header(content) == Header("JPEG", 48, 64)
        assert decoder.decode(content).image.size == (48, 64)

    def test_a_picture_may_come_as_path_file_pipe_or_bytes(self, decoder, make_image, tmp_path):
        content = make_image("PNG", size=(64, 48))
        path = tmp_path / "photo"
        path.write_bytes(content)
        header = Header("PNG", 64, 48)
        for source in (content, bytearray(content), memoryview(content), path, str(path)):
            assert decoder.read_header(source) == header
        with path.open("rb") as file:
            file.read(10)
            assert decoder.read_header(file) == header
        with io.BytesIO(content) as memory:
            assert decoder.read_header(memory) == header
            assert memory.tell() == 0, "whoever reads next begins at the start"
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with ThreadPoolExecutor(1) as writer:
            writer.submit(pipe.write_bytes, content)
            assert decoder.read_header(pipe) == header

    def test_a_file_that_its_owner_writes_to_cannot_be_written_by_the_child(
        self, make_image, tmp_path
    ):
        path = tmp_path / "photo"
        path.write_bytes(make_image())
        with path.open("r+b") as file, client._open(file) as handed:
            assert handed.fileno() != file.fileno()
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(handed.fileno(), b"x")

    @pytest.mark.parametrize(
        ("content", "code"),
        [(b"", "empty_file"), (b"Dear diary", "unsupported_format"), (None, "unreadable_image")],
    )
    def test_a_bad_file_has_a_code(self, content, code, decoder, make_image):
        if content is None:
            content = make_image("PNG")[:2000]
        else:
            assert code_of(decoder.read_header, content) == code
        assert code_of(decoder.decode, content) == code

    def test_more_pixels_than_allowed_are_refused_by_the_header(self, decoder, make_image):
        content = make_image(size=(101, 100))
        assert code_of(decoder.read_header, content, max_pixels=10_000) == "too_many_pixels"
        assert code_of(decoder.decode, content, max_pixels=10_000) == "too_many_pixels"

    def test_a_missing_file_is_named(self, decoder, tmp_path):
        with pytest.raises(UnreadableImage, match="cannot be opened"):
            decoder.decode(tmp_path / "none.jpg")

    # Not of WebP, whose decoder tells no reason: it fits its canvases into the limit by design.
    @pytest.mark.parametrize("name", [name for name in FORMATS if name != "WEBP"])
    def test_a_picture_that_takes_too_much_memory_is_not_called_damaged(
        self, name, make_image, monkeypatch
    ):
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


class TestHostileFiles:
    """The structure check refuses most; here, the whole way is measured."""

    FILES = {
        "a TIFF with 40 tags on the same 19 MB": hostile.tiff_of_shared_bytes,
        "a PNG with many EXIF chunks": hostile.png_of_exif_chunks,
        "a GIF with a comment of 5 MB": hostile.gif_of_comment,
        "a PNG of 1.6 million empty chunks": hostile.png_of_empty_chunks,
        "a JPEG of 5 million empty markers": hostile.jpeg_of_empty_markers,
        "a progressive JPEG of 4,000 scans": hostile.jpeg_of_scans,
        "an animated PNG of 3.6 gigapixels": hostile.png_of_huge_canvas,
        "an AVIF of 600,000 items": hostile.avif_of_items,
        "a WebP of 64 × 64 that claims 16,000 × 16,000": lambda: hostile.webp_with(
            b"", (16_000, 16_000)
        ),
    }

    @pytest.mark.parametrize("name", FILES)
    def test_it_ends_fast_with_a_code_and_others_are_read(self, name, decoder, make_image):
        content = self.FILES[name]()
        before = time.process_time()
        for read in (decoder.read_header, decoder.decode):
            assert code_of(read, content) in ("too_complex", "too_many_pixels")
        assert time.process_time() - before < 2, "none of the work was done here"
        assert decoder.read_header(make_image()).width == 320


class TestEnds:
    """However a child ends: the file's fault has a code, ours is DecoderUnavailable."""

    def test_out_of_time_is_told_by_the_processor_and_not_by_the_clock(self, probed):
        assert code_of(ask, probed, "burn") == "timed_out"
        assert ask(probed, "sleep", seconds=2) == {"slept": 2}

    def test_out_of_time_though_it_ignores_the_warning(self, probed):
        assert code_of(ask, probed, "burn", stubborn=True) == "timed_out"

    def test_out_of_memory(self, probed):
        assert code_of(ask, probed, "allocate", megabytes=4000) == "too_complex"

    def test_a_crash_is_damage_and_one_with_full_memory_is_not(self, probed):
        assert code_of(ask, probed, "allocate", megabytes=1, then_crash=True) == "unreadable_image"
        assert code_of(ask, probed, "allocate", megabytes=900, then_crash=True) == "too_complex"

    def test_an_end_without_a_result_is_damage(self, probed):
        assert code_of(ask, probed, "exit", status=0) == "unreadable_image"

    def test_a_process_that_hangs_is_ended_and_it_is_our_fault(self, monkeypatch):
        with (
            probing(PIXELS_CPU_SECONDS=1, WALL_FACTOR=1) as decoder,
            pytest.raises(DecoderUnavailable, match="hangs"),
        ):
            ask(decoder, "sleep", seconds=60)

    @linux
    def test_a_process_that_somebody_kills_is_our_fault(self, probed):
        # So does the kernel when the machine, and not the process, has no memory left.
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, probed, "sleep", seconds=6)
            launcher = wait_until(lambda: probed._launcher and probed._launcher.pid)
            (child,) = wait_until(lambda: children_of(launcher))
            kill(child)
            with pytest.raises(DecoderUnavailable, match="killed"):
                asked.result()

    @pytest.mark.parametrize(
        "result",
        {
            "no pixels": [protocol.OK, 0, 0, 0, 0, 1, 1],
            "a side of nothing": [protocol.OK, 0, 0, 10, 10, 0, 10],
            "more pixels than allowed": [protocol.OK, 0, 0, 2**31, 2**31, 10, 10],
            "a side that is too long": [protocol.OK, 0, 0, 10, 10, 2049, 1],
            "sides of gigabytes": [protocol.OK, 0, 0, 10, 10, 2**32 - 1, 2**32 - 1],
            "a code that does not exist": [protocol.REFUSED, 200, 0, 0, 0, 0, 0],
            "a state that does not exist": [77, 0, 0, 10, 10, 10, 10],
        }.values(),
        ids=str,
    )
    def test_no_lie_of_a_child_is_believed(self, result, probed):
        with pytest.raises(UnreadableImage) as refused:
            probed.decode(json.dumps({"deed": "lie", "result": result}).encode())
        assert refused.value.code == "unreadable_image"

    def test_a_format_that_does_not_exist_is_not_believed(self, probed):
        lie = {"deed": "lie", "result": [protocol.OK, 0, 99, 10, 10, 0, 0]}
        assert code_of(probed.read_header, json.dumps(lie).encode()) == "unreadable_image"


@linux
class TestProcesses:
    def test_each_picture_has_a_process_of_its_own_which_ends_with_it(self, probed):
        reports = [ask(probed, "echo", number=n) for n in range(3)]
        assert len({report["id"] for report in reports}) == 3
        assert not children_of(probed._launcher.pid)

    def test_a_launcher_that_was_killed_is_replaced(self, probed):
        ask(probed, "echo", number=1)
        first = probed._launcher.pid
        kill(first)
        assert ask(probed, "echo", number=2)["number"] == 2
        assert probed._launcher.pid != first

    def test_a_launcher_that_dies_over_a_picture_is_replaced_and_the_picture_read(self, probed):
        with ThreadPoolExecutor(1) as pool:
            ask(probed, "echo", number=1)
            first = probed._launcher.pid
            asked = pool.submit(ask, probed, "sleep", seconds=0.5)
            (child,) = wait_until(lambda: children_of(first))
            kill(first)
            assert asked.result() == {"slept": 0.5}
        wait_until(lambda: not is_alive(child))

    def test_no_more_children_than_slots_work_at_once(self, probed):
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


@linux
class TestLauncher:
    def test_threads_share_a_decoder(self, decoder, make_image):
        pictures = [make_image(size=(100 + n, 80)) for n in range(20)]
        with ThreadPoolExecutor(8) as pool:
            sizes = [photo.image.size for photo in pool.map(decoder.decode, pictures)]
        assert sizes == [(100 + n, 80) for n in range(20)]

    def test_two_hundred_pictures_leave_nothing_behind(self, make_image):
        good, bad = make_image("PNG"), make_image("PNG")[:3000]
        decoder = Decoder(2)

        def read(times: int) -> tuple[int, int, int]:
            """Return descriptors here and there, and the launcher's memory in pages."""
            for _ in range(times):
                decoder.read_header(good)
                decoder.decode(good)
                assert code_of(decoder.decode, bad) == "unreadable_image"
            launcher = Path(f"/proc/{decoder._launcher.pid}")
            wait_until(lambda: not children_of(decoder._launcher.pid))
            wait_until(lambda: open_sockets(launcher) == 1)
            return (
                len(list(Path("/proc/self/fd").iterdir())),
                len(list((launcher / "fd").iterdir())),
                int((launcher / "statm").read_text().split()[1]),
            )

        try:
            here, there, pages = read(5)
            here_after, there_after, pages_after = read(70)
            assert (here_after, there_after) == (here, there)
            assert pages_after - pages < 500, "2 MB"
        finally:
            decoder.close()

    def test_closing_ends_the_launcher_and_whoever_works(self):
        with probing() as decoder, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, decoder, "sleep", seconds=60)
            launcher = wait_until(lambda: decoder._launcher and decoder._launcher.pid)
            (child,) = wait_until(lambda: children_of(launcher))
            # Nobody starts another one for the picture that was cut short.
            decoder._started = lambda: (_ for _ in ()).throw(DecoderUnavailable("closed"))
            decoder.close()
            with pytest.raises(DecoderUnavailable):
                asked.result()
        assert not is_alive(launcher)
        assert not is_alive(child)

    def test_an_owner_that_is_killed_leaves_no_process(self):
        code = (
            "from tests.support.decoder_probe import *\n"
            "with probing() as decoder:\n"
            "    ask(decoder, 'echo', number=1)\n"
            "    print(decoder._launcher.pid, flush=True)\n"
            "    ask(decoder, 'sleep', seconds=60)\n"
        )
        owner = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        with owner:
            launcher = int(owner.stdout.readline())
            (child,) = wait_until(lambda: children_of(launcher))
            owner.kill()
        wait_until(lambda: not is_alive(launcher) and not is_alive(child))

    def test_a_process_that_was_forked_has_a_decoder_of_its_own(self, make_image, tmp_path):
        (tmp_path / "photo.jpg").write_bytes(make_image())
        code = (
            "import os, sys\n"
            "from mlcore.decoder import shared_decoder\n"
            "def read():\n"
            "    assert shared_decoder().read_header(sys.argv[1]).width == 320\n"
            "    return shared_decoder()._launcher.pid\n"
            "ours = read()\n"
            "if (child := os.fork()) == 0:\n"
            "    os._exit(0 if read() != ours else 1)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "assert read() == ours\n"
        )
        subprocess.run(
            [sys.executable, "-W", "error", "-c", code, str(tmp_path / "photo.jpg")],
            cwd=ROOT,
            check=True,
            timeout=120,
        )

    def test_neither_its_folder_nor_the_terminal_matters(self, make_image, tmp_path):
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

    def test_the_launcher_knows_nothing_of_its_owner(self, monkeypatch, make_image):
        monkeypatch.setenv("SECRET_KEY", "very secret")
        decoder = Decoder(1)
        try:
            decoder.read_header(make_image())
            process = Path(f"/proc/{decoder._launcher.pid}")
            assert (process / "environ").read_bytes() == b""
            wait_until(lambda: open_sockets(process) == 1)
            kinds = {name.split(":")[0] for name in opened_by(process)}
            assert kinds == {"/dev/null", "socket", "pipe", "anon_inode"}
            assert len(list((process / "task").iterdir())) == 1, "it has one thread"
        finally:
            decoder.close()


def test_a_missing_interpreter_is_our_fault(monkeypatch, make_image):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DecoderUnavailable, match="started"):
        Decoder(1).read_header(make_image())


def test_a_launcher_that_cannot_start_is_our_fault(make_image):
    with (
        probing(_BOOTSTRAP="raise SystemExit(1)") as decoder,
        pytest.raises(DecoderUnavailable),
    ):
        decoder.read_header(make_image())
