"""What a message says, and that its signature is the one that everybody can check."""

import json
from datetime import UTC, datetime

import pytest

from tests.support import records


def test_signature_is_that_of_the_published_example():
    from predictions.webhooks import messages

    assert messages.headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    ) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.fixture
def prediction(owner, astronaut):
    return records.analyse(owner, astronaut)


def test_the_record_is_the_one_of_the_api(prediction, client, settings):
    from predictions.webhooks import messages

    answer = client.get(f"/api/v1/predictions/{prediction.pk}/").json()
    assert len(answer["faces"]) == 1
    settings.SITE_URL = "http://testserver"
    assert json.loads(json.dumps(messages.record(prediction), default=str)).keys() == answer.keys()
    assert messages.record(prediction)["photo"] == answer["photo"]
    settings.SITE_URL = ""
    url = messages.record(prediction)["photo"]["image_url"]
    assert url == f"/api/v1/predictions/{prediction.pk}/image/"


def test_the_envelope(prediction, client, webhook, settings):
    from predictions.webhooks import messages
    from predictions.webhooks.models import Delivery

    settings.SITE_URL = "http://testserver"
    delivery = Delivery(webhook=webhook, event="prediction.succeeded", prediction=prediction)
    message = json.loads(messages.body(delivery))
    assert message.keys() == {"type", "timestamp", "data"}
    assert message["type"] == "prediction.succeeded"
    assert datetime.fromisoformat(message["timestamp"]) == delivery.created_at
    assert message["data"] == client.get(f"/api/v1/predictions/{prediction.pk}/").json()


def test_a_test_tells_nothing(webhook):
    from predictions.webhooks import messages
    from predictions.webhooks.models import Delivery

    message = json.loads(messages.body(Delivery(webhook=webhook, event="test")))
    assert (message["type"], message["data"]) == ("test", {})


def test_every_webhook_has_a_long_secret_of_its_own():
    import base64

    from predictions.webhooks.models import new_secret

    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32
