"""Beat sends what is due on a clock that nobody can set, and survives its broker."""

import os
from datetime import timedelta

import pytest
import redis
from celery import Celery
from celery.schedules import crontab
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from structlog.testing import capture_logs

from emotionsite.beat import MAX_UNREAD, MonotonicScheduler
from emotionsite.celery import BrokerProtocol
from tests.support.clocks import Clock

SCHEDULE = {
    "often": {"task": "often", "schedule": 5.0},
    "seldom": {"task": "seldom", "schedule": 60.0},
    "elsewhere": {"task": "elsewhere", "schedule": 5.0},
}


class CountingPulse:
    turns = 0

    def turn(self) -> None:
        self.turns += 1


class Beat:
    """A scheduler on a real broker, whose queues a test reads."""

    def __init__(self, url: str, schedule: dict = SCHEDULE) -> None:
        self.app = Celery("beat", broker=url, amqp=BrokerProtocol, set_as_current=False)
        self.app.conf.update(
            beat_schedule=schedule,
            broker_transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
            task_routes={"elsewhere": {"queue": "test-slow"}},
            task_default_queue="test-quick",
        )
        self.clock, self.pulse = Clock(), CountingPulse()
        self.scheduler = MonotonicScheduler(self.app, clock=self.clock.monotonic, pulse=self.pulse)
        self._broker = redis.Redis.from_url(url)

    def waiting(self, queue: str = "test-quick") -> int:
        return self._broker.llen(queue)

    def read(self, queue: str = "test-quick") -> None:
        self._broker.delete(queue)

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            assert 0 < self.scheduler.tick() <= 1
            self.clock.advance(1)

    def close(self) -> None:
        self.read()
        self.read("test-slow")
        self._broker.close()
        self.app.close()


@pytest.fixture
def beat(redis_server):
    beat = Beat(os.environ["REDIS_URL"])
    beat.read()
    beat.read("test-slow")
    yield beat
    redis_server.start()
    beat.close()


def test_everything_is_sent_at_start_and_then_once_per_interval(beat):
    beat.pass_seconds(1)
    assert (beat.waiting(), beat.waiting("test-slow")) == (2, 1)
    beat.pass_seconds(4)
    assert (beat.waiting(), beat.waiting("test-slow")) == (2, 1)
    beat.pass_seconds(1)
    assert (beat.waiting(), beat.waiting("test-slow")) == (3, 2)
    beat.pass_seconds(55)
    assert beat.waiting() == 2 + 12 + 1


@pytest.mark.parametrize("change", [timedelta(hours=-1), timedelta(hours=1)])
def test_schedules_go_on_when_the_clock_is_set(beat, change, monkeypatch):
    beat.pass_seconds(3)
    now = beat.app.now
    monkeypatch.setattr(beat.app, "now", lambda: now() + change)
    before = beat.waiting("test-slow")
    beat.pass_seconds(20)
    assert beat.waiting("test-slow") == before + 4


def test_nothing_is_added_to_a_queue_that_nobody_reads(beat):
    for _ in range(60):
        beat.read()
        beat.pass_seconds(5)
    assert beat.waiting("test-slow") == MAX_UNREAD
    assert beat.waiting() > 0, "the other queue is read"
    beat.read("test-slow")
    beat.pass_seconds(2)
    assert beat.waiting("test-slow") == 1, "sent within a second of there being room"


def test_a_broker_that_is_away_is_outlived(beat, redis_server):
    beat.pass_seconds(1)
    redis_server.stop()
    turns = beat.pulse.turns
    beat.pass_seconds(12)
    assert beat.pulse.turns == turns + 12, "beat itself is well"
    redis_server.start()
    beat.read("test-slow")
    beat.pass_seconds(3)  # A connection from before fails once.
    assert beat.waiting("test-slow") == 1, "and what was missed is not caught up on"


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("refused"),
        redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        RuntimeError("something else"),
    ],
)
def test_what_cannot_be_sent_is_tried_once_a_second_and_logged_once(beat, monkeypatch, error):
    attempts = []

    def fail(task, *_args, **_options):
        attempts.append(task)
        raise error

    monkeypatch.setattr(beat.app, "send_task", fail)
    with capture_logs() as logs:
        elapsed = 0.0
        while elapsed < 10:
            slept = beat.scheduler.tick()
            beat.clock.advance(slept)
            elapsed += slept
    assert len(SCHEDULE) * 9 <= len(attempts) <= len(SCHEDULE) * 11
    assert len(logs) == 1

    monkeypatch.undo()
    beat.pass_seconds(2)
    assert beat.waiting("test-slow") == 1, "sent as soon as it can be"


def test_a_queue_that_is_full_is_looked_at_once_a_second(beat, monkeypatch):
    looks = []
    monkeypatch.setattr(beat.scheduler, "_unread", lambda entry: looks.append(entry) or MAX_UNREAD)
    elapsed = 0.0
    while elapsed < 10:
        slept = beat.scheduler.tick()
        beat.clock.advance(slept)
        elapsed += slept
    assert len(looks) <= len(SCHEDULE) * 11


def test_a_schedule_of_the_wall_clock_is_refused(redis_server):
    schedule = {"nightly": {"task": "nightly", "schedule": crontab(hour=4)}}
    with pytest.raises(ImproperlyConfigured, match="nightly must be a number of seconds"):
        Beat(os.environ["REDIS_URL"], schedule)


def test_every_task_of_the_schedule_exists_and_only_deliveries_leave_maintenance():
    from emotionsite.celery import app

    app.loader.import_default_modules()
    queues = {}
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
        queues[entry["task"]] = app.amqp.router.route({}, entry["task"])["queue"].name
    assert queues.pop("webhooks.deliver") == "deliveries"
    assert set(queues.values()) == {"maintenance"}
