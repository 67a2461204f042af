"""What a worker makes of a task, in this process; `tests/faults` has the real worker."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from PIL import ImageFile

from predictions import services, tasks
from predictions.models import Prediction, Status

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def analyse(owner, submit):
    """``analyse(content)`` returns the prediction after a worker's work."""

    def analyse(content: bytes) -> Prediction:
        prediction = submit(owner, content)
        tasks.analyse(str(prediction.pk))
        prediction.refresh_from_db()
        return prediction

    return analyse


def test_photo_is_analysed(analyse, astronaut):
    prediction = analyse(astronaut)
    assert (prediction.status, prediction.faces.count()) == (Status.SUCCEEDED, 1)


def test_photo_without_a_face_succeeds_with_advice(analyse, make_image):
    prediction = analyse(make_image())
    assert (prediction.status, prediction.error_code) == (Status.SUCCEEDED, "")
    assert prediction.advice == ["no_face"]
    assert (prediction.label, prediction.confidence, prediction.unsure) == ("", None, None)


def test_repeated_and_unknown_tasks_do_nothing(analyse, make_image):
    prediction = analyse(make_image())
    tasks.analyse(str(prediction.pk))
    tasks.analyse("00000000-0000-4000-8000-000000000000")
    finished_at = prediction.finished_at
    prediction.refresh_from_db()
    assert (prediction.attempts, prediction.finished_at) == (1, finished_at)


def test_truncated_picture_fails_and_is_not_kept(analyse, make_image, stored_files):
    prediction = analyse(make_image()[:-1000])
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "unreadable_image")
    assert prediction.error_detail == "This picture is damaged or incomplete."
    assert stored_files() == []


def test_lost_file_fails(owner, submit, make_image, storage):
    prediction = submit(owner, make_image())
    (storage / prediction.photo.upload.name).unlink()
    tasks.analyse(str(prediction.pk))
    prediction.refresh_from_db()
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "photo_missing")


def test_missing_network_fails_without_telling_where_it_should_be(
    analyse, make_image, settings, tmp_path, stored_files
):
    right, settings.MODEL_PATH = settings.MODEL_PATH, str(tmp_path / "nowhere.onnx")
    tasks.analyser.cache_clear()
    prediction = analyse(make_image())
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "model_unavailable")
    assert "nowhere" not in prediction.error_detail
    assert len(stored_files()) == 1, "the photo waits for a better day"
    settings.MODEL_PATH = right
    services.rerun(prediction)
    tasks.analyse(str(prediction.pk))
    prediction.refresh_from_db()
    assert prediction.status == Status.SUCCEEDED


def test_time_limit_inside_a_decoder_is_no_fault_of_the_picture(
    analyse, make_image, monkeypatch, stored_files
):
    def out_of_time(image):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(ImageFile.ImageFile, "load", out_of_time)
    prediction = analyse(make_image())
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "timed_out")
    assert len(stored_files()) == 1


def test_unexpected_error_ends_the_prediction(analyse, make_image, monkeypatch):
    def broken(*args):
        raise RuntimeError("the cat sat on the wire")

    monkeypatch.setattr("predictions.renditions.render", broken)
    prediction = analyse(make_image())
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "internal_error")
    assert "cat" not in prediction.error_detail
