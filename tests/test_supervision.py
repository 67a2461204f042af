"""Children that end are started again, a little later each time, and leave nothing behind."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from emotionsite.processes import Processes, Supervisor
from tests.support.clocks import Clock
from tests.support.waiting import wait_until

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


class Stage:
    """A supervised child ``it``, on a clock that the test moves."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.starts = 0
        self.clock = Clock()
        self.processes = Processes()
        self.fail: OSError | None = None
        self.start()
        self.supervisor = Supervisor(self.processes, {"it": self.start}, self.clock.monotonic)

    def start(self) -> None:
        if self.fail:
            raise self.fail
        self.starts += 1
        self.child = self.processes.start("it", self.command)

    def end_child(self) -> None:
        """Let the child be dead, and the supervisor know it."""
        self.child.kill()
        self.child.wait()
        self.supervisor.step()

    def seconds_until_start(self) -> int:
        starts, seconds = self.starts, 0
        while self.starts == starts:
            self.clock.advance(1)
            seconds += 1
            assert seconds < 100
            self.supervisor.step()
        return seconds


@pytest.fixture
def stage():
    stage = Stage(FOREVER)
    yield stage
    stage.processes.stop("it")


def test_each_end_is_followed_by_a_longer_pause(stage):
    pauses = []
    for _ in range(7):
        stage.end_child()
        pauses.append(stage.seconds_until_start())
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert "it" in stage.processes


def test_a_child_that_stayed_up_for_a_minute_is_started_again_soon(stage):
    for _ in range(4):
        stage.end_child()
        stage.seconds_until_start()
    stage.clock.advance(61)
    stage.supervisor.step()
    stage.end_child()
    assert stage.seconds_until_start() == 1


def test_a_child_that_cannot_be_started_is_tried_again(stage):
    stage.fail = OSError("no memory")
    stage.end_child()
    for _ in range(10):
        stage.clock.advance(1)
        stage.supervisor.step()
    assert stage.starts == 1
    stage.fail = None
    stage.seconds_until_start()
    assert "it" in stage.processes


def test_an_end_is_reported_with_name_and_status(stage, caplog):
    stage.end_child()
    stage.seconds_until_start()
    ended, restarted = (record.getMessage() for record in caplog.records)
    for word in ("process ended", "it", "-9"):
        assert word in ended
    assert "process restarted" in restarted


def test_what_a_dead_child_had_started_is_killed_before_it_is_started_again(stage, tmp_path):
    stage.processes.stop("it")
    script = (
        "import pathlib, subprocess, sys, time\n"
        f"child = subprocess.Popen({FOREVER!r})\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    stage.command = [sys.executable, "-c", script]
    stage.start()
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 30)
    grandchild = psutil.Process(int((tmp_path / "pid").read_text()))
    stage.end_child()
    wait_until(lambda: not alive(grandchild), 30)
    assert stage.starts == 2, "not started again yet"


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans over")
def test_orphans_are_adopted_reaped_and_killed(tmp_path):
    program = f"""
import subprocess, sys, time
from pathlib import Path
from emotionsite.processes import Processes, adopt_orphans

FOREVER = {FOREVER!r}
adopt_orphans()
processes = Processes()
# It ends at once. What it has started has a session of its own, and so no group that is killed.
quick = [sys.executable, "-c", "import subprocess, sys; subprocess.Popen("
         "[sys.executable, '-c', ''], start_new_session=True); "
         "subprocess.Popen(" + repr(FOREVER) + ", start_new_session=True)"]
processes.start("quick", quick).wait()
deadline = time.monotonic() + 30
while len(processes._adopted()) > 1:
    processes.reap_adopted()
    assert time.monotonic() < deadline
    time.sleep(0.01)
(left,) = processes._adopted()
processes.kill_adopted()
print(left, processes._adopted())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
    )
    pid, nothing = done.stdout.split(maxsplit=1)
    assert nothing == "set()\n", done.stderr
    assert not psutil.pid_exists(int(pid))


def test_a_child_does_not_outlive_a_killed_parent(tmp_path):
    if sys.platform != "linux":
        pytest.skip("only Linux tells children of the death")
    program = f"""
import signal, time
from emotionsite.processes import Processes
child = Processes().start("it", {FOREVER!r}, orphan_signal=signal.SIGKILL)
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 30
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)
