"""Code that runs inside the decoder's process, where no file could ever bring it.

A test starts the launcher through ``probing(...)``. It is the launcher of the product with one
step replaced: instead of reading a picture, its confined children do what the "picture", a JSON
object, asks for. Their report comes back the way that pixels do.
"""

import ctypes
import json
import mmap
import os
import platform
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlcore.decoder import Decoder, client, launcher, protocol, sandbox

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 2048
MAX_SYSTEM_CALL = 480
UNFILTERED = {"x86_64": {335, 336}}
"""Two calls of the kernel's own breakpoints. They pass every filter and end who makes them."""

_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from tests.support.decoder_probe import serve; serve(int(sys.argv[2]))"
)


@contextmanager
def probing(**patches) -> Iterator[Decoder]:
    """Give a decoder whose children run probes; ``patches`` are constants of its client."""
    patches = {"_BOOTSTRAP": _BOOTSTRAP, "_ROOT": ROOT, **patches}
    before = {name: getattr(client, name) for name in patches}
    for name, value in patches.items():
        setattr(client, name, value)
    decoder = Decoder(2)
    try:
        yield decoder
    finally:
        decoder.close()
        for name, value in before.items():
            setattr(client, name, value)


def ask(decoder: Decoder, deed: str, **arguments) -> dict:
    """Let a confined child do something; return its report."""
    photo = decoder.decode(json.dumps({"deed": deed, **arguments}).encode())
    return json.loads(photo.image.tobytes().rstrip(b"\0"))


def serve(descriptor: int) -> None:
    """Be a launcher whose children run probes."""
    confine = sandbox.confine

    def note_memory_and_confine(*arguments) -> None:
        _writable.extend(_writable_memory())
        confine(*arguments)

    sandbox.confine = note_memory_and_confine
    launcher._read = _run_probe
    launcher.main(descriptor)


