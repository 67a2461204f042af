"""Pictures are read in a process of their own, which can do no harm and be replaced at any time."""

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from mlcore.decoder import Decoder, Header, client, shared_decoder
from mlcore.errors import DecoderUnavailable, UnreadableImage
from mlcore.formats import FORMATS
from mlcore.images import load_photo
from tests.support import hostile
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


def launcher_of(decoder: Decoder) -> psutil.Process:
    decoder.start()
    return psutil.Process(decoder._launcher.pid)


def descriptors_of(pid: int) -> int:
    return psutil.Process(pid).num_fds()


def code_of(decoder: Decoder, content: bytes) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decoder.decode(content)
    return caught.value.code


# --- what comes out -------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read_as_it_is_without_isolation(format, decoder, make_image):
    content = make_image(format, size=(320, 240))
    assert decoder.read_header(content) == Header(format, 320, 240)
    isolated, plain = decoder.decode(content), load_photo(content)
    assert isolated.image.tobytes() == plain.image.tobytes()
    assert (isolated.width, isolated.height) == (plain.width, plain.height) == (320, 240)
    assert isolated.decode_seconds > 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_colour_mode(mode, decoder, make_image):
    content = make_image("PNG", mode=mode)
    assert decoder.decode(content).image.tobytes() == load_photo(content).image.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_the_header_gives_the_size_of_the_upright_picture(format, decoder, make_image):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = make_image(format, size=(64, 48), exif=exif.tobytes())
    photo = load_photo(content)
    header = decoder.read_header(content)
    assert (header.width, header.height) == (photo.width, photo.height)


def test_a_large_picture_is_reduced(decoder, make_image):
    photo = decoder.decode(make_image(size=(3000, 1000)), max_side=300)
    assert (photo.width, photo.height, photo.image.size) == (3000, 1000, (300, 100))


def test_path_file_and_bytes_are_the_same_picture(decoder, make_image, tmp_path):
    content = make_image()
    path = tmp_path / "we ird #1 50% é?.jpg"
    path.write_bytes(content)
    pixels = load_photo(content).image.tobytes()
    assert decoder.decode(path).image.tobytes() == pixels
    assert decoder.decode(io.BytesIO(content)).image.tobytes() == pixels
    with path.open("rb") as file:
        assert decoder.decode(file).image.tobytes() == pixels
    assert path.read_bytes() == content


def test_a_pipe_is_read_to_its_end(decoder, make_image):
    content = make_image()
    reading, writing = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(writing, content), os.close(writing)))
    writer.start()
    assert decoder.decode(f"/dev/fd/{reading}").width == 320
    writer.join()
    os.close(reading)


