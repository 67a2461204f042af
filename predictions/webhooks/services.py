"""The rules of webhooks: who is told what, when it is tried again, and when that ends.

The database is the queue of record here, too: a task says no more than that something may be due.
A webhook gets one message at a time, and the one that has waited longest for its turn comes first,
so that a slow receiver delays nobody but itself. A message arrives at least once.
"""

import random
from datetime import datetime, timedelta

import structlog
from celery import current_app
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Q
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from predictions.models import Prediction
from predictions.services import NotAllowed
from predictions.signals import ended
from predictions.webhooks.models import Delivery, Event, Failure, OffReason, Webhook
from predictions.webhooks.targets import parse

log = structlog.get_logger(__name__)

DELIVER = "webhooks.deliver"
FORGET = "webhooks.forget"

MAX_WEBHOOKS = 5
"""Of one user."""
MAX_BY_HAND = 20
"""Tests and repetitions of one user in an hour: the buttons call whatever address was typed."""
PAUSES = [
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
]
"""Between an attempt and the next one; a message is given up after the last. Up to a fifth is
added by chance, so that what failed together does not come back together."""
MAX_GIVEN_UP = 5
"""After so many messages in a row the webhook is switched off."""
LEASE = timedelta(minutes=1)
"""Longer than an attempt takes: a webhook that is busy for longer has lost its worker."""
KEPT = timedelta(days=30)
"""How long the log of deliveries goes back."""


def add(owner, url: str) -> Webhook:
    """Make a webhook with a secret of its own.

    Raises TargetRefused, and NotAllowed (too_many_webhooks).
    """
    parse(url)
    with transaction.atomic():
        get_user_model().objects.select_for_update().get(pk=owner.pk)
        if owner.webhooks.count() >= MAX_WEBHOOKS:
            detail = _("You have %(limit)s webhooks; delete one first.") % {"limit": MAX_WEBHOOKS}
            raise NotAllowed("too_many_webhooks", detail)
        return Webhook.objects.create(owner=owner, url=url)


def switch(webhook: Webhook, is_active: bool) -> None:
    """Switch a webhook on or off. While it is off nothing new is noted, and what waits, waits."""
    Webhook.objects.filter(pk=webhook.pk).update(is_active=is_active, off_reason="", given_up=0)
    if is_active:
        wake()


def delete(webhook: Webhook) -> None:
    """Remove a webhook with its log."""
    with transaction.atomic():
        # Whoever notes a message for it at this moment is waited for.
        list(Webhook.objects.select_for_update().filter(pk=webhook.pk))
        webhook.delete()


def test(webhook: Webhook) -> Delivery:
    """Send a message that tells nothing, once, also to a webhook that is off.

    Raises NotAllowed (test_waiting, too_many_by_hand).
    """
    if webhook.deliveries.filter(event=Event.TEST, next_attempt_at__isnull=False).exists():
        raise NotAllowed("test_waiting", _("A test is on its way already."))
    _count_by_hand(webhook.owner_id)
    delivery = Delivery.objects.create(webhook=webhook, event=Event.TEST)
    wake()
    return delivery


def send_again(delivery: Delivery) -> None:
    """Start a message anew, under the same id, whatever came of it.

    Raises NotAllowed (webhook_off, too_many_by_hand).
    """
    _count_by_hand(delivery.webhook.owner_id)
    started = Delivery.objects.filter(pk=delivery.pk, webhook__is_active=True).update(
        attempts=0, next_attempt_at=timezone.now(), delivered_at=None
    )
    if not started:
        raise NotAllowed("webhook_off", _("The webhook is off: switch it on first."))
    wake()


def _count_by_hand(owner_id: int) -> None:
    """Count one more message that a user sends; deleting a webhook starts no new count."""
    key = f"webhooks-by-hand:{owner_id}:{timezone.now():%j-%H}"
    sent = cache.get(key, 0)
    if sent >= MAX_BY_HAND:
        detail = _("That were %(limit)s messages by hand within an hour; try again later.")
        raise NotAllowed("too_many_by_hand", detail % {"limit": MAX_BY_HAND})
    cache.set(key, sent + 1, timeout=3600)


