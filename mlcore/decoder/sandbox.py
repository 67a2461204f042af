"""Giving up everything that decoding does not need, for good.

The limits of the kernel (setrlimit) work on every Unix. On Linux a seccomp filter comes on top,
which root cannot lift either: it allows only the system calls listed here, so that nothing can be
opened, connected, executed, forked or traced any more. The numbers are those of the kernel's
``asm/unistd.h``, the filter's format that of ``linux/filter.h``.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

CLONE_THREAD = 0x0001_0000
X32_BIT = 0x4000_0000

ALLOW = 0x7FFF_0000
KILL_PROCESS = 0x8000_0000
ERRNO = 0x0005_0000

LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET, FIRST_ARGUMENT_OFFSET = 0, 4, 16
"""Of ``struct seccomp_data``."""

_AUDIT_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}

# What reading memory, allocating it, and ending takes; and threads, which some decoders start.
_SYSTEM_CALLS = {
    "x86_64": {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "mmap": 9, "mprotect": 10,
        "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
        "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60,
        "getrusage": 98, "sigaltstack": 131, "gettid": 186, "futex": 202,
        "sched_getaffinity": 204, "set_tid_address": 218, "restart_syscall": 219,
        "clock_gettime": 228, "clock_nanosleep": 230, "exit_group": 231, "set_robust_list": 273,
        "getrandom": 318, "membarrier": 324, "rseq": 334, "clone": 56, "clone3": 435,
    },
    "aarch64": {
        "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222,
        "mprotect": 226, "munmap": 215, "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135,
        "rt_sigreturn": 139, "sched_yield": 124, "mremap": 216, "madvise": 233, "nanosleep": 101,
        "getpid": 172, "exit": 93, "getrusage": 165, "sigaltstack": 132, "gettid": 178,
        "futex": 98, "sched_getaffinity": 123, "set_tid_address": 96, "restart_syscall": 128,
        "clock_gettime": 113, "clock_nanosleep": 115, "exit_group": 94, "set_robust_list": 99,
        "getrandom": 278, "membarrier": 283, "rseq": 293, "clone": 220, "clone3": 435,
    },
}  # fmt: skip


_libc = ctypes.CDLL(None, use_errno=True)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _program(machine: str) -> bytes:
    """Return the filter for a processor as a list of instructions."""
    calls = dict(_SYSTEM_CALLS[machine])
    clone, clone3 = calls.pop("clone"), calls.pop("clone3")
    program = [
        _instruction(LOAD, ARCHITECTURE_OFFSET),
        _instruction(JUMP_EQUAL, _AUDIT_ARCHITECTURES[machine], if_true=1),
        _instruction(RETURN, KILL_PROCESS),
        _instruction(LOAD, NUMBER_OFFSET),
        # The second interface of x86-64 has the same architecture and other numbers.
        _instruction(JUMP_GREATER_EQUAL, X32_BIT, if_false=1),
        _instruction(RETURN, KILL_PROCESS),
    ]
    for number in calls.values():
        program += [
            _instruction(JUMP_EQUAL, number, if_false=1),
            _instruction(RETURN, ALLOW),
        ]
    program += [
        # Its arguments lie in memory, where no filter can look: libraries fall back on clone.
        _instruction(JUMP_EQUAL, clone3, if_false=1),
        _instruction(RETURN, ERRNO | errno.ENOSYS),
        _instruction(JUMP_EQUAL, clone, if_false=3),
        _instruction(LOAD, FIRST_ARGUMENT_OFFSET),
        _instruction(JUMP_SET, CLONE_THREAD, if_false=1),
        _instruction(RETURN, ALLOW),
        _instruction(RETURN, ERRNO | errno.EPERM),
    ]
    return b"".join(program)


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]


def _prctl(option: int, *arguments: int) -> int:
    """Call prctl; return 0, or the error number with which the kernel refuses it."""
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return 0 if _libc.prctl(option, *values) == 0 else ctypes.get_errno()


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent ends. ``parent`` is its expected id."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def be_killed_first() -> None:
    """Let this process and its children be the first to go where the machine's memory runs out."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")


def address_space() -> int:
    """Return the bytes of this process's address space, of which nothing can be given back."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123, runs before every picture
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def protections() -> tuple[str, ...]:
    """Return the names of the protections that this platform and its kernel offer."""
    return ("rlimits", "seccomp") if _has_filters() else ("rlimits",)


def _has_filters() -> bool:
    if sys.platform != "linux" or platform.machine() not in _SYSTEM_CALLS:
        return False
    # A kernel with filters looks for one at the address 0, and one without does not even look.
    return _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0) == errno.EFAULT


def confine(memory: int, cpu_seconds: int) -> None:
    """Give up everything; only what is mapped already can be read and written from now on.

    ``memory`` is in bytes of address space. Beyond ``cpu_seconds`` the kernel sends SIGXCPU.
    Raises OSError where a protection that this platform offers cannot be had.
    """
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    has_filter = "seccomp" in protections()
    if not has_filter:
        # The filter forbids processes and allows threads, without which HEIC cannot be decoded.
        # This limit stands in for it, though Linux counts threads by it as well.
        limits[resource.RLIMIT_NPROC] = 0
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    if not has_filter:
        return
    program = _program(platform.machine())
    instructions = _Filter(len(program) // 8, program)
    for option, *arguments in (
        (PR_SET_DUMPABLE, 0),
        (PR_SET_NO_NEW_PRIVS, 1),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(instructions)),
    ):
        if error := _prctl(option, *arguments):
            raise OSError(error, "the system call filter cannot be installed")
