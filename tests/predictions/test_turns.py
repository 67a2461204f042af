"""Users take turns, on a real database file."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from emotionsite.accounts.models import User
from predictions import services, turns
from predictions.models import ExplanationRequest, Photo, Prediction, Status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user():
    """A function that makes a user."""
    return lambda name: User.objects.create_user(name, f"{name}@example.org")


@pytest.fixture
def enqueue():
    """``enqueue(owner, name, urgent=False)`` queues a record; no test looks at its photo."""

    def enqueue(owner, name: str, *, urgent: bool = False) -> Prediction:
        photo = Photo.objects.create(name=name, sha256="0" * 64, bytes=1, width=9, height=9)
        place = turns.place(Prediction, owner and owner.pk, urgent=urgent)
        return Prediction.objects.create(owner=owner, photo=photo, **place)

    return enqueue


def served(count: int = 1000) -> list[str]:
    """Claim up to ``count`` predictions and return their photos' names."""
    names = []
    while len(names) < count and (prediction := services.claim("task")):
        names.append(prediction.photo.name)
    return names


def test_a_batch_is_served_in_the_order_in_which_it_was_queued(user, enqueue):
    ada = user("ada")
    for number in range(5):
        enqueue(ada, str(number))
    assert served() == ["0", "1", "2", "3", "4"]


def test_users_take_turns(user, enqueue):
    ada, bob, cleo = user("ada"), user("bob"), user("cleo")
    for number in range(6):
        enqueue(ada, f"a{number}")
    for number in range(3):
        enqueue(bob, f"b{number}")
    enqueue(cleo, "c0")
    assert served() == ["a0", "b0", "c0", "a1", "b1", "a2", "b2", "a3", "a4", "a5"]


def test_who_comes_later_has_no_turns_to_make_up_for(user, enqueue):
    ada, bob = user("ada"), user("bob")
    for number in range(6):
        enqueue(ada, f"a{number}")
    assert served(3) == ["a0", "a1", "a2"]
    for number in range(3):
        enqueue(bob, f"b{number}")
    assert served() == ["a3", "b0", "a4", "b1", "a5", "b2"]


def test_the_gallery_takes_turns_like_a_user(user, enqueue):
    ada = user("ada")
    for number in range(3):
        enqueue(None, f"g{number}")
        enqueue(ada, f"a{number}")
    assert served() == ["g0", "a0", "g1", "a1", "g2", "a2"]


def test_an_urgent_photo_goes_before_its_owners_batch_and_takes_no_turn_of_others(user, enqueue):
    ada, bob = user("ada"), user("bob")
    for number in range(4):
        enqueue(ada, f"a{number}")
        enqueue(bob, f"b{number}")
    enqueue(ada, "urgent 1", urgent=True)
    enqueue(ada, "urgent 2", urgent=True)
    assert served() == [
        *("urgent 1", "b0", "urgent 2", "b1", "a0", "b2", "a1", "b3", "a2", "a3"),
    ]


def test_a_photo_becomes_urgent_while_it_waits(user, enqueue):
    ada = user("ada")
    batch = [enqueue(ada, str(number)) for number in range(4)]
    services.prioritise(batch[2])
    assert served() == ["2", "0", "1", "3"]


def test_a_delayed_photo_lets_others_pass_and_keeps_its_place(user, enqueue):
    ada = user("ada")
    first, _second, _third = (enqueue(ada, str(number)) for number in range(3))
    delayed = Prediction.objects.filter(pk=first.pk)
    delayed.update(not_before=timezone.now() + timedelta(seconds=30))
    assert served(1) == ["1"]
    delayed.update(not_before=timezone.now())
    assert served() == ["0", "2"]


def test_a_retry_time_from_a_clock_that_was_wrong_is_ignored(user, enqueue):
    prediction = enqueue(user("ada"), "photo")
    Prediction.objects.update(not_before=timezone.now() + timedelta(hours=1))
    assert services.claim("task").pk == prediction.pk


def test_positions_are_those_in_which_photos_are_served(user, enqueue):
    ada, bob, cleo = user("ada"), user("bob"), user("cleo")
    for number in range(7):
        enqueue(ada, f"a{number}")
    for number in range(3):
        enqueue(bob, f"b{number}")
    enqueue(cleo, "c0")
    enqueue(ada, "urgent", urgent=True)
    served(2)
    waiting = list(Prediction.objects.filter(status=Status.QUEUED).select_related("photo"))
    told = turns.positions(waiting)
    by_position = sorted(waiting, key=lambda prediction: told[prediction.pk])
    assert sorted(told.values()) == list(range(10))
    assert [prediction.photo.name for prediction in by_position] == served()


def test_what_does_not_wait_has_no_position(user, enqueue):
    enqueue(user("ada"), "photo")
    claimed = services.claim("task")
    assert turns.positions([claimed]) == {}


def test_the_wait_is_estimated_from_recent_analyses(user, enqueue):
    ada = user("ada")
    assert turns.seconds_until(3) is None, "there is no experience yet"
    for number in range(3):
        enqueue(ada, str(number))
    now = timezone.now()
    for _time in range(3):
        done = services.claim("task")
        Prediction.objects.filter(pk=done.pk).update(
            status=Status.SUCCEEDED, started_at=now - timedelta(seconds=2), finished_at=now
        )
    assert turns.seconds_until(0) == pytest.approx(2)
    assert turns.seconds_until(4) == pytest.approx(10)


def test_explanations_take_turns_too(user, enqueue):
    ada, bob = user("ada"), user("bob")
    for owner, count in ((ada, 3), (bob, 1)):
        prediction = enqueue(owner, owner.username)
        for index in range(count):
            place = turns.place(ExplanationRequest, owner.pk)
            ExplanationRequest.objects.create(
                prediction=prediction, index=index, owner=owner, **place
            )
    order = []
    while request := turns.claim(ExplanationRequest, "lease"):
        order.append((request.owner.username, request.index))
    assert order == [("ada", 0), ("bob", 0), ("ada", 1), ("ada", 2)]


def test_workers_that_claim_at_the_same_moment_get_different_photos(user, enqueue):
    ada, bob = user("ada"), user("bob")
    names = {enqueue(owner, f"{owner}{n}").photo.name for n in range(10) for owner in (ada, bob)}
    claimed: list[str] = []

    def work() -> None:
        while prediction := services.claim("task"):
            claimed.append(prediction.photo.name)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(names)


def test_a_claim_reads_indexes_only_where_very_many_wait(user, enqueue):
    ada = user("ada")
    enqueue(ada, "photo")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        services.claim("task")
    chosen = [query["sql"] for query in queries if "ORDER BY" in query["sql"]]
    assert len(chosen) == 2
    for sql in chosen:
        with connection.cursor() as cursor:
            explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
            cursor.execute(explain + sql)
            plan = " ".join(str(row) for row in cursor.fetchall())
        if connection.vendor == "sqlite":
            assert "USING INDEX prediction_turn" in plan or "prediction_owner_next" in plan
            assert "TEMP B-TREE" not in plan