@receiver(ended)
def note(prediction_id, **_kwargs) -> None:
    """Note a message for each webhook of the owner, and leave the rest to the deliveries worker.

    It is committed with the end that it tells of, or not at all.
    """
    # Whoever deletes one of these rows now waits, and takes the new ones along.
    prediction = Prediction.objects.select_for_update().filter(pk=prediction_id).first()
    if prediction is None or prediction.owner_id is None:
        return
    event = Event(f"prediction.{prediction.status}")
    webhooks = Webhook.objects.select_for_update().filter(owner=prediction.owner_id)
    deliveries = Delivery.objects.bulk_create(
        Delivery(webhook=webhook, event=event, prediction=prediction)
        for webhook in webhooks.filter(is_active=True)
    )
    if deliveries:
        transaction.on_commit(lambda: all(wake() for _delivery in deliveries), robust=True)


def wake() -> bool:
    """Tell the deliveries worker that something may be due; without a broker, beat will."""
    try:
        current_app.send_task(DELIVER, retry=False, expires=60)
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable", error=str(error))
        return False
    return True


def deliver_next() -> bool:
    """Make the attempt whose turn it is; return whether there was one."""
    delivery = _claim()
    if delivery is None:
        return False
    try:
        _attempt(delivery)
    finally:
        Webhook.objects.filter(pk=delivery.webhook_id).update(busy_until=timezone.now())
    return True


def _claim() -> Delivery | None:
    """Take the webhook that has waited longest, with its message that is due longest."""
    while True:
        now = timezone.now()
        delivery = (
            Delivery.objects.filter(
                Q(webhook__is_active=True) | Q(event=Event.TEST),
                next_attempt_at__lte=now,
                webhook__busy_until__lte=now,
                webhook__owner__is_active=True,
                # What is deleted on a page waits until it is gone, or brought back.
                prediction__removed_at=None,
            )
            .select_related("webhook", "prediction__photo")
            .order_by("webhook__busy_until", "next_attempt_at", "created_at")
            .first()
        )
        if delivery is None:
            return None
        free = Webhook.objects.filter(pk=delivery.webhook_id, busy_until__lte=now)
        if free.update(busy_until=now + LEASE):
            return delivery


def _attempt(delivery: Delivery) -> None:
    # Only the deliveries worker needs these, and they bring the whole API with them.
    from predictions.webhooks import messages, sending

    now = timezone.now()
    delivery.attempts += 1
    # This is what holds where this process dies before it hears an answer.
    taken = Delivery.objects.filter(pk=delivery.pk).update(
        attempts=delivery.attempts,
        last_attempt_at=now,
        last_status=None,
        last_error=Failure.UNANSWERED,
        next_attempt_at=_next_attempt(delivery, now),
    )
    if not taken:
        return
    if delivery.prediction and delivery.event != f"prediction.{delivery.prediction.status}":
        _finish(delivery, None, Failure.SUPERSEDED)
        return
    webhook, body = delivery.webhook, messages.body(delivery)
    headers = messages.headers(webhook.secret, delivery.message_id, now, body)
    answer = sending.post(webhook.url, headers, body)
    _finish(delivery, answer.status, answer.error)


def _next_attempt(delivery: Delivery, now: datetime) -> datetime | None:
    """Return when to try again after this attempt, or None where it was the last."""
    if delivery.event == Event.TEST or delivery.attempts > len(PAUSES):
        return None
    return now + PAUSES[delivery.attempts - 1] * random.uniform(1, 1.2)  # noqa: S311


def _finish(delivery: Delivery, status: int | None, error: str) -> None:
    """Write down what came of an attempt; one that its owner started anew meanwhile goes on."""
    now = timezone.now()
    is_over = error in ("", Failure.GONE, Failure.SUPERSEDED)
    next_attempt = None if is_over else _next_attempt(delivery, now)
    Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts).update(
        last_status=status,
        last_error=error,
        delivered_at=None if error else now,
        next_attempt_at=next_attempt,
    )
    webhook = Webhook.objects.filter(pk=delivery.webhook_id)
    if not error:
        webhook.exclude(given_up=0).update(given_up=0)
    elif error == Failure.GONE:
        webhook.update(is_active=False, off_reason=OffReason.GONE)
    elif next_attempt is None and delivery.event != Event.TEST and not is_over:
        webhook.update(given_up=F("given_up") + 1)
        tired = webhook.filter(given_up__gte=MAX_GIVEN_UP, is_active=True)
        tired.update(is_active=False, off_reason=OffReason.FAILING)


def forget() -> None:
    """Cut off the end of the log."""
    Delivery.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
