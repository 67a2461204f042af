"""Whoever holds a photo counts; what has stopped counting is given to another worker."""

import time

import pytest
from django.db import OperationalError

from predictions import leases, recovery, services
from predictions.leases import LEASE_TIMEOUT, LeaseMonitor, hold
from predictions.models import Prediction, Status
from tests.support import steps
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def monitor(clock, monkeypatch) -> LeaseMonitor:
    monitor = LeaseMonitor(clock)
    monkeypatch.setitem(recovery._monitors, Prediction, monitor)
    return monitor


@pytest.fixture
def running(owner, submit, make_image) -> Prediction:
    return steps.claim(submit(owner, make_image()).pk)


def count(prediction: Prediction) -> int:
    return Prediction.objects.values_list("lease_count", flat=True).get(pk=prediction.pk)


def test_the_holder_counts_until_its_work_ends(running):
    with hold(running, interval=0.01):
        wait_until(lambda: count(running) >= 3, 10)
    ended = count(running)
    time.sleep(0.1)
    assert count(running) == ended


def test_who_has_lost_the_lease_stops_counting(running):
    with hold(running, interval=0.01):
        wait_until(lambda: count(running) >= 1, 10)
        services.cancel(running)
        services.rerun(running)
        other = steps.claim(running.pk)
        time.sleep(0.2)
        assert count(other) == 0


def test_counting_survives_a_database_that_is_away_for_a_moment(running, monkeypatch):
    calls = []

    def flaky(entry):
        calls.append(entry)
        if len(calls) < 3:
            raise OperationalError("server closed the connection")
        return real(entry)

    real = leases.leased
    monkeypatch.setattr(leases, "leased", flaky)
    with hold(running, interval=0.01):
        wait_until(lambda: count(running) >= 1, 10)


def test_a_count_that_stands_still_lapses(running, monitor, clock):
    assert monitor.lapsed(Prediction) == []
    clock.now += LEASE_TIMEOUT - 1
    assert monitor.lapsed(Prediction) == []
    clock.now += 1
    assert monitor.lapsed(Prediction) == [running]


def test_a_count_that_moves_does_not_lapse(running, monitor, clock):
    for number in range(5):
        Prediction.objects.update(lease_count=number)
        assert monitor.lapsed(Prediction) == []
        clock.now += LEASE_TIMEOUT


def test_a_new_attempt_starts_a_new_watch(running, monitor, clock):
    monitor.lapsed(Prediction)
    clock.now += LEASE_TIMEOUT - 1
    steps.lose(running.pk)
    steps.claim(running.pk)
    clock.now += 2
    assert monitor.lapsed(Prediction) == []


def test_a_lapsed_photo_is_queued_again_and_given_up_after_its_last_attempt(
    running, monitor, clock
):
    for attempt in range(1, services.MAX_ATTEMPTS + 1):
        recovery.sweep()
        clock.now += LEASE_TIMEOUT
        recovery.sweep()
        running.refresh_from_db()
        assert (running.status == Status.QUEUED) == (attempt < services.MAX_ATTEMPTS)
        if running.status == Status.QUEUED:
            assert steps.claim(running.pk).attempts == attempt + 1
    assert (running.status, running.error_code) == (Status.FAILED, "worker_lost")
    services.rerun(running)
    assert steps.claim(running.pk).attempts == 1


def test_a_holder_that_counts_on_at_the_last_moment_keeps_the_photo(running, monitor, clock):
    monitor.lapsed(Prediction)
    clock.now += LEASE_TIMEOUT
    (lapsed,) = monitor.lapsed(Prediction)
    Prediction.objects.update(lease_count=1)
    services.handle_lease_lapsed(lapsed)
    running.refresh_from_db()
    assert running.status == Status.RUNNING


def test_a_killed_process_is_told_apart_by_its_task(owner, submit, make_image):
    lost = steps.claim(submit(owner, make_image(size=(50, 50))).pk, "task-1")
    other = steps.claim(submit(owner, make_image(size=(60, 60))).pk, "task-10")
    services.handle_worker_lost("task-1")
    lost.refresh_from_db()
    other.refresh_from_db()
    assert (lost.status, other.status) == (Status.QUEUED, Status.RUNNING)
