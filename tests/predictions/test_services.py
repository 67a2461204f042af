"""The rules of a prediction's life, on a real database file."""

import io
import re
import threading
from functools import partial

import pytest
import redis
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import OperationalError, connections, transaction
from PIL import Image

from emotionsite.accounts.models import User
from mlcore import EmotionAnalyser
from mlcore.images import load_photo
from predictions import removal, services
from predictions.models import DemoImage, Face, Photo, Prediction, Status
from predictions.renditions import render
from predictions.uploads import validate
from tests.support import steps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture(scope="session")
def analyser() -> EmotionAnalyser:
    return EmotionAnalyser(settings.MODEL_PATH, threads=1)


def finish(analyser: EmotionAnalyser, prediction: Prediction) -> bool:
    """Do what a worker does after its claim."""
    with prediction.photo.source.open("rb") as file:
        photo = load_photo(file.read())
    return services.complete(prediction, analyser.analyse(photo), render(photo.image))


def in_threads(count: int, function) -> list:
    """Run ``function(index)`` at the same moment in threads; return results or exceptions."""
    results: list = [None] * count
    barrier = threading.Barrier(count)

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = function(index)
        except Exception as error:
            results[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# --- the straight way -----------------------------------------------------------------------


def test_submitted_photo_waits_in_database_and_broker(
    owner, make_image, submit, stored_files, redis_server
):
    with redis.Redis.from_url(redis_server.url) as broker:
        broker.flushdb()
        prediction = submit(owner, make_image())
        assert broker.llen("celery") == 1
    prediction.refresh_from_db()
    assert prediction.status == Status.QUEUED
    assert prediction.turn is not None
    assert [name.rpartition("/")[2] for name in stored_files()] == ["upload"]


def test_completed_photo_keeps_clean_copies_only(owner, astronaut, analyser, submit, stored_files):
    prediction = submit(owner, astronaut)
    claimed = steps.claim(prediction.pk)
    assert finish(analyser, claimed)
    prediction.refresh_from_db()
    face = prediction.faces.get()
    assert prediction.status == Status.SUCCEEDED
    assert (prediction.label, prediction.confidence) == (face.label, face.confidence)
    assert sum(face.probabilities.values()) == pytest.approx(1)
    assert set(prediction.timings) == {"decode", "detect", "classify", "total"}
    assert prediction.finished_at >= prediction.started_at
    kinds = [name.rpartition("/")[2].partition("-")[0] for name in stored_files()]
    assert kinds == ["display", "thumbnail"]
    assert not prediction.photo.upload


def test_what_is_stored_is_counted(owner, astronaut, analyser, submit, storage):
    def on_disk() -> int:
        return sum(path.stat().st_size for path in storage.rglob("*") if path.is_file())

    prediction = submit(owner, astronaut)
    assert Photo.objects.get().stored_bytes == on_disk() == len(astronaut)
    assert finish(analyser, steps.claim(prediction.pk))
    photo = Photo.objects.get()
    assert photo.stored_bytes == on_disk() < photo.bytes
    prediction.delete()
    photo = submit(owner, astronaut, keep_photo=False).photo
    services.cancel(photo.prediction)
    assert Photo.objects.get().stored_bytes == on_disk() == 0


def test_photos_of_before_are_measured(owner, make_image, analyser, submit):
    from importlib import import_module

    from django.apps import apps

    prediction = submit(owner, make_image())
    assert finish(analyser, steps.claim(prediction.pk))
    submit(owner, make_image("PNG"))
    known = list(Photo.objects.order_by("pk").values_list("stored_bytes", flat=True))
    Photo.objects.update(stored_bytes=0)
    import_module("predictions.migrations.0008_stored_bytes").measure(apps, None)
    assert list(Photo.objects.order_by("pk").values_list("stored_bytes", flat=True)) == known


def test_stored_names_hold_nothing_of_the_users_name(
    owner, make_image, analyser, stored_files, storage
):
    content = ContentFile(make_image(), "../../etc/my secret face.jpg")
    prediction, _ = services.submit(owner, validate(content))
    finish(analyser, steps.claim(prediction.pk))
    folder = f"photos/{prediction.photo.pk.hex[:2]}/{prediction.photo.pk.hex}"
    assert len(stored_files()) == 2
    for name, kind in zip(stored_files(), ("display", "thumbnail"), strict=True):
        assert re.fullmatch(rf"{folder}/{kind}-[0-9a-f]{{12}}\.jpg", name)
    assert prediction.photo.name == "my secret face.jpg"


def test_same_photo_of_same_owner_is_one_record(owner, make_image, submit):
    content = make_image()
    first = submit(owner, content)
    again, is_new = services.submit(owner, validate(ContentFile(content, "y.jpg")))
    assert (again.pk, is_new) == (first.pk, False)
    assert submit(owner, content, force=True).pk != first.pk
    other = User.objects.create_user("bob", "bob@example.org")
    assert submit(other, content).pk != first.pk


def test_same_photo_at_the_same_time_is_one_record(owner, make_image, stored_files):
    content = make_image()

    def send(index: int):
        return services.submit(owner, validate(ContentFile(content, f"{index}.jpg")))

    results = in_threads(6, send)
    assert len({prediction.pk for prediction, _ in results}) == 1
    assert sorted(is_new for _, is_new in results) == [False] * 5 + [True]
    assert len(stored_files()) == 1


def test_queue_limit(owner, make_image, settings, submit, stored_files):
    settings.QUEUE_LIMIT = 1
    submit(owner, make_image(size=(50, 50)))
    with pytest.raises(services.QueueFull):
        submit(owner, make_image(size=(60, 60)))
    assert len(stored_files()) == 1


# --- nothing is left behind -----------------------------------------------------------------


def test_submit_that_the_database_refuses_leaves_no_file(owner, make_image, submit, stored_files):
    owner_gone = User.objects.get(pk=owner.pk)
    owner.delete()
    with pytest.raises(services.NotAllowed) as refusal:
        submit(owner_gone, make_image())
    assert refusal.value.code == "account_deleted"
    assert not stored_files()
    assert not Photo.objects.exists()


def test_interrupted_send_keeps_the_photo(owner, make_image, monkeypatch, submit, stored_files):
    """A web process that is told to end while it talks to the broker has committed already."""

    def interrupt(*args, **kwargs):
        raise SystemExit

    monkeypatch.setattr("celery.current_app.send_task", interrupt)
    with pytest.raises(SystemExit):
        submit(owner, make_image())
    assert Prediction.objects.get().status == Status.QUEUED
    assert [name.rpartition("/")[2] for name in stored_files()] == ["upload"]


class Committed(OperationalError):
    """The connection broke after the server had committed."""


def break_after_commit(function):
    """Return a function that does its work and then fails, as where the answer is lost."""

    def broken(*args, **options):
        function(*args, **options)
        raise Committed("server closed the connection unexpectedly")

    return broken


def test_files_of_an_answer_that_was_committed_outlive_a_broken_connection(
    owner, astronaut, analyser, submit, stored_files, monkeypatch
):
    prediction = submit(owner, astronaut)
    claimed = steps.claim(prediction.pk)
    monkeypatch.setattr(services, "_complete", break_after_commit(services._complete))
    with pytest.raises(Committed):
        finish(analyser, claimed)
    photo = Photo.objects.get()
    assert set(photo.file_names()) < set(stored_files())
    assert len(photo.file_names()) == 2
    assert not services.fail_or_requeue(claimed, "internal_error")
    assert Prediction.objects.get().status == Status.SUCCEEDED


def test_the_file_of_an_upload_that_was_committed_outlives_a_broken_connection(
    owner, make_image, submit, stored_files, monkeypatch
):
    class Breaking:
        def __enter__(self):
            self.atomic = transaction.Atomic(None, True, False)
            return self.atomic.__enter__()

        def __exit__(self, *exception):
            self.atomic.__exit__(*exception)
            raise Committed("server closed the connection unexpectedly")

    monkeypatch.setattr(services.transaction, "atomic", Breaking)
    with pytest.raises(Committed):
        submit(owner, make_image())
    monkeypatch.undo()
    assert stored_files() == Photo.objects.get().file_names()
    assert Prediction.objects.get().status == Status.QUEUED


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "failed", "canceled"])
def test_delete_leaves_nothing(state, owner, make_image, analyser, submit, stored_files, storage):
    prediction = submit(owner, make_image())
    if state != "queued":
        claimed = steps.claim(prediction.pk)
    if state == "succeeded":
        finish(analyser, claimed)
    elif state == "failed":
        services.fail(claimed, "internal_error", "…")
    elif state == "canceled":
        services.cancel(claimed)
    removal.delete(Prediction.objects.get())
    assert not stored_files()
    assert not Photo.objects.exists()
    assert not Prediction.objects.exists()
    assert not list(storage.glob("photos/*/*"))
    if state == "running":
        with pytest.raises(FileNotFoundError):
            finish(analyser, claimed)
        assert not services.fail(claimed, "photo_missing", "…")


