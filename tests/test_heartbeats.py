"""Heartbeats tell a dead process from a living one, whatever the wall clock does."""

from datetime import timedelta

import pytest
from django.db import DatabaseError

from emotionsite import heartbeats
from emotionsite.heartbeats import INTERVAL, LATE_AFTER, STALLED_AFTER, HeartbeatMonitor, Pulse
from predictions.models import Heartbeat
from tests.support.clocks import Clock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_else_works")]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock):
    """A function that returns a monitor on the test's clocks, as each web process has one."""
    return lambda: HeartbeatMonitor(clock.monotonic, clock.now)


@pytest.fixture
def beat(clock):
    """``beat(name)`` writes what a process writes whose wall clock is the test's."""

    def beat(name: str = "beat") -> None:
        heartbeats.beat(name)
        Heartbeat.objects.filter(name=name).update(beaten_at=clock.now())

    return beat


def test_a_process_that_never_beat_is_missing(watch, beat):
    beat("maintenance")
    assert watch().statuses() == {"maintenance": "ok", "beat": "missing"}


def test_a_process_that_stops_beating_is_late(watch, beat, clock):
    monitor = watch()
    for _ in range(3):
        beat()
        assert monitor.statuses()["beat"] == "ok"
        clock.advance(INTERVAL)
    clock.advance(LATE_AFTER)
    assert monitor.statuses()["beat"] == "late"
    assert watch().statuses()["beat"] == "late", "a web process that has just started"
    beat()
    assert monitor.statuses()["beat"] == "ok"


@pytest.mark.parametrize("change", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_clock_that_is_set_makes_no_living_process_look_dead(watch, beat, clock, change):
    monitor = watch()
    beat()
    assert monitor.statuses()["beat"] == "ok"
    clock.set_wall(change)
    clock.advance(INTERVAL)
    assert monitor.statuses()["beat"] == "ok"
    beat()
    assert monitor.statuses()["beat"] == "ok"
    assert watch().statuses()["beat"] == "ok"


@pytest.mark.parametrize("change", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_new_reader_is_wrong_for_one_beat_at_most(watch, beat, clock, change):
    beat()
    clock.set_wall(change)
    monitor = watch()
    monitor.statuses()
    clock.advance(INTERVAL)
    beat()
    assert monitor.statuses()["beat"] == "ok"


def test_a_clock_that_is_set_revives_no_dead_process(watch, beat, clock):
    beat()
    clock.advance(3600)
    clock.set_wall(timedelta(hours=-1))
    monitor = watch()
    monitor.statuses()
    clock.advance(LATE_AFTER + 1)
    assert monitor.statuses()["beat"] == "late"


def test_a_reader_that_was_not_asked_for_an_hour_trusts_no_old_count(watch, beat, clock):
    monitor = watch()
    beat()
    monitor.statuses()
    clock.advance(60)
    beat()
    clock.advance(3600)
    assert monitor.statuses()["beat"] == "late"


def test_a_process_beats_only_while_its_main_loop_turns(clock, monkeypatch):
    monkeypatch.setattr(Pulse, "_run", lambda pulse: None)  # No thread: the test calls it.
    pulse = Pulse("beat", clock.monotonic)
    pulse.turn()
    assert pulse.beat_if_turning()
    assert pulse.beat_if_turning()
    assert Heartbeat.objects.get(name="beat").counter == 1
    clock.advance(STALLED_AFTER + 1)
    assert not pulse.beat_if_turning()
    pulse.turn()
    assert pulse.beat_if_turning()
    assert Heartbeat.objects.get(name="beat").counter == 2


def test_a_database_that_is_away_costs_a_beat_and_no_more(clock, monkeypatch):
    def fail(name):
        raise DatabaseError("database is locked")

    pulse = Pulse("beat", clock.monotonic)
    with monkeypatch.context() as patch:
        patch.setattr(heartbeats, "beat", fail)
        assert not pulse.beat_if_turning()
    assert pulse.beat_if_turning()
