"""What the sweep brings back, with a real broker and without a worker that would hide it."""

import pytest
import redis
from django.utils import timezone

from predictions import recovery, services
from predictions.models import Prediction, Status
from tests.support import steps

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(redis_server) -> redis.Redis:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
        yield client
        client.flushdb()


def waiting_tasks(broker: redis.Redis) -> int:
    return broker.llen("celery")


def test_a_photo_that_the_broker_never_took_gets_a_task(
    owner, submit, make_image, broker, redis_server
):
    redis_server.stop()
    submit(owner, make_image())
    redis_server.start()
    assert waiting_tasks(broker) == 0
    recovery.sweep()
    assert waiting_tasks(broker) == 1
    recovery.sweep()
    assert waiting_tasks(broker) == 1


def test_tasks_that_the_broker_lost_are_replaced(owner, submit, make_image, broker):
    for number in range(5):
        submit(owner, make_image(size=(50 + number, 50)))
    for _lost in range(3):
        broker.lpop("celery")
    recovery.sweep()
    assert waiting_tasks(broker) == 5


def test_a_delayed_photo_gets_its_task_when_its_pause_is_over(owner, submit, make_image, broker):
    prediction = steps.claim(submit(owner, make_image()).pk)
    broker.flushdb()
    services.fail_or_requeue(prediction, "internal_error")
    recovery.sweep()
    assert waiting_tasks(broker) == 0
    Prediction.objects.update(not_before=timezone.now())
    recovery.sweep()
    assert waiting_tasks(broker) == 1


def test_one_sweep_fills_the_broker_no_further_than_it_must(
    owner, submit, make_image, broker, monkeypatch
):
    monkeypatch.setattr(recovery, "MAX_WAKEUPS", 2)
    for number in range(4):
        submit(owner, make_image(size=(50 + number, 50)))
    broker.flushdb()
    for _sweep in range(2):
        recovery.sweep()
        assert waiting_tasks(broker) == 2


def test_a_photo_that_cannot_be_freed_keeps_no_other_waiting(
    owner, submit, make_image, broker, monkeypatch
):
    lost = [steps.claim(submit(owner, make_image(size=(50 + n, 50))).pk) for n in range(3)]
    monkeypatch.setattr(recovery._monitors[Prediction], "lapsed", lambda model: lost)
    free = services.handle_lease_lapsed

    def fail_for_the_first(prediction):
        if prediction.pk == lost[0].pk:
            raise RuntimeError("a receiver is broken")
        free(prediction)

    monkeypatch.setattr(services, "handle_lease_lapsed", fail_for_the_first)
    recovery.sweep()
    statuses = Prediction.objects.in_bulk([prediction.pk for prediction in lost])
    assert [statuses[prediction.pk].status for prediction in lost] == [
        Status.RUNNING,
        Status.QUEUED,
        Status.QUEUED,
    ]


def test_sweep_without_a_broker_changes_nothing(owner, submit, make_image, broker, redis_server):
    prediction = submit(owner, make_image())
    redis_server.stop()
    recovery.sweep()
    redis_server.start()
    prediction.refresh_from_db()
    assert prediction.status == Status.QUEUED


def test_sweep_leaves_finished_predictions_alone(owner, submit, make_image, broker):
    prediction = submit(owner, make_image())
    services.cancel(prediction)
    broker.flushdb()
    recovery.sweep()
    prediction.refresh_from_db()
    assert prediction.status == Status.CANCELED
    assert waiting_tasks(broker) == 0
