"""The launcher: a single-threaded process that forks a child for each picture and reaps it.

It is started by exec with an empty environment and holds nothing but the decoders. It never looks
at a picture itself. It ends, and its children with it, when its socket is closed.
"""

import gc
import mmap
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress

from mlcore.decoder import memory_tuning, protocol, sandbox
from mlcore.errors import UnreadableImage

MAX_DESCRIPTORS = 1024
"""More than a launcher ever has open; the lowest free numbers are taken first."""


ROWS = 64
"""Rows of a picture that are written at once."""


class _Child:
    """A child at work: the socket on which its exit is told, and when it must be done."""

    def __init__(self, reply: socket.socket, deadline: float) -> None:
        self.reply = reply
        self.deadline = deadline
        self.is_overdue = False


class Launcher:
    """Forks children on requests from ``control`` until that is closed."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _Child] = {}
        self._wakeup, wakeup_end = os.pipe()
        for end in (self._wakeup, wakeup_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Its owner decides when it ends, also where a terminal or a service manager signals all.
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)

    def serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(self._wakeup, selectors.EVENT_READ)
        while True:
            events = selector.select(self._seconds_to_next_deadline())
            with suppress(BlockingIOError):
                os.read(self._wakeup, 4096)
            self._reap()
            self._kill_overdue()
            if any(key.fileobj is self._control for key, _ in events) and not self._take():
                break
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        while self._children:
            self._reap(block=True)

    def _seconds_to_next_deadline(self) -> float | None:
        waiting = [child.deadline for child in self._children.values() if not child.is_overdue]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _take(self) -> bool:
        """Fork a child for the next request; False where the owner is gone."""
        size = protocol.REQUEST.size
        try:
            request, descriptors, _, _ = socket.recv_fds(self._control, size, 3)
        except OSError:
            return False
        if len(request) < size or len(descriptors) != 3:
            return False
        picture, memory, reply = descriptors
        kind, max_side, max_pixels, limit, cpu_seconds, seconds = protocol.REQUEST.unpack(request)
        try:
            pid = os.fork()
        except OSError:
            # There is no room for a process now. Others may be at work, and whoever asks sees
            # the reply's socket close.
            for descriptor in descriptors:
                os.close(descriptor)
            return True
        if pid == 0:
            with suppress(BaseException):
                _work(kind, picture, memory, max_side, max_pixels, limit, cpu_seconds)
            os._exit(1)
        os.close(picture)
        os.close(memory)
        self._children[pid] = _Child(socket.socket(fileno=reply), time.monotonic() + seconds)
        return True

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for pid, child in self._children.items():
            if child.deadline <= now and not child.is_overdue:
                child.is_overdue = True
                os.kill(pid, signal.SIGKILL)

    def _reap(self, block: bool = False) -> None:
        while self._children:
            pid, status, usage = os.wait4(-1, 0 if block else os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            scale = 1 if sys.platform == "darwin" else 1024
            told = protocol.EXIT.pack(
                status,
                usage.ru_maxrss * scale,
                usage.ru_utime + usage.ru_stime,
                child.is_overdue,
            )
            with child.reply, suppress(OSError):
                child.reply.send(told)


def _work(
    kind: int,
    picture: int,
    memory: int,
    max_side: int,
    max_pixels: int,
    limit: int,
    cpu_seconds: int,
) -> None:
    """Read one picture, in a child that has given up everything else, and end."""
    sandbox.die_with_parent(_launcher_id)
    signal.set_wakeup_fd(-1)
    content, shared = _map(picture, memory)
    os.closerange(0, MAX_DESCRIPTORS)
    sandbox.confine(_address_space + limit, cpu_seconds)
    try:
        result = _read(kind, content, shared, max_side, max_pixels)
    except MemoryError:
        result = _refusal("too_complex")
    except UnreadableImage as error:
        result = _refusal(error.code)
    except Exception:
        # Nothing but the picture is read here, so that nothing else can be wrong.
        result = _refusal("unreadable_image")
    shared[: len(result)] = result
    os._exit(0)


def _map(picture: int, memory: int) -> tuple[bytes, mmap.mmap]:
    size = os.fstat(picture).st_size
    content = b""
    if size:
        with mmap.mmap(picture, size, access=mmap.ACCESS_READ) as mapped:
            content = mapped[:]
    shared = mmap.mmap(memory, 0)
    memory_tuning.use_huge_pages(shared)
    return content, shared


def _refusal(code: str) -> bytes:
    return protocol.RESULT.pack(protocol.REFUSED, protocol.CODES.index(code), 0, 0, 0, 0, 0)


def _read(kind: int, content: bytes, shared: mmap.mmap, max_side: int, max_pixels: int) -> bytes:
    """Write the pixels of a picture, where they are asked for, and return the result."""
    from mlcore.images import load_photo, read_header
    from mlcore.structure import check_structure

    check_structure(content, max_pixels)
    if kind == protocol.HEADER:
        name, width, height = read_header(content, max_pixels)
        known = protocol.FORMATS.index(name)
        return protocol.RESULT.pack(protocol.OK, 0, known, width, height, 0, 0)
    photo = load_photo(content, max_side, max_pixels)
    width, height = photo.image.size
    # Some rows at a time: memory that nobody has used before is what costs most.
    memory_tuning.populate(shared, protocol.PIXELS_OFFSET, width * height * 3)
    shared.seek(protocol.PIXELS_OFFSET)
    for top in range(0, height, ROWS):
        shared.write(photo.image.crop((0, top, width, min(top + ROWS, height))).tobytes())
    return protocol.RESULT.pack(protocol.OK, 0, 0, photo.width, photo.height, width, height)


_launcher_id = 0
_address_space = 0
"""Bytes that the launcher occupies before it has read anything: its children's limits add to it."""


def main(descriptor: int) -> None:
    """Load the decoders, and serve the socket with this descriptor."""
    global _launcher_id, _address_space
    from mlcore.decoder.warming import load_decoders

    load_decoders()
    memory_tuning.reserve_heap()
    gc.freeze()
    sandbox.be_killed_first()
    _launcher_id, _address_space = os.getpid(), sandbox.address_space()
    Launcher(socket.socket(fileno=descriptor)).serve()
