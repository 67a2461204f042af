"""What a worker makes of a task, in this process; `tests/faults` has the real worker."""

import time
from unittest.mock import Mock

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from mlcore.errors import DecoderUnavailable, ModelUnavailable, UnreadableImage
from predictions import services, tasks
from predictions.files import StorageUnavailable
from predictions.models import Prediction, Status
from tests.support import steps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def analyse(owner, submit):
    """``analyse(content)`` returns the prediction after a worker's work."""

    def analyse(content: bytes) -> Prediction:
        prediction = submit(owner, content)
        steps.analyse(prediction.pk)
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
    steps.analyse(prediction.pk)
    steps.analyse("00000000-0000-4000-8000-000000000000")
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
    steps.analyse_to_the_end(prediction)
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "photo_missing")
    assert prediction.attempts == services.MAX_ATTEMPTS, "the disk may have been away for a moment"


def test_missing_network_fails_without_telling_where_it_should_be(
    owner, submit, make_image, settings, tmp_path, stored_files
):
    right, settings.MODEL_PATH = settings.MODEL_PATH, str(tmp_path / "nowhere.onnx")
    tasks.analyser.cache_clear()
    prediction = steps.analyse_to_the_end(submit(owner, make_image()))
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "model_unavailable")
    assert "nowhere" not in prediction.error_detail
    assert len(stored_files()) == 1, "the photo waits for a better day"
    settings.MODEL_PATH = right
    services.rerun(prediction)
    steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    assert prediction.status == Status.SUCCEEDED


FAULTS = {
    "decoder": ("mlcore.decoder.Decoder.decode", DecoderUnavailable("no decoder")),
    "network": ("mlcore.EmotionAnalyser.analyse", ModelUnavailable("moved for a moment")),
    "reading": ("predictions.files.open_file", OSError(5, "Input/output error")),
    "writing": ("predictions.files.save", StorageUnavailable()),
    "database": ("predictions.services._complete", OperationalError("database is locked")),
    "connection": ("predictions.services._complete", InterfaceError("connection closed")),
    "bug": ("predictions.renditions.render", RuntimeError("the cat sat on the wire")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_ours_is_repeated_later_and_leaves_nothing(
    fault, owner, submit, astronaut, monkeypatch, stored_files
):
    target, error = FAULTS[fault]
    prediction = submit(owner, astronaut)
    before = stored_files()
    with monkeypatch.context() as patch:
        patch.setattr(target, Mock(side_effect=error))
        steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    assert (prediction.status, prediction.attempts) == (Status.QUEUED, 1)
    assert prediction.not_before > timezone.now()
    assert stored_files() == before
    tasks.analyse()
    prediction.refresh_from_db()
    assert prediction.attempts == 1, "the pause is not over"
    steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    assert prediction.status == Status.SUCCEEDED
    assert len(stored_files()) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_fails_with_a_code_and_keeps_the_upload(
    fault, owner, submit, astronaut, monkeypatch, stored_files
):
    target, error = FAULTS[fault]
    prediction = submit(owner, astronaut)
    before = stored_files()
    monkeypatch.setattr(target, Mock(side_effect=error))
    steps.analyse_to_the_end(prediction)
    assert (prediction.status, prediction.attempts) == (Status.FAILED, services.MAX_ATTEMPTS)
    assert prediction.error_code in services.INTERNAL_ERRORS
    assert prediction.error_detail == services.INTERNAL_ERRORS[prediction.error_code]
    assert stored_files() == before


@pytest.mark.parametrize("code", ["too_complex", "timed_out", "unreadable_image"])
def test_a_fault_of_the_file_is_final_at_once(
    code, owner, submit, astronaut, monkeypatch, stored_files
):
    refuse = Mock(side_effect=UnreadableImage("refused", code))
    monkeypatch.setattr("mlcore.decoder.Decoder.decode", refuse)
    prediction = submit(owner, astronaut)
    steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    assert (prediction.status, prediction.error_code) == (Status.FAILED, code)
    assert prediction.attempts == 1
    assert len(stored_files()) == (code == "timed_out"), "only time may be our fault"


def test_an_analysis_that_takes_too_much_cpu_time_fails_and_keeps_the_upload(
    owner, submit, astronaut, monkeypatch, stored_files
):
    def spin(*_args):
        while True:
            pass

    monkeypatch.setattr(tasks, "ANALYSIS_CPU_LIMIT", 0.1)
    monkeypatch.setattr("mlcore.EmotionAnalyser.analyse", spin)
    prediction = submit(owner, astronaut)
    steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "timed_out")
    assert len(stored_files()) == 1


def test_waiting_uses_no_cpu_time(monkeypatch):
    with tasks.cpu_time_limit(0.2):
        time.sleep(0.5)


def test_a_late_failure_changes_nothing(owner, submit, astronaut, monkeypatch):
    prediction = submit(owner, astronaut)

    def lose_then_fail(*_args, **_options):
        steps.lose(prediction.pk)
        raise StorageUnavailable

    with monkeypatch.context() as patch:
        patch.setattr("predictions.files.save", lose_then_fail)
        steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    assert (prediction.status, prediction.not_before) == (Status.QUEUED, None)
    steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    assert (prediction.status, prediction.attempts) == (Status.SUCCEEDED, 2)


def test_an_analysis_that_hangs_is_ended_and_not_tried_again(owner, submit, astronaut):
    prediction = submit(owner, astronaut)
    steps.claim(prediction.pk, "task-7")
    tasks.handle_analysis_lost(task_id="task-7", exception=TimeLimitExceeded(900))
    prediction.refresh_from_db()
    assert (prediction.status, prediction.error_code) == (Status.FAILED, "timed_out")
    assert prediction.photo.source, "its owner may try it again"


def test_an_analysis_whose_process_was_killed_is_tried_again(owner, submit, astronaut):
    prediction = submit(owner, astronaut)
    steps.claim(prediction.pk, "task-8")
    tasks.handle_analysis_lost(task_id="task-8", exception=WorkerLostError("killed"))
    prediction.refresh_from_db()
    assert prediction.status == Status.QUEUED