def test_delete_between_reading_and_completing_leaves_nothing(
    owner, make_image, analyser, submit, stored_files
):
    prediction = submit(owner, make_image())
    claimed = steps.claim(prediction.pk)
    photo = load_photo(make_image())
    removal.delete(Prediction.objects.get())
    assert not services.complete(claimed, analyser.analyse(photo), render(photo.image))
    assert not stored_files()
    assert not Face.objects.exists()


def test_delete_at_the_moment_of_completing(
    owner, astronaut, make_image, analyser, submit, stored_files
):
    photo = load_photo(astronaut)
    analysis, renditions = analyser.analyse(photo), render(photo.image)
    assert analysis.faces
    for number in range(12):
        prediction = submit(owner, make_image(size=(50 + number, 50)))
        claimed = steps.claim(prediction.pk)
        actions = [
            partial(services.complete, claimed, analysis, renditions),
            partial(removal.delete, prediction),
        ]
        results = in_threads(2, lambda index, actions=actions: actions[index]())
        assert results[0] in (True, False)
        assert results[1] is None
        assert not Photo.objects.exists()
        assert not Face.objects.exists()
        assert stored_files() == []


def test_delete_that_rolls_back_keeps_the_files(owner, make_image, submit, stored_files):
    prediction = submit(owner, make_image())
    with transaction.atomic():
        removal.delete(prediction)
        transaction.set_rollback(True)
    assert len(stored_files()) == 1
    assert Prediction.objects.count() == 1


