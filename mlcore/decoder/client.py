"""The side of the decoder that uses it: it never looks at a picture's bytes."""

import atexit
import mmap
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import UnsupportedOperation
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mlcore.decoder import protocol, sandbox
from mlcore.decoder.memory_tuning import HUGE_PAGE, use_huge_pages
from mlcore.errors import DecoderUnavailable, UnreadableImage
from mlcore.formats import FORMATS, MAX_PIXELS, MAX_SIDE

if TYPE_CHECKING:
    from mlcore.images import Photo

Source = str | os.PathLike[str] | bytes | BinaryIO

MEGABYTE = 1024 * 1024

HEADER_MEMORY = 256 * MEGABYTE
HEADER_CPU_SECONDS = 2
"""To find a picture's format and size."""

PIXELS_CPU_SECONDS = 30
"""To decode a picture. Those of 64 megapixels take up to 6 on a slow core."""

WALL_FACTOR = 10
"""A busy machine may take so many times the CPU time before it counts as hanging."""

START_TIMEOUT = 60.0
"""Seconds that the launcher may take to load the decoders, on a slow and busy machine."""

NEARLY = 0.5
"""Share of the memory limit from which a crash is blamed on memory."""

_CHUNK = 1024 * 1024
_ROOT = Path(__file__).resolve().parents[2]
_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from mlcore.decoder.launcher import main; main(int(sys.argv[2]))"
)

MESSAGES = {
    "unreadable_image": "the picture is damaged or incomplete",
    "empty_file": "the file is empty",
    "unsupported_format": f"the file is no picture in a known format ({', '.join(FORMATS)})",
    "too_complex": "reading the picture takes too much memory; save it again, as JPEG or PNG",
    "timed_out": "reading the picture takes too long; save it again, as JPEG or PNG",
}


@dataclass(frozen=True)
class Header:
    """What a picture's header says: one of FORMATS, and the pixels of the upright picture."""

    format: str
    width: int
    height: int


@dataclass(frozen=True)
class _Exit:
    """How a child ended: status as of waitpid, peak memory, CPU seconds, and whether it hung."""

    status: int
    peak_memory: int
    cpu_seconds: float
    is_overdue: bool


class _LauncherGone(Exception):
    """The launcher ended before it answered."""


