"""What code that runs inside the decoder's process can reach: nothing.

The code is that of `tests.support.decoder_probe`, run by a process that may not be root.
"""

import json
import os
import platform
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlcore.decoder import Decoder
from mlcore.errors import UnreadableImage
from tests.support.decoder_probe import ask, probing

ROOT = Path(__file__).parents[2]
NOBODY = "65534"
HAS_FILTER = "seccomp" in Decoder.protections
needs_filter = pytest.mark.skipif(not HAS_FILTER, reason="this kernel filters no system calls")


def as_somebody_else(command: list[str]) -> list[str]:
    """Return a command that root runs as a user without rights.

    The interpreter may lie in a folder that only root enters, so that user may read every file:
    what the process is refused then, it is refused for no want of such rights.
    """
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("only setpriv, of util-linux, can start this as another user")
    rights = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [setpriv, *user, *rights, *command]


@pytest.fixture
def targets(redis_server, tmp_path) -> Iterator[dict]:
    """What the site's processes hold dear, all of it really there."""
    tmp_path.chmod(0o755)
    database = tmp_path / "db.sqlite3"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE secrets (word TEXT)")
    connection.close()
    folder = tmp_path / "writable"
    folder.mkdir()
    folder.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as listener:
        path = str(folder / "socket")
        listener.bind(path)
        Path(path).chmod(0o777)
        listener.listen()
        yield {
            "files": [str(database), str(ROOT / "pyproject.toml")],
            "port": urlsplit(os.environ["REDIS_URL"]).port,
            "unix_socket": path,
            "new_file": str(folder / "new"),
            "halves": [secrets.token_hex(16), secrets.token_hex(16)],
        }


def report_of(targets: dict, wrap=lambda command: command) -> dict:
    """Return what a process that owns a decoder, and has a secret in its environment, reports."""
    done = subprocess.run(
        wrap([sys.executable, "-B", "-m", "tests.support.decoder_probe"]),
        cwd=ROOT,
        env={**os.environ, "SECRET_KEY": "".join(targets["halves"])},
        input=json.dumps(targets),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("wrap", [as_somebody_else, lambda command: command], ids=["user", "self"])
def test_code_in_the_decoder_reaches_nothing(wrap, targets):
    report = report_of(targets, wrap)
    if wrap is as_somebody_else:
        assert report["user"] != 0
    out_of_reach = {name: how for name, how in report["owner"].items() if how != "reached"}
    assert not out_of_reach, "what its owner cannot do either proves nothing"
    assert report["owner holds"]["secret"]
    assert "SECRET_KEY" in report["owner holds"]["environment"]

    assert set(report["child"]) == set(report["owner"])
    if HAS_FILTER:
        reached = {name: how for name, how in report["child"].items() if how == "reached"}
    else:
        files = [name for name in report["child"] if name.startswith(("read", "list", "write"))]
        reached = {name: how for name in files if (how := report["child"][name]) == "reached"}
    assert not reached
    assert report["child holds"]["descriptors"] == []
    assert report["child holds"]["environment"] == []
    assert not report["child holds"]["secret"]
    if sys.platform == "linux":
        assert report["child holds"]["blocks"] > 10, "its memory was searched"
    assert not report.get("passed"), "every system call that is not listed is refused"


@needs_filter
def test_no_listed_system_call_opens_connects_starts_or_traces():
    from mlcore.decoder.sandbox import _SYSTEM_CALLS

    machine = _SYSTEM_CALLS[platform.machine()]
    harmless = (
        "read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask "
        "rt_sigreturn sched_yield mremap madvise nanosleep getpid exit getrusage sigaltstack "
        "gettid futex sched_getaffinity set_tid_address restart_syscall clock_gettime "
        "clock_nanosleep exit_group set_robust_list getrandom membarrier rseq clone clone3"
    )
    assert set(machine) == set(harmless.split())
    assert all(set(calls) == set(machine) for calls in _SYSTEM_CALLS.values())


@needs_filter
def test_the_other_interface_of_the_kernel_ends_the_process():
    with probing() as decoder, pytest.raises(UnreadableImage) as caught:
        ask(decoder, "call", number=0x4000_0002)
    assert caught.value.code == "unreadable_image"


def test_threads_of_a_decoder_start_though_processes_do_not():
    with probing() as decoder:
        assert ask(decoder, "start_threads", count=3) == {"done": 3}


def test_pictures_of_every_format_are_read_without_the_rights_of_root(make_image, tmp_path):
    from mlcore.formats import FORMATS

    tmp_path.chmod(0o755)
    for name in FORMATS:
        (tmp_path / name).write_bytes(make_image(name, size=(640, 480)))
    code = (
        "import sys; from mlcore.decoder import shared_decoder\n"
        "for path in sys.argv[1:]:\n"
        "    header = shared_decoder().read_header(path)\n"
        "    photo = shared_decoder().decode(path)\n"
        "    print(header.format, header.width, photo.image.size)"
    )
    paths = [str(tmp_path / name) for name in FORMATS]
    done = subprocess.run(
        as_somebody_else([sys.executable, "-B", "-c", code, *paths]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines() == [f"{name} 640 (640, 480)" for name in FORMATS], done.stderr