def test_deleted_account_takes_its_photos_along(owner, make_image, analyser, submit, stored_files):
    other = User.objects.create_user("bob", "bob@example.org")
    kept = submit(other, make_image(size=(90, 90)))
    for size in (50, 60):
        submit(owner, make_image(size=(size, size)))
    finish(analyser, steps.claim(owner.predictions.first().pk))
    owner.delete()
    assert list(Prediction.objects.all()) == [kept]
    assert list(Photo.objects.all()) == [kept.photo]
    assert len(stored_files()) == 1


def test_deleted_demo_image_takes_its_photo_along(make_image, submit, stored_files):
    for number in range(3):
        prediction = submit(None, make_image(size=(50 + number, 50)))
        DemoImage.objects.create(prediction=prediction, slug=str(number), title="…")
    DemoImage.objects.get(slug="0").delete()
    assert Prediction.objects.count() == Photo.objects.count() == len(stored_files()) == 2
    DemoImage.objects.all().delete()
    assert Prediction.objects.count() == Photo.objects.count() == len(stored_files()) == 0


def test_faulty_picture_is_not_kept(owner, make_image, submit, stored_files):
    prediction = submit(owner, make_image())
    claimed = steps.claim(prediction.pk)
    assert services.fail(claimed, "unreadable_image", "…", keep_upload=False)
    assert not stored_files()
    with pytest.raises(services.NotAllowed) as caught:
        services.rerun(Prediction.objects.get())
    assert caught.value.code == "photo_missing"


# --- one worker at a time --------------------------------------------------------------------


def test_one_of_many_claims_wins(owner, make_image, submit):
    prediction = submit(owner, make_image())
    results = in_threads(8, lambda index: steps.claim(prediction.pk))
    assert sum(result is not None for result in results) == 1
    prediction.refresh_from_db()
    assert prediction.attempts == 1


def test_finished_or_unknown_predictions_are_not_claimed(owner, make_image, analyser, submit):
    prediction = submit(owner, make_image())
    finish(analyser, steps.claim(prediction.pk))
    assert steps.claim(prediction.pk) is None
    assert steps.claim("00000000-0000-4000-8000-000000000000") is None


def test_late_worker_changes_nothing(owner, astronaut, analyser, submit):
    prediction = submit(owner, astronaut)
    late = steps.claim(prediction.pk)
    steps.lose(prediction.pk)
    assert not finish(analyser, late)
    current = steps.claim(prediction.pk)
    assert not services.fail(late, "timed_out", "…")
    assert not finish(analyser, late)
    assert finish(analyser, current)
    assert not services.fail(late, "timed_out", "…")
    prediction.refresh_from_db()
    assert (prediction.status, prediction.attempts) == (Status.SUCCEEDED, 2)