def _run_probe(_kind, content: bytes, shared: mmap.mmap, _max_side, _max_pixels) -> bytes:
    task = json.loads(content)
    report = globals()[f"do_{task.pop('deed')}"](**task)
    if isinstance(report, bytes):
        return report
    text = json.dumps(report).encode()
    height = -(-len(text) // (3 * WIDTH))
    shared[protocol.PIXELS_OFFSET : protocol.PIXELS_OFFSET + len(text)] = text
    return protocol.RESULT.pack(protocol.OK, 0, 0, WIDTH, height, WIDTH, height)


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return f"refused: {type(error).__name__} {error.errno}"
    except (ValueError, MemoryError) as error:
        return f"refused: {type(error).__name__}"
    return "reached"


def _call(name: str, *arguments: int | bytes) -> None:
    """Call a function of the C library; raise OSError where the kernel refuses it."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def do_reach(
    files: list[str], port: int, unix_socket: str, processes: list[int], new_file: str
) -> dict[str, str]:
    """Try what an attacker would try who runs code here; tell what was refused."""
    attempts: dict[str, Callable[[], object]] = {
        **{f"read {path}": lambda path=path: Path(path).read_bytes() for path in files},
        "list /": lambda: list(Path("/").iterdir()),
        "ask for a file's size": lambda: Path(files[0]).stat(),
        "write a file": lambda: Path(new_file).write_text("here"),
        "read the system's users": lambda: Path("/etc/passwd").read_text(),
        "read its own environment": lambda: Path("/proc/self/environ").read_bytes(),
        "connect to Redis": lambda: _connect(socket.AF_INET, ("127.0.0.1", port)),
        "connect to a socket file": lambda: _connect(socket.AF_UNIX, unix_socket),
        "make a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "make a pair of sockets": lambda: [end.close() for end in socket.socketpair()],
        "make a pipe": lambda: [os.close(end) for end in os.pipe()],
        "fork": _fork,
        "start a program": lambda: os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", ":"], {}), 0),
    }
    for process in processes:
        attempts |= {
            f"read the environment of {process}": lambda process=process: Path(
                f"/proc/{process}/environ"
            ).read_bytes(),
            f"read the memory of {process}": lambda process=process: _read_memory(process),
            f"signal {process}": lambda process=process: os.kill(process, 0),
        }
    if sys.platform == "linux":
        attempts |= {
            "make a file in memory": lambda: os.close(os.memfd_create("here")),
            "set its limits": lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)
            ),
            "be dumpable again": lambda: _call("prctl", sandbox.PR_SET_DUMPABLE, 1, 0, 0, 0),
            "leave its namespaces": lambda: _call("unshare", 0),
        }
    return {name: _outcome(attempt) for name, attempt in attempts.items()}


def _connect(family: int, address: str | tuple[str, int]) -> None:
    with socket.socket(family) as connection:
        connection.connect(address)


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _read_memory(process: int) -> None:
    Path(f"/proc/{process}/mem").open("rb").close()


def do_hold(halves: list[str]) -> dict:
    """Tell what this process still has: descriptors, environment, and a secret in its memory.

    The secret comes in two halves, so that asking for it does not bring it here.
    """
    opened = []
    for descriptor in range(4096):
        try:
            os.fstat(descriptor)
            opened.append(descriptor)
        except OSError:
            continue
    first, second = (half.encode() for half in halves)
    found = False
    for start, end in _writable:
        block = ctypes.string_at(start, end - start)
        at = block.find(first)
        while at >= 0 and not found:
            found = block[at + len(first) :].startswith(second)
            at = block.find(first, at + 1)
    names = sorted(set(os.environ) - {"LC_CTYPE"})  # Python sets that one itself.
    return {"descriptors": opened, "environment": names, "secret": found, "blocks": len(_writable)}


_MACHINE = platform.machine()  # Not to be asked for where nothing can be read.


def do_call_everything(allowed: list[int]) -> dict:
    """Make every system call that is not on the list; tell which were not refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    passed = {}
    skipped = {*allowed, *UNFILTERED.get(_MACHINE, ())}
    for number in set(range(MAX_SYSTEM_CALL)) - skipped:
        result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
        if result != -1 or ctypes.get_errno() not in (1, 38):  # EPERM, ENOSYS
            passed[number] = (result, ctypes.get_errno())
    return {"passed": passed}


def do_call(number: int) -> dict:
    ctypes.CDLL(None).syscall(number, 0, 0, 0, 0, 0, 0)
    return {}


def do_start_threads(count: int) -> dict:
    done: list[int] = []
    threads = [threading.Thread(target=done.append, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"done": len(done)}


def do_sleep(seconds: float) -> dict:
    time.sleep(seconds)
    return {"slept": seconds}


def do_burn(stubborn: bool = False) -> dict:
    if stubborn:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


def do_allocate(megabytes: int, then_crash: bool = False) -> dict:
    block = bytearray(megabytes << 20)
    block[:: mmap.PAGESIZE] = b"x" * len(range(0, len(block), mmap.PAGESIZE))
    if then_crash:
        ctypes.string_at(0)
    return {"size": len(block)}


def do_exit(status: int) -> dict:
    os._exit(status)


def do_lie(result: list[int]) -> bytes:
    """Return what no honest child writes."""
    return protocol.RESULT.pack(*result)


def do_echo(number: int) -> dict:
    return {"number": number, "id": os.getpid()}


_writable: list[tuple[int, int]] = []


def _writable_memory() -> list[tuple[int, int]]:
    """Return start and end of every private piece of memory that this process can write to."""
    if sys.platform != "linux":
        return []
    pieces = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, *_ = line.split()
        if rights == "rw-p":
            start, end = (int(text, 16) for text in span.split("-"))
            pieces.append((start, end))
    return pieces


def children_of(process: int) -> list[int]:
    """Return the ids of a process's children."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(text) for text in path.read_text().split()]


def kill(process: int) -> None:
    """Kill a process that this one, or a child of it, has started; refuse to kill any other.

    An id that is not positive would mean whole groups of processes, or all there are.
    """
    assert process > 1
    ancestor = process
    while ancestor > 1 and ancestor != os.getpid():
        ancestor = int(Path(f"/proc/{ancestor}/stat").read_text().rpartition(")")[2].split()[1])
    assert ancestor == os.getpid(), f"{process} belongs to somebody else"
    os.kill(process, signal.SIGKILL)


def is_alive(process: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], seconds: float = 30) -> object:
    """Return what the condition returns as soon as that is true; fail when time is up."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)
    return found


def main() -> None:
    """Own a decoder, and tell what this process reaches itself and what its decoder's child does.

    Reads the arguments of ``do_reach`` and, under ``halves``, those of ``do_hold``, as JSON.
    """
    targets = json.load(sys.stdin)
    halves = targets.pop("halves")
    targets["processes"] = [os.getpid()]
    report = {"user": os.getuid(), "owner": do_reach(**targets)}
    _writable.extend(_writable_memory())
    report["owner holds"] = do_hold(halves)
    with probing() as decoder:
        report["child"] = ask(decoder, "reach", **targets)
        report["child holds"] = ask(decoder, "hold", halves=halves)
        if "seccomp" in Decoder.protections:
            allowed = list(sandbox._SYSTEM_CALLS[platform.machine()].values())
            report |= ask(decoder, "call_everything", allowed=allowed)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
