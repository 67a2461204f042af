"""Everything that may go wrong with a site: each fault is a function that makes it happen.

A fault runs while clients send photos, and has passed when its function returns.
"""

import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.faults.clients import Client
from tests.faults.site import Site, SiteFailed
from tests.support import hostile
from tests.support.mutations import originals


@dataclass(frozen=True)
class Stage:
    """Where a fault happens: the site, its users, and the chance that decides the details."""

    site: Site
    clients: list[Client]
    chance: random.Random


@dataclass(frozen=True)
class Fault:
    """One fault.

    ``database`` is the only kind that has it, ``needs_disk`` whether it needs a file system of its
    own; ``leaves_files`` and ``may_fail`` are those of `invariant.check`. ``is_quick`` chooses it
    for the short form.
    """

    run: Callable[[Stage], None]
    database: str = ""
    needs_disk: bool = False
    leaves_files: bool = False
    may_fail: frozenset[str] = frozenset()
    is_quick: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", " ")

    def skipped(self, site: Site) -> str:
        """Say why it cannot happen to this site; "" where it can."""
        if self.database and self.database != site.database.kind:
            return f"only on {self.database}"
        return site.disk if self.needs_disk else ""


FAULTS: list[Fault] = []


def fault(**options) -> Callable:
    """Register a function as a fault; the options are the fields of `Fault`."""

    def register(run: Callable[[Stage], None]) -> Callable[[Stage], None]:
        FAULTS.append(Fault(run, **options))
        return run

    return register


# --- processes ------------------------------------------------------------------------------------


def _kill(stage: Stage, kind: str, times: int = 1) -> None:
    for _time in range(times):
        deadline = time.monotonic() + 40
        while not stage.site.signal(kind):
            if time.monotonic() > deadline:
                raise SiteFailed(f"after 40 s no {kind} runs: {stage.site.missing()}")
            time.sleep(0.2)
        time.sleep(stage.chance.uniform(2, 4))


@fault(leaves_files=True)
def kill_the_web_server(stage: Stage) -> None:
    _kill(stage, "web")


@fault(leaves_files=True, is_quick=True)
def kill_the_processes_of_the_web_server(stage: Stage) -> None:
    _kill(stage, "web process", times=2)


@fault(leaves_files=True)
def kill_the_worker(stage: Stage) -> None:
    _kill(stage, "worker")


@fault(leaves_files=True, is_quick=True)
def kill_the_processes_of_the_worker(stage: Stage) -> None:
    _kill(stage, "worker process", times=2)


@fault(leaves_files=True)
def kill_worker_and_maintenance(stage: Stage) -> None:
    stage.site.signal("maintenance")
    _kill(stage, "worker")


@fault()
def kill_maintenance(stage: Stage) -> None:
    _kill(stage, "maintenance")


@fault()
def kill_beat(stage: Stage) -> None:
    _kill(stage, "beat")


@fault()
def kill_the_deliveries_worker(stage: Stage) -> None:
    _kill(stage, "deliveries")


@fault()
def kill_redis(stage: Stage) -> None:
    _kill(stage, "redis")


@fault()
def kill_decoders(stage: Stage) -> None:
    """As often as one is seen: they may live for one picture only."""
    end, killed = time.monotonic() + 6, 0
    while time.monotonic() < end and killed < 5:
        for process in stage.site.processes().get("decoder", [])[-1:]:
            with suppress(psutil.Error):
                process.kill()
                killed += 1
        time.sleep(0.5)


@fault(leaves_files=True)
def kill_everything(stage: Stage) -> None:
    """Kill what `make run` runs, which takes the rest along, and start it again."""
    left = stage.site.kill_runner()
    if left:
        raise SiteFailed("It has left running: " + "; ".join(left))
    stage.site.start()


@fault()
def pause_a_process_of_the_worker(stage: Stage) -> None:
    """Longer than a lease lasts: when it continues, another one holds its photo."""
    with suppress(IndexError):
        process = stage.site.processes()["worker process"][-1]
        process.suspend()
        time.sleep(20)
        process.resume()


@fault()
def pause_redis(stage: Stage) -> None:
    stage.site.signal("redis", signal.SIGSTOP)
    time.sleep(6)
    stage.site.signal("redis", signal.SIGCONT)


# --- broker ---------------------------------------------------------------------------------------


@fault(is_quick=True)
def empty_redis(stage: Stage) -> None:
    for _time in range(3):
        with stage.site.redis() as redis:
            redis.flushall()
        time.sleep(stage.chance.uniform(0.5, 2))


SEND_EVERY_TASK = """
from emotionsite.celery import app
app.loader.import_default_modules()
for name in sorted(app.tasks):
    if not name.startswith("celery."):
        for _time in range(5):
            app.send_task(name)
        print(name)
"""


