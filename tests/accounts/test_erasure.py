"""Erasing an account while its programs and its worker are at it, on a real database file."""

import threading

import pytest
from django.core.files.base import ContentFile
from django.db import connections

from emotionsite.accounts import erasure
from emotionsite.accounts.erasure import Scope
from emotionsite.accounts.models import User
from predictions import services
from predictions.models import Photo, Prediction
from predictions.uploads import validate
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture(autouse=True)
def nobody_else_works(_worker) -> None:
    """End the worker of earlier tests, which knows nothing of this test's storage."""
    _worker.stop()


def test_a_program_that_goes_on_sending_leaves_neither_rows_nor_files(
    storage, make_image, monkeypatch
):
    monkeypatch.setattr(erasure, "SECONDS", 0.05)
    ada, grace = (User.objects.create_user(name) for name in ("ada", "grace"))
    services.submit(grace, validate(ContentFile(make_image(), "kept.jpg")))
    sent, refused = [], []
    some_are_in = threading.Event()

    def send() -> None:
        try:
            for width in range(50, 1000):
                photo = ContentFile(make_image(size=(width, 50)), "photo.jpg")
                sent.append(services.submit(ada, validate(photo))[0].pk)
                if len(sent) == 5:
                    some_are_in.set()
        except services.NotAllowed as error:
            refused.append(error.code)
        finally:
            some_are_in.set()
            connections.close_all()

    program = threading.Thread(target=send)
    program.start()
    some_are_in.wait(20)
    begun = erasure.begin(ada, Scope.ACCOUNT)
    wait_until(lambda: len(sent) > begun.erased["photos"], 20)
    while erasure.go_on(ada, begun):
        pass
    receipt = erasure.finish(ada, begun)
    program.join()

    assert refused == ["account_deleted"]
    assert receipt["erased"]["photos"] == len(sent) > begun.erased["photos"] >= 5
    assert list(User.objects.all()) == [grace]
    assert Prediction.objects.count() == Photo.objects.count() == 1
    assert len([path for path in storage.rglob("*") if path.is_file()]) == 1
