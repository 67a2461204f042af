"""Maintenance works while photos wait, and the site notices when it does not."""

from datetime import timedelta

from django.utils import timezone

from emotionsite import heartbeats
from predictions import services
from predictions.models import Photo, Prediction
from tests.support.waiting import wait_until


def test_a_removed_photo_is_deleted_while_others_wait(worker, submit, status, make_image):
    worker.stop("worker")
    waiting = [submit(make_image(size=(300 + n, 300))) for n in range(5)]
    removed = submit(make_image())
    Prediction.objects.filter(pk=removed.pk).update(
        removed_at=timezone.now() - timedelta(minutes=1)
    )
    wait_until(lambda: not Photo.objects.filter(pk=removed.photo_id).exists(), 30)
    assert {status(prediction) for prediction in waiting} == {"queued"}


def test_a_photo_whose_holder_died_is_freed_while_no_worker_runs(worker, submit, make_image):
    worker.stop("worker")
    prediction = submit(make_image())
    assert services.claim("a-task") is not None
    wait_until(lambda: Prediction.objects.get(pk=prediction.pk).status == "queued", 60)


def test_both_processes_show_that_they_work(worker):
    wait_until(lambda: set(heartbeats.statuses().values()) == {"ok"}, 30)
    assert set(heartbeats.statuses()) == {"maintenance", "beat"}