@fault(is_quick=True)
def send_every_task_several_times(stage: Stage) -> None:
    if "predictions.analyse" not in stage.site.shell(SEND_EVERY_TASK):
        raise SiteFailed("there is no task that analyses")
    time.sleep(2)


# --- storage and disk -----------------------------------------------------------------------------


@fault(is_quick=True, leaves_files=True)
def storage_fails(stage: Stage) -> None:
    with stage.site.trouble(share=1.0):
        time.sleep(6)


@fault(leaves_files=True)
def storage_fails_now_and_then(stage: Stage) -> None:
    with stage.site.trouble(share=0.3):
        time.sleep(8)


@fault(leaves_files=True)
def storage_is_read_only(stage: Stage) -> None:
    with stage.site.trouble(share=1.0, error="EROFS", writes_only=True):
        time.sleep(8)


@fault()
def storage_is_slow(stage: Stage) -> None:
    with stage.site.trouble(delay=1.5):
        time.sleep(10)


@fault(needs_disk=True, leaves_files=True)
def disk_is_full(stage: Stage) -> None:
    with stage.site.full_disk():
        time.sleep(8)


# --- clock ----------------------------------------------------------------------------------------


@fault(leaves_files=True)
def clock_goes_back(stage: Stage) -> None:
    with stage.site.clock(-3600):
        time.sleep(5)
        stage.site.signal("worker process")
        time.sleep(5)


@fault(leaves_files=True)
def clock_goes_forward(stage: Stage) -> None:
    with stage.site.clock(3600):
        time.sleep(5)
        stage.site.signal("worker process")
        time.sleep(5)


# --- database -------------------------------------------------------------------------------------


@fault(leaves_files=True)
def database_is_locked(stage: Stage) -> None:
    """Longer than anybody waits for a lock."""
    stage.site.database.lock(25)


@fault()
def database_is_locked_for_a_moment(stage: Stage) -> None:
    stage.site.database.lock(4)


@fault(database="postgresql", leaves_files=True)
def database_connections_are_cut(stage: Stage) -> None:
    for _time in range(12):
        stage.site.database.cut_connections()
        time.sleep(stage.chance.uniform(0.2, 1))


@fault(database="postgresql", leaves_files=True)
def database_server_is_killed(stage: Stage) -> None:
    stage.site.database.kill_and_restart()
    time.sleep(3)


# --- model ----------------------------------------------------------------------------------------


def _without_model(stage: Stage, replace: Callable[[], None]) -> None:
    model = stage.site.model
    aside = model.with_suffix(".aside")
    model.rename(aside)
    try:
        replace()
        # What runs has the network in its memory; what starts now has none.
        stage.site.signal("worker process")
        time.sleep(8)
    finally:
        aside.replace(model)


@fault(leaves_files=True)
def model_file_is_missing(stage: Stage) -> None:
    _without_model(stage, lambda: None)


@fault(leaves_files=True)
def model_file_is_empty(stage: Stage) -> None:
    _without_model(stage, stage.site.model.touch)


# --- what clients send ----------------------------------------------------------------------------


HOSTILE = (
    *(hostile.png_of_empty_chunks, hostile.png_of_exif_chunks, hostile.png_of_huge_canvas),
    *(hostile.jpeg_of_empty_markers, hostile.jpeg_of_scans, hostile.gif_of_comment),
    *(hostile.tiff_of_shared_bytes, hostile.tiff_of_many_tags, hostile.webp_of_chunks),
    *(hostile.avif_of_items, hostile.heif_of_overlays, hostile.bmp_of_wide_rows),
)


@fault(is_quick=True)
def bad_files(stage: Stage) -> None:
    """One user sends pictures that were made to hurt, and halves; the others notice nothing."""
    sender = stage.clients[0]
    for make in stage.chance.sample(HOSTILE, len(HOSTILE)):
        sender.send_bad_file(make())
    for content in originals().values():
        sender.send_bad_file(content[: len(content) // 2])


@fault(is_quick=True)
def uploads_break_off(stage: Stage) -> None:
    """The body ends before its Content-Length: nothing of it is stored."""
    for client in stage.clients:
        for _time in range(3):
            client.send_part(stage.chance.uniform(0.1, 0.95))


@fault(leaves_files=True)
def two_faults_at_once(stage: Stage) -> None:
    """Processes die while the storage is in trouble."""
    with stage.site.trouble(delay=0.3, share=0.2):
        thread = threading.Thread(target=_kill, args=[stage, "worker process", 2])
        thread.start()
        _kill(stage, "web process")
        thread.join()
