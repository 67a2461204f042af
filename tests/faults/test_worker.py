"""Workers are killed in the middle of a photo; pictures are made to hurt them."""

import os
import random
import signal

import pytest

from emotionsite.celery import app
from predictions import removal, services
from predictions.models import Photo, Prediction
from predictions.uploads import UploadError
from tests.support.servers import node
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def slow_photo(make_image) -> bytes:
    """A picture that takes a worker about a second to decode."""
    return make_image("PNG", size=(7900, 8000), mode="L", compress_level=1)


def work_processes() -> list[int]:
    (stats,) = app.control.inspect([node("worker")], timeout=5).stats().values()
    return stats["pool"]["processes"]


def test_photo_of_a_killed_process_is_taken_up_at_once(worker, submit, status, slow_photo):
    (pid,) = work_processes()
    prediction = submit(slow_photo)
    wait_until(lambda: status(prediction) == "running", 10)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: status(prediction) == "succeeded", 20)
    prediction.refresh_from_db()
    assert prediction.attempts == 2
    assert work_processes() != [pid]


def test_photo_that_kills_every_process_fails_with_a_code(worker, submit, status, slow_photo):
    prediction = submit(slow_photo)
    for attempt in range(1, services.MAX_ATTEMPTS + 1):

        def is_running(attempt=attempt) -> bool:
            prediction.refresh_from_db()
            return (prediction.status, prediction.attempts) == ("running", attempt)

        wait_until(is_running, 20)
        os.kill(work_processes()[0], signal.SIGKILL)
    wait_until(lambda: status(prediction) == "failed", 20)
    prediction.refresh_from_db()
    assert prediction.error_code == "worker_lost"


def test_photo_of_a_killed_worker_is_finished_by_the_next(worker, submit, status, slow_photo):
    prediction = submit(slow_photo)
    wait_until(lambda: status(prediction) == "running", 10)
    worker.kill("worker")
    assert status(prediction) == "running"
    worker.start()
    wait_until(lambda: status(prediction) == "succeeded", 60)


def test_deleted_while_running_leaves_nothing(worker, submit, status, slow_photo):
    prediction = submit(slow_photo)
    wait_until(lambda: status(prediction) == "running", 10)
    folder = os.path.dirname(prediction.photo.upload.path)  # noqa: PTH120
    removal.delete(Prediction.objects.get())
    worker.finish()
    assert not Photo.objects.exists()
    assert not os.path.exists(folder)  # noqa: PTH110


def test_poisoned_pictures_fail_with_a_code_and_the_worker_lives_on(
    worker, submit, status, make_image, astronaut
):
    chance = random.Random(7)  # noqa: S311
    poisoned = []
    for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        good = make_image(format)
        poisoned.append(good[: len(good) // 2])
        for _ in range(4):
            bad = bytearray(good)
            for _ in range(40):
                bad[chance.randrange(20, len(bad))] = chance.randrange(256)
            poisoned.append(bytes(bad))
    (pid,) = work_processes()
    predictions, refused = [], []
    for content in poisoned:
        try:
            predictions.append(submit(content))
        except UploadError as error:
            refused.append(error.code)
    predictions.append(submit(astronaut))
    wait_until(
        lambda: all(status(prediction) in ("succeeded", "failed") for prediction in predictions), 60
    )
    for prediction in predictions:
        prediction.refresh_from_db()
    assert predictions[-1].status == "succeeded"
    failed = [prediction for prediction in predictions if prediction.status == "failed"]
    assert len(failed) >= 5
    assert {*refused, *(prediction.error_code for prediction in failed)} <= {
        "unreadable_image",
        "too_many_pixels",
        "unsupported_format",
    }
    assert not any(Photo.objects.get(prediction=prediction).upload for prediction in failed)
    assert work_processes() == [pid]
