"""What is sent: the API's record, in the envelope and under the signature of Standard Webhooks."""

from datetime import datetime
from urllib.parse import urljoin

import standardwebhooks
from django.conf import settings
from rest_framework.renderers import JSONRenderer

from predictions.api.serializers import PredictionSerializer
from predictions.models import Prediction
from predictions.webhooks.models import Delivery


def record(prediction: Prediction) -> dict:
    """Return what GET predictions/{id}/ answers; without SITE_URL its URLs are bare paths."""
    data = PredictionSerializer(prediction, context={"request": None}).data
    for name in ("image_url", "thumbnail_url"):
        if data["photo"][name]:
            data["photo"][name] = urljoin(settings.SITE_URL, data["photo"][name])
    return data


def body(delivery: Delivery) -> bytes:
    """Return the JSON of a message: its type, when that happened, and the record as it is now."""
    return JSONRenderer().render(
        {
            "type": delivery.event,
            "timestamp": delivery.created_at,
            "data": record(delivery.prediction) if delivery.prediction else {},
        }
    )


def headers(secret: str, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers by which a receiver knows the sender; ``now`` is in UTC."""
    webhook = standardwebhooks.Webhook(secret)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign(message_id, now, body.decode()),
    }