def test_errors_have_the_codes_of_mlcore(decoder, make_image):
    content = make_image()
    assert code_of(decoder, b"") == "empty_file"
    assert code_of(decoder, b"Dear diary, ...") == "unsupported_format"
    assert code_of(decoder, content[: len(content) // 2]) == "unreadable_image"
    with pytest.raises(UnreadableImage) as caught:
        decoder.decode(content, max_pixels=1000)
    assert caught.value.code == "too_many_pixels"
    with pytest.raises(UnreadableImage, match="cannot be opened"):
        decoder.decode("/nowhere/at/all.jpg")


# --- what code inside of it can do ----------------------------------------------------------------

PROBES = textwrap.dedent(
    """
    import _socket, ctypes, os, resource, signal, threading

    def attempt(action):
        try:
            action()
        except BaseException as error:
            return type(error).__name__
        return "done"

    def connect(port):
        with_socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        with_socket.connect(("127.0.0.1", port))

    def open_descriptors():
        found = []
        for number in range(256):
            try:
                os.fstat(number)
                found.append(number)
            except OSError:
                pass
        return found

    started = []
    thread = threading.Thread(target=lambda: started.append(True))
    libc = ctypes.CDLL(None, use_errno=True)
    report = {
        "environment": dict(os.environ),
        "descriptors": open_descriptors(),
        "read database": attempt(lambda: os.open(DATABASE, os.O_RDONLY)),
        "read secret key": attempt(lambda: open(SECRET_KEY).read()),
        "read parent's environment": attempt(lambda: open(f"/proc/{PARENT}/environ").read()),
        "read owner's environment": attempt(lambda: open(f"/proc/{OWNER}/environ").read()),
        "read own memory map": attempt(lambda: open("/proc/self/maps").read()),
        "list root": attempt(lambda: os.listdir("/")),
        "write file": attempt(lambda: open("/tmp/left-by-a-picture", "w")),
        "connect to redis": attempt(lambda: connect(PORT)),
        "local socket": attempt(lambda: _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)),
        "pipe": attempt(os.pipe),
        "raise limit": attempt(
            lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))
        ),
        "fork": attempt(lambda: os.fork() or os._exit(0)),
        "memory": attempt(lambda: bytearray(8 << 30)),
    }
    if HAS_FILTER:
        report |= {
            "stat": attempt(lambda: os.stat("/etc/passwd")),
            "rename": attempt(lambda: os.rename("/tmp/a", "/tmp/b")),
            "execute": attempt(lambda: os.execv("/bin/true", ["true"])),
            "kill owner": attempt(lambda: os.kill(OWNER, 0)),
            "kill launcher": attempt(lambda: os.kill(PARENT, signal.SIGTERM)),
            "ptrace": "done" if libc.ptrace(16, OWNER, 0, 0) == 0 else "refused",
            "read other memory": (
                "done" if libc.process_vm_readv(OWNER, None, 0, None, 0, 0) == 0 else "refused"
            ),
            "change user": attempt(lambda: os.setuid(1)),
        }
    """
)
"""Runs in a decoder's child, after it has given up everything, in place of reading a picture."""

BOOTSTRAP = """
import os, sys; sys.path.insert(0, sys.argv[1])
import _socket, ctypes, json, threading
from mlcore.decoder import launcher, protocol, sandbox
from mlcore.decoder.warming import load_decoders
load_decoders()
if {user}:
    os.setgroups([]); os.setgid({user}); os.setuid({user})
if not {has_filter}:
    sandbox.protections = lambda: ("rlimits",)
user = os.getuid()
def _read(kind, content, shared, max_side, max_pixels):
    {read}
launcher._read = _read
launcher.main(int(sys.argv[2]))
"""
"""Starts a launcher whose children do something else than reading."""

RUN_PROBES = """
    names = dict()
    try:
        exec(content, names)
        report = json.dumps(names["report"] | dict(user=user))
    except BaseException as error:
        report = json.dumps(dict(failed=repr(error)))
    shared.seek(protocol.PIXELS_OFFSET)
    shared.write(report.encode().ljust(300 * 100 * 3))
    return protocol.RESULT.pack(protocol.OK, 0, 0, 300, 100, 300, 100)
"""


@pytest.fixture
def instead(monkeypatch) -> Iterator[Callable[..., Decoder]]:
    """``instead(read, user=0, has_filter=True)`` returns a decoder whose children run ``read``."""
    made = []

    def instead(read: str, user: int = 0, has_filter: bool = True) -> Decoder:
        bootstrap = BOOTSTRAP.format(read=read, user=user, has_filter=has_filter)
        monkeypatch.setattr(client, "_BOOTSTRAP", bootstrap)
        made.append(Decoder())
        return made[-1]

    yield instead
    for decoder in made:
        decoder.close()


@pytest.fixture
def secrets(tmp_path, redis_server, monkeypatch) -> dict:
    """What code inside a decoder must not reach; all readable for everybody, so that no file
    permission protects it."""
    names = {}
    for name in ("database", "secret_key"):
        path = tmp_path / name
        path.write_text("SECRET")
        path.chmod(0o644)
        names[name.upper()] = str(path)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.owner() == tmp_path.owner() and folder != Path("/tmp"):  # noqa: S108
            folder.chmod(0o755)
    port = int(redis_server.url.rpartition(":")[2].partition("/")[0])
    monkeypatch.setenv("SECRET_KEY", "SECRET")
    return {**names, "PORT": port, "OWNER": os.getpid()}


def probe(decoder: Decoder, secrets: dict, has_filter: bool) -> dict:
    """Run the probes in a decoder's child and return what came of each."""
    values = {**secrets, "PARENT": launcher_of(decoder).pid, "HAS_FILTER": has_filter}
    code = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + PROBES
    photo = decoder.decode(code.encode())
    assert launcher_of(decoder).pid == values["PARENT"]
    return json.loads(photo.image.tobytes().rstrip())


def check_report(report: dict) -> None:
    facts = {name: report.pop(name) for name in ("environment", "descriptors", "user")}
    # The C locale makes Python set this one itself.
    assert set(facts["environment"]) <= {"LC_CTYPE"}
    assert facts["descriptors"] == []
    assert len(report) >= 13
    assert {name for name, outcome in report.items() if outcome == "done"} == set()


@pytest.mark.skipif(sys.platform != "linux", reason="the filter of system calls is Linux's")
@pytest.mark.parametrize("user", [NOBODY, 0], ids=["nobody", "this user"])
def test_code_in_a_decoder_reaches_nothing(user, secrets, instead):
    if user and os.getuid() != 0:
        pytest.skip("only root can become nobody; the other case runs without rights here")
    report = probe(instead(RUN_PROBES, user), secrets, has_filter=True)
    assert report["user"] == (user or os.getuid())
    check_report(report)


def test_the_limits_alone_keep_files_and_sockets_shut(secrets, instead):
    """Where the platform has no filter of system calls, a user without rights is confined, too."""
    user = NOBODY if os.getuid() == 0 else 0
    check_report(probe(instead(RUN_PROBES, user, has_filter=False), secrets, has_filter=False))


# --- what a file can do ---------------------------------------------------------------------------


def test_memory_that_runs_out_is_called_so(decoder, monkeypatch, make_image):
    content = make_image("PNG", size=(8000, 8000), compress_level=1)
    monkeypatch.setattr(client, "memory_limit", lambda max_pixels: 40 * client.MEGABYTE)
    assert code_of(decoder, content) == "too_complex"


def test_time_that_runs_out_is_called_so(instead, monkeypatch):
    monkeypatch.setattr(client, "PIXELS_CPU_SECONDS", 1)
    assert code_of(instead("while True: pass"), b"anything") == "timed_out"


def test_waiting_uses_no_time(instead, monkeypatch):
    monkeypatch.setattr(client, "PIXELS_CPU_SECONDS", 1)
    read = "import time; time.sleep(1.5); return protocol.RESULT.pack(1, 0, 0, 9, 9, 9, 9)"
    assert instead(read).decode(b"anything").width == 9


def test_a_child_that_hangs_is_killed_and_no_file_is_blamed(instead, monkeypatch):
    monkeypatch.setattr(client, "PIXELS_CPU_SECONDS", 1)
    monkeypatch.setattr(client, "WALL_FACTOR", 1)
    with pytest.raises(DecoderUnavailable):
        instead("import time; time.sleep(60)").decode(b"anything")


def test_a_crash_is_the_files_fault_and_harms_nobody(instead):
    decoder = instead("ctypes.string_at(0)")
    pid = launcher_of(decoder).pid
    assert code_of(decoder, b"anything") == "unreadable_image"
    assert launcher_of(decoder).pid == pid


@pytest.mark.parametrize(
    "forged",
    [
        (1, 0, 0, 0, 10, 10, 10),
        (1, 0, 0, 100_000, 100_000, 10, 10),
        (1, 0, 0, 10, 10, 5000, 10),
        (1, 0, 0, 10, 10, 0, 10),
        (2, 99, 0, 0, 0, 0, 0),
        (7, 7, 7, 7, 7, 7, 7),
        (0, 0, 0, 0, 0, 0, 0),
    ],
)
def test_what_a_child_tells_is_not_believed(forged, instead):
    decoder = instead(f"return protocol.RESULT.pack(*{forged})")
    assert code_of(decoder, b"anything") == "unreadable_image"


@pytest.mark.parametrize("forged", [(1, 0, 99, 10, 10, 0, 0), (1, 0, 0, 0, 10, 0, 0)])
def test_a_header_that_a_child_tells_is_not_believed(forged, instead):
    with pytest.raises(UnreadableImage):
        instead(f"return protocol.RESULT.pack(*{forged})").read_header(b"anything")


HOSTILE = {
    "tags that share bytes": hostile.tiff_of_shared_bytes,
    "very many tags": hostile.tiff_of_many_tags,
    "empty markers": hostile.jpeg_of_empty_markers,
    "scans": hostile.jpeg_of_scans,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused(kind, decoder):
    content = HOSTILE[kind]()
    assert code_of(decoder, content) == "too_complex"
    with pytest.raises(UnreadableImage) as caught:
        decoder.read_header(content)
    assert caught.value.code == "too_complex"


# --- when processes die ---------------------------------------------------------------------------


@pytest.fixture
def slow_photo(make_image) -> bytes:
    """A picture that takes a second to decode."""
    return make_image("PNG", size=(7900, 8000), mode="L", compress_level=1)


def child_of(launcher: psutil.Process) -> psutil.Process:
    wait_until(lambda: launcher.children(), 20)
    return launcher.children()[0]


def in_thread(decoder: Decoder, content: bytes) -> tuple[threading.Thread, list]:
    results: list = []

    def read() -> None:
        try:
            results.append(decoder.decode(content))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, results


def test_a_killed_child_is_no_fault_of_the_file(decoder, slow_photo):
    launcher = launcher_of(decoder)
    thread, results = in_thread(decoder, slow_photo)
    child_of(launcher).kill()
    thread.join()
    assert isinstance(results[0], DecoderUnavailable)
    assert decoder.decode(slow_photo).width == 7900


def test_a_killed_launcher_is_replaced_and_its_pictures_are_read_again(decoder, slow_photo):
    launcher = launcher_of(decoder)
    thread, results = in_thread(decoder, slow_photo)
    child = child_of(launcher)
    launcher.kill()
    thread.join()
    assert results[0].width == 7900
    wait_until(lambda: not child.is_running(), 10)
    assert launcher_of(decoder).pid != launcher.pid


def test_an_owner_that_is_killed_leaves_nothing(slow_photo, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(slow_photo)
    code = (
        "import sys; from mlcore.decoder import shared_decoder\n"
        "shared_decoder().start(); print(shared_decoder()._launcher.pid, flush=True)\n"
        "while True: shared_decoder().decode(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", code, str(photo)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as owner:
        launcher = psutil.Process(int(owner.stdout.readline()))
        child = child_of(launcher)
        owner.kill()
    for process in (launcher, child):
        wait_until(lambda process=process: not process.is_running(), 10)


def test_signals_to_all_leave_the_launcher_at_work(decoder, make_image):
    launcher = launcher_of(decoder)
    decoder.decode(make_image())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        launcher.send_signal(number)
    assert decoder.decode(make_image()).width == 320
    assert launcher_of(decoder).pid == launcher.pid


def test_a_forked_process_gets_a_decoder_of_its_own(make_image):
    content = make_image()
    shared_decoder().decode(content)
    parents = shared_decoder()._launcher.pid
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            width = shared_decoder().decode(content).width
            os.write(writing, f"{width} {shared_decoder()._launcher.pid}".encode())
            shared_decoder().close()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        width, other = map(int, answer.read().split())
    os.waitpid(pid, 0)
    assert width == 320
    assert other != parents
    assert shared_decoder()._launcher.pid == parents
    assert shared_decoder().decode(content).width == 320


def test_many_threads_and_pictures_leave_no_descriptor_and_no_process(make_image):
    decoder = Decoder(concurrency=2)
    pictures = [make_image(), make_image("PNG"), make_image()[:-500], b"nothing"]
    try:
        launcher = launcher_of(decoder)
        decoder.decode(pictures[0])
        before = descriptors_of(os.getpid()), descriptors_of(launcher.pid)

        def read() -> None:
            for content in pictures * 5:
                try:
                    assert decoder.decode(content).width == 320
                except UnreadableImage:
                    assert content in pictures[2:]

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # The launcher answers first and closes the answer's socket then.
        wait_until(
            lambda: (descriptors_of(os.getpid()), descriptors_of(launcher.pid)) == before, 10
        )
        assert launcher.children() == []
    finally:
        decoder.close()
    wait_until(lambda: not launcher.is_running(), 10)


def test_one_hostile_file_does_not_keep_another_waiting(make_image):
    decoder = Decoder(concurrency=2)
    try:
        decoder.decode(make_image())
        started = time.monotonic()
        thread, _results = in_thread(decoder, make_image("PNG", size=(8000, 8000), mode="L"))
        assert decoder.decode(make_image()).width == 320
        thread.join()
        assert time.monotonic() - started < 60
    finally:
        decoder.close()


def test_without_an_interpreter_nothing_can_be_read_and_no_file_is_blamed(monkeypatch, make_image):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    decoder = Decoder()
    with pytest.raises(DecoderUnavailable):
        decoder.decode(make_image())


def test_a_launcher_that_cannot_start_blames_no_file(monkeypatch, make_image):
    monkeypatch.setattr(client, "_BOOTSTRAP", "raise SystemExit(3)")
    decoder = Decoder()
    try:
        with pytest.raises(DecoderUnavailable):
            decoder.decode(make_image())
    finally:
        decoder.close()
