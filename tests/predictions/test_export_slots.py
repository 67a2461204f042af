"""Files that are sent: counted for each user across processes, and limited in each process."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from emotionsite.accounts.models import User
from predictions import export_slots, quotas
from predictions.export_slots import Slots
from predictions.models import RunningExport
from predictions.quotas import QuotaExceeded
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def iter_forever():
    while True:
        yield "line"


@pytest.fixture
def ada():
    return User.objects.create_user("ada", "ada@example.org")


@pytest.fixture
def bob():
    return User.objects.create_user("bob", "bob@example.org")


@pytest.fixture
def take():
    """``take(slots, owner)`` takes a slot; all are given back in the end."""
    taken = []

    def take(slots, owner):
        if export := slots.take(owner, iter_forever()):
            taken.append(export)
        return export

    yield take
    for export in taken:
        export.close()


def test_a_reader_who_leaves_gives_the_place_back_once(ada, bob, take):
    slots = Slots(1)
    left = take(slots, ada)
    assert take(slots, bob) is None
    assert next(iter(left)) == "line"
    left.close()
    left.close()
    assert take(slots, bob)
    assert take(slots, ada) is None
    assert quotas.exports(ada).used == 0, "what was refused does not count"


def test_other_processes_count_and_other_users_do_not(ada, bob, take, settings):
    settings.QUOTA_EXPORTS = 2
    take(Slots(4), ada)
    take(Slots(4), ada)
    slots = Slots(4)
    with pytest.raises(QuotaExceeded) as refusal:
        take(slots, ada)
    refused = refusal.value
    assert (refused.quota, refused.used, refused.limit) == ("exports", 2, 2)
    assert refused.retry_after > 0
    assert all(take(slots, bob) for _ in range(2)), "a refusal takes no place of the process"


def test_without_a_quota_each_process_keeps_its_own_limit(ada, take, settings):
    settings.QUOTA_EXPORTS = 0
    slots = Slots(4)
    assert [bool(take(slots, ada)) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("age", [timedelta(seconds=50), timedelta(hours=-1)])
def test_what_a_killed_process_sent_is_forgotten_within_a_minute(ada, take, settings, age):
    settings.QUOTA_EXPORTS = 1
    quotas.start_export(ada)
    with pytest.raises(QuotaExceeded):
        take(Slots(2), ada)
    RunningExport.objects.update(seen_at=timezone.now() - age)
    assert quotas.exports(ada).used == 0
    assert take(Slots(2), ada)
    assert RunningExport.objects.count() == 1


def test_a_slow_reader_goes_on_counting(ada, take, monkeypatch):
    monkeypatch.setattr(export_slots, "RENEWAL_INTERVAL", 0.05)
    take(Slots(2), ada)
    RunningExport.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    wait_until(lambda: quotas.exports(ada).used == 1, 20)


def test_an_export_goes_on_though_its_account_is_deleted(ada, take):
    export = take(Slots(2), ada)
    ada.delete()
    assert next(iter(export)) == "line"
    export.close()
    assert not RunningExport.objects.exists()


def test_requests_at_the_same_time_do_not_pass_the_quota_together(ada, settings):
    settings.QUOTA_EXPORTS = 2
    barrier = threading.Barrier(6)

    def start(_number: int) -> bool:
        try:
            barrier.wait(20)
            quotas.start_export(ada)
        except QuotaExceeded:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(6) as threads:
        started = list(threads.map(start, range(6)))
    assert started.count(True) == quotas.exports(ada).used == 2
