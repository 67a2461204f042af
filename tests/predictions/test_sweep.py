"""What the sweep brings back, with a real broker and without a worker that would hide it."""

from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from predictions import recovery, services
from predictions.models import Prediction, Status

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(minutes=5)


@pytest.fixture
def broker(redis_server) -> redis.Redis:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
        yield client
        client.flushdb()


def set_back(prediction: Prediction, **times: timedelta) -> None:
    now = timezone.now()
    Prediction.objects.filter(pk=prediction.pk).update(
        **{field: now - age for field, age in times.items()}
    )


def waiting_tasks(broker: redis.Redis) -> int:
    return broker.llen("celery")


def test_never_sent_is_sent(owner, submit, make_image, broker, redis_server):
    redis_server.stop()
    prediction = submit(owner, make_image())
    redis_server.start()
    prediction.refresh_from_db()
    assert (prediction.status, prediction.sent_at) == (Status.QUEUED, None)
    set_back(prediction, created_at=LONG_AGO)
    recovery.sweep()
    prediction.refresh_from_db()
    assert prediction.sent_at is not None
    assert waiting_tasks(broker) == 1
    recovery.sweep()
    assert waiting_tasks(broker) == 1


def test_sent_and_forgotten_by_the_broker_is_sent_again(owner, submit, make_image, broker):
    prediction = submit(owner, make_image())
    broker.flushdb()
    recovery.sweep()
    assert waiting_tasks(broker) == 0, "it was sent a moment ago; a worker may be reading it"
    set_back(prediction, sent_at=LONG_AGO)
    recovery.sweep()
    assert waiting_tasks(broker) == 1


def test_patient_task_is_not_sent_again(owner, submit, make_image, broker):
    prediction = submit(owner, make_image())
    set_back(prediction, sent_at=LONG_AGO)
    recovery.sweep()
    assert waiting_tasks(broker) == 1


def test_overtaken_task_is_sent_again(owner, submit, make_image, broker):
    """Only some tasks were lost: the queue is not empty, and later photos are served already."""
    lost = submit(owner, make_image(size=(50, 50)))
    broker.flushdb()
    set_back(lost, sent_at=LONG_AGO)
    served = submit(owner, make_image(size=(60, 60)))
    submit(owner, make_image(size=(70, 70)))
    assert services.claim(str(served.pk))
    before = waiting_tasks(broker)
    recovery.sweep()
    assert waiting_tasks(broker) == before + 1
    lost.refresh_from_db()
    assert lost.sent_at > timezone.now() - LONG_AGO


def test_lost_worker_is_replaced_twice_and_then_given_up(owner, submit, make_image, broker):
    prediction = submit(owner, make_image())
    for attempt in range(1, services.MAX_ATTEMPTS + 1):
        assert services.claim(str(prediction.pk)).attempts == attempt
        recovery.sweep()
        prediction.refresh_from_db()
        assert prediction.status == Status.RUNNING, "it has not run for long"
        set_back(prediction, started_at=recovery.RUNNING_LIMIT + timedelta(seconds=1))
        recovery.sweep()
        prediction.refresh_from_db()
        assert (prediction.status == Status.QUEUED) == (attempt < services.MAX_ATTEMPTS)
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "worker_lost")
    assert prediction.finished_at is not None
    services.rerun(prediction)
    assert services.claim(str(prediction.pk)).attempts == 1


def test_sweep_without_a_broker_changes_nothing(owner, submit, make_image, broker, redis_server):
    prediction = submit(owner, make_image())
    set_back(prediction, sent_at=LONG_AGO)
    redis_server.stop()
    recovery.sweep()
    redis_server.start()
    prediction.refresh_from_db()
    assert prediction.status == Status.QUEUED
    assert prediction.sent_at < timezone.now() - timedelta(minutes=4)


def test_sweep_leaves_finished_predictions_alone(owner, submit, make_image, broker):
    prediction = submit(owner, make_image())
    services.cancel(prediction)
    set_back(prediction, created_at=LONG_AGO, sent_at=LONG_AGO, started_at=LONG_AGO)
    broker.flushdb()
    recovery.sweep()
    prediction.refresh_from_db()
    assert prediction.status == Status.CANCELED
    assert waiting_tasks(broker) == 0
