"""How records go: hidden first where that can be undone, and deleted in the end."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from emotionsite.accounts.models import User
from predictions import removal, services
from predictions.models import DemoImage, Photo, Prediction, Status
from tests.support import records, steps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def stranger(db) -> User:
    return User.objects.create_user("mallory", "mallory@example.org")


def set_back(prediction: Prediction, **ages: timedelta) -> None:
    values = {name: timezone.now() - age for name, age in ages.items()}
    Prediction.objects.filter(pk=prediction.pk).update(**values)


def test_removed_records_are_hidden_at_once_and_deleted_after_the_time_to_undo(
    owner, make_image, submit, stored_files
):
    gone, kept = (submit(owner, make_image(size=(50 + n, 50))) for n in range(2))
    assert removal.remove(Prediction.objects.for_user(owner).filter(pk=gone.pk)) == 1
    assert list(Prediction.objects.for_user(owner)) == [kept]
    removal.purge()
    assert Prediction.objects.count() == len(stored_files()) == 2, "it can still be undone"
    set_back(gone, removed_at=removal.UNDO + removal.SLOW_CLICK + timedelta(seconds=1))
    removal.purge()
    assert list(Prediction.objects.all()) == [kept]
    assert len(stored_files()) == Photo.objects.count() == 1


def test_deleting_many_takes_turns_with_other_work(owner, make_image, submit, monkeypatch):
    monkeypatch.setattr(removal, "SECONDS", 0)
    for number in range(4):
        submit(owner, make_image(size=(50 + number, 50)))
    removal.remove(Prediction.objects.for_user(owner).filter(photo__width__lt=52))
    Prediction.objects.exclude(removed_at=None).update(removed_at=timezone.now() - 2 * removal.UNDO)
    owner.retention_days = 7
    owner.save()
    Prediction.objects.filter(removed_at=None).update(created_at=timezone.now() - timedelta(8))
    for left, delete in ((3, removal.purge), (2, removal.purge), (1, removal.forget)):
        delete()
        assert Prediction.objects.count() == left


def test_only_its_owner_brings_a_removed_record_back(owner, stranger, make_image, submit):
    prediction = submit(owner, make_image())
    removal.remove(Prediction.objects.for_user(owner))
    assert removal.restore(stranger, [prediction.pk]) == 0
    assert not Prediction.objects.for_user(owner).exists()
    assert removal.restore(owner, [prediction.pk]) == 1
    assert list(Prediction.objects.for_user(owner)) == [prediction]
    assert removal.restore(owner, [prediction.pk]) == 0, "it is there already"
    removal.purge()
    assert Prediction.objects.exists()


def test_the_same_photo_is_new_after_its_record_was_removed(owner, make_image, submit):
    first = submit(owner, make_image())
    removal.remove(Prediction.objects.for_user(owner))
    assert submit(owner, make_image()) != first


def test_nobody_owns_what_an_anonymous_visitor_sees(make_image, submit):
    submit(None, make_image())
    assert not Prediction.objects.for_user(AnonymousUser()).exists()


@pytest.mark.parametrize(("days", "kept"), [(0, 3), (30, 2), (10, 1)])
def test_old_photos_of_users_are_forgotten(
    days, kept, owner, make_image, settings, submit, stored_files
):
    old, recent, demo = (
        submit(user, make_image(size=(300 + n, 300))) for n, user in enumerate((owner, owner, None))
    )
    DemoImage.objects.create(prediction=demo, slug="demo", title="…")
    for prediction, days_old in ((old, 31), (recent, 20), (demo, 400)):
        set_back(prediction, created_at=timedelta(days=days_old))
    settings.RETENTION_DAYS = days
    removal.forget()
    assert Prediction.objects.filter(pk=demo.pk).exists()
    assert (Prediction.objects.count(), len(stored_files())) == (kept, kept)


@pytest.mark.parametrize(("site", "kept"), [(0, 1), (10, 0)])
def test_users_may_keep_their_photos_for_a_shorter_time_than_the_site(
    site, kept, owner, stranger, make_image, settings, submit
):
    settings.RETENTION_DAYS = site
    owner.retention_days = 7
    owner.save()
    mine, theirs = (submit(user, make_image()) for user in (owner, stranger))
    for prediction in (mine, theirs):
        set_back(prediction, created_at=timedelta(days=12))
    removal.forget()
    assert not Prediction.objects.filter(pk=mine.pk).exists()
    assert Prediction.objects.filter(pk=theirs.pk).count() == kept


def test_of_a_photo_that_is_not_kept_only_the_numbers_stay(owner, astronaut, submit, stored_files):
    prediction = submit(owner, astronaut, keep_photo=False)
    steps.analyse(prediction.pk)
    prediction.refresh_from_db()
    assert prediction.label == "happy"
    assert prediction.faces.count() == 1
    assert stored_files() == []
    with pytest.raises(services.NotAllowed, match="not kept"):
        services.rerun(prediction)


def test_the_numbers_stay_where_it_is_to_be_analysed_again_just_as_its_photo_goes(
    owner, astronaut, submit
):
    seen_before = submit(owner, astronaut, keep_photo=False)
    steps.analyse(seen_before.pk)
    assert seen_before.photo.source, "whoever asks has read the record while it was there"
    with pytest.raises(services.NotAllowed, match="not kept"):
        services.rerun(seen_before)
    assert Prediction.objects.get().status == Status.SUCCEEDED


@pytest.mark.parametrize("end", ["failed", "canceled", "lost"])
def test_a_photo_that_is_not_kept_goes_also_without_an_answer(
    end, owner, make_image, submit, stored_files
):
    prediction = submit(owner, make_image(), keep_photo=False)
    claimed = steps.claim(prediction.pk)
    if end == "failed":
        services.fail(claimed, "timed_out", "…")
    elif end == "canceled":
        services.cancel(claimed)
    else:
        Prediction.objects.update(attempts=services.MAX_ATTEMPTS)
        steps.lose(prediction.pk)
        assert Prediction.objects.get().status == Status.FAILED
    assert stored_files() == []
    assert not Photo.objects.get().source


def test_a_record_without_its_photo_is_no_duplicate_of_one_to_be_kept(owner, make_image, submit):
    bare = submit(owner, make_image(), keep_photo=False)
    digest = bare.photo.sha256
    assert services.find_duplicate(owner, digest, keep_photo=False) == bare
    assert services.find_duplicate(owner, digest, keep_photo=True) is None
    kept = submit(owner, make_image())
    assert services.find_duplicate(owner, digest, keep_photo=True) == kept


def test_what_another_network_said_is_kept_when_it_is_analysed_again(owner, astronaut):

    prediction = records.analyse(owner, astronaut)
    services.rerun(prediction)
    steps.analyse(prediction.pk)
    assert not prediction.earlier_answers.exists(), "the same network said the same again"

    Prediction.objects.update(model_sha256="0" * 64, model_version="1")
    prediction.refresh_from_db()
    said = prediction.faces.get()
    services.rerun(prediction)
    steps.analyse(prediction.pk)
    earlier = prediction.earlier_answers.get()
    assert earlier.model_version == "1"
    assert earlier.faces[0]["label"] == said.label
    assert earlier.faces[0]["probabilities"] == said.probabilities