def test_cancel_while_running_discards_the_answer(owner, astronaut, analyser, submit):
    prediction = submit(owner, astronaut)
    claimed = steps.claim(prediction.pk)
    services.cancel(prediction)
    assert prediction.status == Status.CANCELED
    assert not finish(analyser, claimed)
    prediction.refresh_from_db()
    assert (prediction.status, prediction.label) == (Status.CANCELED, "")
    with pytest.raises(services.NotAllowed) as caught:
        services.cancel(prediction)
    assert caught.value.code == "already_finished"


def test_cancel_then_rerun_while_first_worker_still_runs(owner, astronaut, analyser, submit):
    prediction = submit(owner, astronaut)
    first = steps.claim(prediction.pk)
    services.cancel(prediction)
    services.rerun(prediction)
    second = steps.claim(prediction.pk)
    assert not finish(analyser, first)
    assert finish(analyser, second)


def test_rerun_of_reduced_copy_keeps_boxes_in_pixels_of_the_photo(
    owner, astronaut, analyser, submit
):
    with Image.open(io.BytesIO(astronaut)) as image:
        large = io.BytesIO()
        image.resize((3072, 3072)).save(large, "JPEG", quality=80)
    prediction = submit(owner, large.getvalue())
    finish(analyser, steps.claim(prediction.pk))
    before = Face.objects.get()
    services.rerun(prediction)
    assert prediction.status == Status.QUEUED
    finish(analyser, steps.claim(prediction.pk))
    prediction.refresh_from_db()
    after = Face.objects.get()
    assert (prediction.photo.width, prediction.photo.height) == (3072, 3072)
    for side in ("x", "y", "width", "height"):
        assert getattr(after, side) == pytest.approx(getattr(before, side), abs=40)


def test_rerun_keeps_what_the_owner_called_the_same_face(owner, astronaut, analyser, submit):
    prediction = submit(owner, astronaut)
    finish(analyser, steps.claim(prediction.pk))
    services.correct(Face.objects.get(), "surprise")
    services.rerun(prediction)
    finish(analyser, steps.claim(prediction.pk))
    assert Face.objects.get().correction == "surprise"
    Face.objects.update(x=0, y=0, width=20, height=20)
    services.rerun(prediction)
    finish(analyser, steps.claim(prediction.pk))
    assert Face.objects.get().correction == ""


@pytest.mark.parametrize("end", ["canceled", "failed", "worker_lost"])
def test_an_answer_outlives_a_new_analysis_that_ends_without_one(
    end, owner, astronaut, analyser, submit
):
    prediction = submit(owner, astronaut)
    finish(analyser, steps.claim(prediction.pk))
    services.correct(Face.objects.get(), "surprise")
    Prediction.objects.update(advice=["too_dark"])
    before, face = Prediction.objects.values().get(), Face.objects.values().get()
    for _time in range(2):
        services.rerun(prediction)
        assert prediction.label == ""
        claimed = steps.claim(prediction.pk)
        if end == "canceled":
            services.cancel(prediction)
        elif end == "failed":
            assert services.fail(claimed, "failed", "…")
        else:
            Prediction.objects.update(attempts=services.MAX_ATTEMPTS)
            steps.lose(prediction.pk)
        assert not finish(analyser, claimed)
        after = Prediction.objects.values().get()
        assert (after["status"], after["error_code"]) == (Status.SUCCEEDED, end)
        said = ("label", "confidence", "unsure", "advice", "model_version", "model_sha256")
        for name in (*said, "model_name", "finished_at", "timings"):
            assert after[name] == before[name], name
        assert Face.objects.values().get() == face
        assert not prediction.earlier_answers.exists()
        prediction.refresh_from_db()
    services.rerun(prediction)
    finish(analyser, steps.claim(prediction.pk))
    assert Prediction.objects.get().error_code == ""


def test_unfinished_prediction_is_not_rerun(owner, make_image, submit):
    prediction = submit(owner, make_image())
    with pytest.raises(services.NotAllowed) as caught:
        services.rerun(prediction)
    assert caught.value.code == "not_finished"
