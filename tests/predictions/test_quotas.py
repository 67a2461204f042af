"""One user cannot occupy the site: photos that wait and bytes that are stored."""

import threading

import pytest
from django.core.files.base import ContentFile
from django.db import connections

from emotionsite.accounts.models import User
from predictions import quotas, services
from predictions.models import Photo
from predictions.uploads import validate
from tests.support import records, steps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


def test_a_user_may_have_only_so_many_photos_waiting(
    owner, submit, make_image, settings, stored_files
):
    settings.QUOTA_WAITING = 2
    waiting = [submit(owner, make_image(size=(50 + number, 50))) for number in range(2)]
    with pytest.raises(services.QuotaExceeded) as refusal:
        submit(owner, make_image(size=(90, 90)))
    assert (refusal.value.quota, refusal.value.used, refusal.value.limit) == ("waiting", 2, 2)
    assert len(stored_files()) == 2
    other = User.objects.create_user("bob", "bob@example.org")
    assert submit(other, make_image()), "another user has a quota of their own"
    steps.claim(waiting[0].pk)
    assert submit(owner, make_image(size=(90, 90))), "what is being analysed does not wait"


def test_requests_at_the_same_moment_do_not_slip_past_the_quota(owner, make_image, settings):
    settings.QUOTA_WAITING = 2
    outcomes = []

    def send(number: int) -> None:
        upload = validate(ContentFile(make_image(size=(50 + number, 50)), "photo.jpg"))
        try:
            outcomes.append(services.submit(owner, upload)[1])
        except services.QuotaExceeded:
            outcomes.append(False)
        connections.close_all()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 4 + [True] * 2


def test_a_rerun_counts_as_waiting(owner, submit, make_image, settings):
    done = records.analyse(owner, make_image())
    settings.QUOTA_WAITING = 1
    submit(owner, make_image(size=(50, 50)))
    with pytest.raises(services.QuotaExceeded):
        services.rerun(done)


def test_a_user_may_store_only_so_much(owner, submit, make_image, settings, stored_files):
    settings.QUOTA_STORED_MB = 1
    first = submit(owner, make_image())
    assert quotas.stored(owner).used == first.photo.bytes
    Photo.objects.update(stored_bytes=1024 * 1024 - 10)
    with pytest.raises(services.QuotaExceeded) as refusal:
        submit(owner, make_image(size=(50, 50)))
    assert refusal.value.quota == "stored"
    assert refusal.value.retry_after is None, "waiting makes no room"
    assert len(stored_files()) == 1
    first.delete()
    assert submit(owner, make_image(size=(50, 50)))


def test_the_gallery_has_no_quota(submit, make_image, settings):
    settings.QUOTA_WAITING = settings.QUOTA_STORED_MB = 1
    for number in range(2):
        submit(None, make_image(size=(50 + number, 50)))


def test_without_limits_nothing_is_refused(owner, submit, make_image, settings):
    settings.QUOTA_WAITING = settings.QUOTA_STORED_MB = 0
    Photo.objects.update(stored_bytes=10**15)
    for number in range(3):
        submit(owner, make_image(size=(50 + number, 50)))


def test_the_queue_is_limited_for_all_together(owner, submit, make_image, settings):
    settings.QUEUE_LIMIT = 1
    submit(owner, make_image(size=(50, 50)))
    other = User.objects.create_user("bob", "bob@example.org")
    with pytest.raises(services.QueueFull):
        submit(other, make_image(size=(60, 60)))