class Decoder:
    """Reads pictures in disposable processes. One instance may serve many threads.

    ``concurrency`` is how many pictures are read at once; others wait. Each process that uses an
    instance after a fork needs one of its own; see `shared_decoder`.
    """

    protections = sandbox.protections()
    """The names of the kernel's protections that this platform offers."""

    def __init__(self, concurrency: int | None = None) -> None:
        self._slots = threading.BoundedSemaphore(concurrency or os.cpu_count() or 1)
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._launcher: subprocess.Popen | None = None

    def read_header(self, source: Source, max_pixels: int = MAX_PIXELS) -> Header:
        """Return format and size of a picture, given as path, bytes or binary file.

        Raises UnreadableImage (the file's fault: its ``code`` is empty_file, unsupported_format,
        unreadable_image, too_many_pixels, too_complex or timed_out) or DecoderUnavailable (ours).
        """
        with _open(source) as picture, _shared_memory(0) as (descriptor, shared):
            limits = (HEADER_MEMORY, HEADER_CPU_SECONDS)
            self._run(protocol.HEADER, picture, descriptor, shared, 0, max_pixels, limits)
            _, _, known, width, height, _, _ = protocol.RESULT.unpack_from(shared)
        if known >= len(FORMATS) or not _is_size(width, height, max_pixels):
            raise _refusal("unreadable_image", max_pixels)
        return Header(FORMATS[known], width, height)

    def decode(
        self, source: Source, max_side: int = MAX_SIDE, max_pixels: int = MAX_PIXELS
    ) -> "Photo":
        """Return an upright RGB picture with its long side at most ``max_side`` pixels.

        Source and errors are those of ``read_header``; see `mlcore.images.load_photo`.
        """
        from PIL import Image

        from mlcore.images import Photo

        started = time.perf_counter()
        size = max_side * max_side * 3
        with _open(source) as picture, _shared_memory(size) as (descriptor, shared):
            limits = (memory_limit(max_pixels), PIXELS_CPU_SECONDS)
            self._run(protocol.PIXELS, picture, descriptor, shared, max_side, max_pixels, limits)
            _, _, _, width, height, *sides = protocol.RESULT.unpack_from(shared)
            is_sound = _is_size(width, height, max_pixels) and all(
                0 < side <= max_side for side in sides
            )
            if not is_sound:
                raise _refusal("unreadable_image", max_pixels)
            end = protocol.PIXELS_OFFSET + sides[0] * sides[1] * 3
            with memoryview(shared) as view, view[protocol.PIXELS_OFFSET : end] as pixels:
                image = Image.frombytes("RGB", tuple(sides), pixels)
        return Photo(image, width, height, time.perf_counter() - started)

    def _run(
        self,
        kind: int,
        picture: BinaryIO,
        memory: int,
        shared: mmap.mmap,
        max_side: int,
        max_pixels: int,
        limits: tuple[int, int],
    ) -> None:
        """Let a child read the picture into ``shared``, and raise what it met."""
        seconds = limits[1] * WALL_FACTOR
        request = protocol.REQUEST.pack(kind, max_side, max_pixels, *limits, seconds)
        with self._slots:
            try:
                ended = self._ask(request, picture.fileno(), memory, seconds)
            except _LauncherGone:
                # Somebody may have killed it, and what was asked can be asked again.
                shared[: protocol.RESULT.size] = bytes(protocol.RESULT.size)
                try:
                    ended = self._ask(request, picture.fileno(), memory, seconds)
                except _LauncherGone as error:
                    raise DecoderUnavailable("the decoder cannot be started") from error
        state, code, *_ = protocol.RESULT.unpack_from(shared)
        if ended.status != 0:
            raise _crash(ended, limits, max_pixels)
        if state == protocol.REFUSED and code < len(protocol.CODES):
            raise _refusal(protocol.CODES[code], max_pixels)
        if state != protocol.OK:
            raise _refusal("unreadable_image", max_pixels)

    def _ask(self, request: bytes, picture: int, memory: int, seconds: float) -> _Exit:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._send(request, [picture, memory, theirs.fileno()])
            # The launcher keeps the time; this is for one that was stopped.
            ours.settimeout(seconds + START_TIMEOUT)
            try:
                answer = ours.recv(protocol.EXIT.size, socket.MSG_WAITALL)
            except TimeoutError as error:
                self.close()
                raise DecoderUnavailable("the decoder does not answer") from error
            except OSError as error:
                raise _LauncherGone from error
        if len(answer) < protocol.EXIT.size:
            raise _LauncherGone
        return _Exit(*protocol.EXIT.unpack(answer))

    def _send(self, request: bytes, descriptors: list[int]) -> None:
        with self._lock:
            for is_last in (False, True):
                control = self._started()
                try:
                    socket.send_fds(control, [request], descriptors)
                    return
                except OSError as error:
                    self._stop()
                    if is_last:
                        raise DecoderUnavailable("the decoder's launcher is gone") from error

    def start(self) -> None:
        """Start the launcher, unless it runs; it loads its decoders meanwhile."""
        with self._lock:
            self._started()

    def _started(self) -> socket.socket:
        if self._launcher is not None and self._launcher.poll() is not None:
            self._stop()
        if self._control is None:
            ours, theirs = socket.socketpair()
            command = [sys.executable, "-I", "-c", _BOOTSTRAP, str(_ROOT), str(theirs.fileno())]
            with theirs:
                try:
                    self._launcher = subprocess.Popen(  # noqa: S603
                        command,
                        env={},
                        pass_fds=[theirs.fileno()],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        cwd="/",
                    )
                except OSError as error:
                    ours.close()
                    raise DecoderUnavailable(f"no decoder can be started: {error}") from error
            self._control = ours
        return self._control

    def close(self) -> None:
        """End the launcher and whatever its children are at."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        control, launcher = self._control, self._launcher
        self._control = self._launcher = None
        if control is not None:
            control.close()
        if launcher is not None:
            try:
                launcher.wait(1)
            except subprocess.TimeoutExpired:
                launcher.kill()
                launcher.wait()

    def forget(self) -> None:
        """Drop, in a process that was forked, what belongs to its parent."""
        if self._control is not None:
            self._control.close()
        if self._launcher is not None:
            self._launcher.returncode = 0  # It is no child of this process.


def memory_limit(max_pixels: int) -> int:
    """Return how many bytes decoding may take.

    A lossless WebP takes most: 1.56 GB for 64 megapixels, 24 bytes a pixel.
    """
    return 26 * max_pixels + 256 * MEGABYTE


def _is_size(width: int, height: int, max_pixels: int) -> bool:
    return 0 < width * height <= max_pixels


def _refusal(code: str, max_pixels: int) -> UnreadableImage:
    message = MESSAGES.get(code, f"the picture has more than {max_pixels / 1e6:g} megapixels")
    return UnreadableImage(message, code)


def _crash(ended: _Exit, limits: tuple[int, int], max_pixels: int) -> Exception:
    """Return what is said of a child that was ended by a signal, or that could not even begin."""
    if not os.WIFSIGNALED(ended.status):
        return DecoderUnavailable("the decoder could not give up its rights")
    number = os.WTERMSIG(ended.status)
    if number == signal.SIGXCPU:
        return _refusal("timed_out", max_pixels)
    if ended.is_overdue:
        return DecoderUnavailable("the decoder hangs")
    if number == signal.SIGKILL:
        # The hard limit of CPU time kills, too; else it was the machine that ran out of memory.
        if ended.cpu_seconds >= limits[1]:
            return _refusal("timed_out", max_pixels)
        return DecoderUnavailable("the decoder was killed")
    if ended.peak_memory >= NEARLY * limits[0]:
        return _refusal("too_complex", max_pixels)
    return _refusal("unreadable_image", max_pixels)


def _memory_file(name: str) -> int:
    """Return the descriptor of a file that exists in memory only, or of one without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class _shared_memory:
    """Memory for a result and ``size`` bytes of pixels: its descriptor and a mapping of it."""

    def __init__(self, size: int) -> None:
        # A multiple of a huge page, where there are pixels.
        self._size = protocol.PIXELS_OFFSET + size
        if size:
            self._size += -self._size % HUGE_PAGE

    def __enter__(self) -> tuple[int, mmap.mmap]:
        self._descriptor = _memory_file("pixels")
        try:
            os.ftruncate(self._descriptor, self._size)
            self._seal()
            self._mapped = mmap.mmap(self._descriptor, self._size)
        except BaseException:
            os.close(self._descriptor)
            raise
        use_huge_pages(self._mapped)
        return self._descriptor, self._mapped

    def _seal(self) -> None:
        """Let nobody cut the file: to read behind its end would kill this process."""
        import fcntl

        if hasattr(fcntl, "F_ADD_SEALS"):
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, seals)

    def __exit__(self, *_exception) -> None:
        self._mapped.close()
        os.close(self._descriptor)


def _open(source: Source) -> BinaryIO:
    """Return a file that can be read only, and whose descriptor can be handed to a child."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _copied([source])
    if isinstance(source, (str, os.PathLike)):
        try:
            file = Path(source).open("rb", buffering=0)  # noqa: SIM115, the caller closes it
        except OSError as error:
            raise UnreadableImage(f"the file cannot be opened: {error.strerror}") from error
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        with file:  # A pipe, for example.
            return _copied(_chunks(file))
    source.seek(0)
    try:
        # Opened once more, for a child must not write to it.
        return open(f"/proc/self/fd/{source.fileno()}", "rb", buffering=0)  # noqa: PTH123
    except (AttributeError, UnsupportedOperation, OSError):
        copied = _copied(_chunks(source))
    source.seek(0)
    return copied


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b"")


def _copied(chunks: Iterable[bytes]) -> BinaryIO:
    file = os.fdopen(_memory_file("picture"), "w+b", buffering=0)
    try:
        for chunk in chunks:
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    return file


_shared: Decoder | None = None
_sharing = threading.Lock()


def shared_decoder() -> Decoder:
    """Return this process's decoder; a process that was forked gets one of its own."""
    global _shared
    with _sharing:
        if _shared is None:
            _shared = Decoder()
        return _shared


def _after_fork() -> None:
    global _shared, _sharing
    _sharing = threading.Lock()
    if _shared is not None:
        _shared.forget()
        _shared = None


def _at_exit() -> None:
    if _shared is not None:
        _shared.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
