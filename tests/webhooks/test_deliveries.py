"""From a finished prediction to its receiver: who is told, how often, and when that ends."""

import threading
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from tests.pages.conftest import make_user
from tests.support import records, steps

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def broker(redis_server, _worker):
    """A Redis that answers, and nobody who would do the work of these tests."""
    _worker.stop()
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
        yield client
        redis_server.start()
        client.flushdb()


@pytest.fixture
def cancel(owner, make_image, django_capture_on_commit_callbacks):
    """A function that hands a photo in and cancels it, and lets the site hear of that."""
    from predictions import services

    def cancel(user=owner):
        prediction = records.queue(user, make_image())
        with django_capture_on_commit_callbacks(execute=True):
            services.cancel(prediction)
        return prediction

    return cancel


def deliver() -> bool:
    from predictions.webhooks.services import deliver_next

    return deliver_next()


def make_due(delivery) -> None:
    type(delivery).objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())


def spend(delivery) -> None:
    """Leave the message one attempt."""
    from predictions.webhooks.services import PAUSES

    type(delivery).objects.filter(pk=delivery.pk).update(attempts=len(PAUSES))


class TestWhoIsTold:
    def test_the_owner_of_the_photo(self, webhook, endpoint, cancel, broker):
        prediction = cancel()
        assert broker.llen("deliveries") == 1
        assert deliver()
        assert not deliver()
        (request,) = endpoint.requests
        message = request.message(webhook.secret)
        assert message["type"] == "prediction.canceled"
        assert (message["data"]["id"], message["data"]["status"]) == (
            str(prediction.pk),
            "canceled",
        )
        delivery = webhook.deliveries.get()
        assert request.headers["webhook-id"] == delivery.message_id
        assert (delivery.attempts, delivery.last_status, delivery.last_error) == (1, 200, "")
        assert delivery.delivered_at is not None
        assert delivery.next_attempt_at is None

    def test_each_end_has_its_word(self, webhook, make_image, django_capture_on_commit_callbacks):
        from predictions import services

        first, second = (records.queue(webhook.owner, make_image()) for _ in range(2))
        with django_capture_on_commit_callbacks(execute=True):
            services.fail(steps.claim(first.pk), "timed_out", "Too slow.")
        with django_capture_on_commit_callbacks(execute=True):
            services.cancel(second)
        events = dict(webhook.deliveries.values_list("prediction", "event"))
        assert events == {first.pk: "prediction.failed", second.pk: "prediction.canceled"}

    def test_each_webhook_that_is_on(self, webhook, owner, endpoint, cancel):
        from predictions.webhooks import services

        other, off = (services.add(owner, endpoint.url) for _ in range(2))
        services.switch(off, False)
        cancel()
        assert deliver()
        assert deliver()
        assert not deliver()
        assert {d.webhook_id for w in (webhook, other) for d in w.deliveries.all()} == {
            webhook.pk,
            other.pk,
        }
        assert not off.deliveries.exists()

    def test_nobody_else(self, webhook, cancel, broker):
        from predictions.webhooks.models import Delivery

        cancel(make_user("mallory"))
        assert not Delivery.objects.exists()
        assert broker.llen("deliveries") == 0

    def test_nobody_whose_account_is_closed(self, webhook, owner, endpoint, cancel):
        cancel()
        owner.is_active = False
        owner.save()
        assert not deliver()
        assert endpoint.requests == []

    def test_nobody_of_what_was_deleted_on_a_page_until_it_is_brought_back(
        self, webhook, owner, endpoint, cancel
    ):
        from predictions import removal

        prediction = cancel()
        removal.remove(type(prediction).objects.for_user(owner))
        assert not deliver()
        assert endpoint.requests == []
        removal.restore(owner, [prediction.pk])
        assert deliver()
        assert len(endpoint.requests) == 1


class TestTryingAgain:
    def test_a_message_is_tried_eight_times_at_growing_distances(self, webhook, endpoint, cancel):
        from predictions.webhooks.services import PAUSES

        endpoint.status = 500
        cancel()
        delivery = webhook.deliveries.get()
        for number, pause in enumerate(PAUSES, start=1):
            assert deliver()
            assert not deliver(), "it is not due yet"
            delivery.refresh_from_db()
            assert (delivery.attempts, delivery.last_status) == (number, 500)
            assert delivery.last_error == "refused"
            waits = delivery.next_attempt_at - timezone.now()
            assert pause - timedelta(seconds=1) < waits <= pause * 1.2
            make_due(delivery)
        assert deliver()
        delivery.refresh_from_db()
        assert (delivery.next_attempt_at, delivery.delivered_at) == (None, None)
        assert len(endpoint.requests) == 8
        assert {request.headers["webhook-id"] for request in endpoint.requests} == {
            delivery.message_id
        }
        for request in endpoint.requests:
            request.message(webhook.secret)
        webhook.refresh_from_db()
        assert (webhook.is_active, webhook.given_up) == (True, 1)

    def test_what_arrives_at_last_is_delivered(self, webhook, endpoint, cancel):
        endpoint.status = 503
        cancel()
        assert deliver()
        endpoint.status = 200
        make_due(webhook.deliveries.get())
        assert deliver()
        delivery = webhook.deliveries.get()
        assert delivery.delivered_at
        assert (delivery.attempts, delivery.last_status, delivery.last_error) == (2, 200, "")

    def test_an_attempt_without_an_end_is_made_again(self, webhook, cancel, monkeypatch):
        """Here the process is lost as late as it can be, after the row was taken."""
        from predictions.webhooks import sending, services

        cancel()
        with monkeypatch.context() as patch:
            patch.setattr(sending, "post", lambda *_: (_ for _ in ()).throw(SystemExit))
            with pytest.raises(SystemExit):
                services.deliver_next()
        delivery = webhook.deliveries.get()
        assert (delivery.attempts, delivery.last_error) == (1, "unanswered")
        assert delivery.next_attempt_at > timezone.now()
        make_due(delivery)
        assert deliver()
        assert webhook.deliveries.get().delivered_at

    def test_a_webhook_of_a_lost_worker_is_free_after_its_lease(self, webhook, cancel):
        from predictions.webhooks.services import LEASE

        cancel()
        webhook.busy_until = timezone.now() + LEASE
        webhook.save()
        assert not deliver()
        webhook.busy_until = timezone.now()
        webhook.save()
        assert deliver()

    def test_a_name_that_comes_to_lead_inside_is_not_called(self, owner, endpoint, names, cancel):
        from predictions.webhooks import services

        webhook = services.add(owner, f"https://hooks.example.org:{endpoint.port}/")
        cancel()
        names["hooks.example.org"] = ["127.0.0.1"]
        assert deliver()
        assert webhook.deliveries.get().last_error == "private_address"
        assert endpoint.requests == []

    def test_news_that_is_out_of_date_is_not_sent(self, webhook, endpoint, cancel):
        from predictions import services

        services.rerun(cancel())
        assert deliver()
        delivery = webhook.deliveries.get()
        assert (delivery.last_error, delivery.next_attempt_at) == ("superseded", None)
        assert endpoint.requests == []


class TestSwitchingOff:
    def test_410_switches_off_at_once(self, webhook, endpoint, cancel):
        endpoint.status = 410
        cancel()
        cancel()
        assert deliver()
        assert not deliver()
        webhook.refresh_from_db()
        assert not webhook.is_active
        assert "410 Gone" in webhook.why_off
        assert webhook.deliveries.filter(last_error="gone", next_attempt_at=None).count() == 1

    def test_messages_given_up_in_a_row_switch_off(self, webhook, endpoint, cancel):
        from predictions.webhooks.services import MAX_GIVEN_UP

        endpoint.status = 500
        for number in range(1, MAX_GIVEN_UP + 1):
            cancel()
            spend(webhook.deliveries.first())
            assert deliver()
            webhook.refresh_from_db()
            assert webhook.is_active == (number < MAX_GIVEN_UP)
        assert "given up" in webhook.why_off

    def test_one_that_arrives_ends_the_row(self, webhook, endpoint, cancel):
        from predictions.webhooks.services import MAX_GIVEN_UP

        for number in range(2 * MAX_GIVEN_UP - 1):
            endpoint.status = 200 if number == MAX_GIVEN_UP - 1 else 500
            cancel()
            spend(webhook.deliveries.first())
            assert deliver()
        webhook.refresh_from_db()
        assert (webhook.is_active, webhook.given_up) == (True, MAX_GIVEN_UP - 1)

    def test_what_waits_goes_out_once_it_is_on_again(self, webhook, endpoint, cancel):
        from predictions.webhooks import services

        cancel()
        services.switch(webhook, False)
        assert not deliver()
        services.switch(webhook, True)
        assert deliver()
        assert len(endpoint.requests) == 1


class TestTestsAndRepetitions:
    def test_a_test_goes_out_once_even_from_a_webhook_that_is_off(self, webhook, endpoint):
        from predictions.webhooks import services

        services.switch(webhook, False)
        endpoint.status = 500
        delivery = services.test(webhook)
        assert deliver()
        delivery.refresh_from_db()
        assert (delivery.attempts, delivery.next_attempt_at) == (1, None)
        assert endpoint.requests[0].message(webhook.secret)["type"] == "test"
        webhook.refresh_from_db()
        assert webhook.given_up == 0

    def test_what_is_sent_by_hand_is_limited(self, webhook):
        from predictions.services import NotAllowed
        from predictions.webhooks import services

        for _ in range(services.MAX_BY_HAND - 1):
            services.test(webhook)
            with pytest.raises(NotAllowed) as refusal:
                services.test(webhook)
            assert refusal.value.code == "test_waiting"
            webhook.deliveries.update(next_attempt_at=None)
        services.send_again(webhook.deliveries.first())
        services.delete(webhook)
        another = services.add(webhook.owner, webhook.url)
        with pytest.raises(NotAllowed) as refusal:
            services.test(another)
        assert refusal.value.code == "too_many_by_hand"

    def test_send_again_is_the_same_message_from_the_start(self, webhook, endpoint, cancel):
        from predictions.webhooks import services

        cancel()
        spend(webhook.deliveries.get())
        endpoint.status = 500
        assert deliver()
        services.send_again(webhook.deliveries.get())
        assert deliver()
        delivery = webhook.deliveries.get()
        assert delivery.attempts == 1
        assert delivery.next_attempt_at
        first, second = (request.headers["webhook-id"] for request in endpoint.requests)
        assert first == second

    def test_nothing_is_sent_again_while_it_is_off(self, webhook, cancel):
        from predictions.services import NotAllowed
        from predictions.webhooks import services

        cancel()
        services.switch(webhook, False)
        with pytest.raises(NotAllowed) as refusal:
            services.send_again(webhook.deliveries.get())
        assert refusal.value.code == "webhook_off"


class TestWhatIsKept:
    def test_nothing_of_a_deleted_prediction(self, webhook, cancel):
        from predictions import removal
        from predictions.models import Prediction

        removal.delete(Prediction.objects.get(pk=cancel().pk))
        assert not webhook.deliveries.exists()
        assert not deliver()

    def test_nothing_of_a_deleted_webhook_or_user(self, webhook, owner, endpoint, cancel):
        from predictions.webhooks import services
        from predictions.webhooks.models import Delivery, Webhook

        other = services.add(owner, endpoint.url)
        cancel()
        services.delete(webhook)
        assert list(Delivery.objects.values_list("webhook", flat=True)) == [other.pk]
        owner.delete()
        assert not Webhook.objects.exists()
        assert not Delivery.objects.exists()

    def test_the_log_goes_back_a_month(self, webhook, cancel):
        from predictions.webhooks import services

        cancel()
        cancel()
        old = webhook.deliveries.last()
        old.created_at -= timedelta(days=31)
        old.save()
        services.forget()
        assert webhook.deliveries.count() == 1
        assert not webhook.deliveries.filter(pk=old.pk).exists()

    def test_webhooks_of_a_user_are_few(self, webhook, owner, endpoint):
        from predictions.services import NotAllowed
        from predictions.webhooks import services

        for _ in range(services.MAX_WEBHOOKS - 1):
            services.add(owner, endpoint.url)
        with pytest.raises(NotAllowed) as refusal:
            services.add(owner, endpoint.url)
        assert refusal.value.code == "too_many_webhooks"
        services.add(make_user("mallory"), endpoint.url)


class TestQueue:
    def test_without_a_broker_the_next_call_of_beat_finds_the_message(
        self, webhook, endpoint, cancel, redis_server, settings
    ):
        from predictions.webhooks import tasks

        redis_server.stop()
        cancel()
        assert webhook.deliveries.count() == 1
        redis_server.start()
        assert settings.CELERY_BEAT_SCHEDULE["deliver"]["task"] == tasks.deliver.name
        tasks.deliver()
        assert webhook.deliveries.get().delivered_at

    def test_one_attempt_leads_to_the_next_on_a_queue_of_its_own(self, webhook, cancel, broker):
        from predictions.webhooks import tasks

        cancel()
        broker.flushdb()
        tasks.deliver()
        assert (broker.llen("deliveries"), broker.llen("celery")) == (1, 0)
        broker.flushdb()
        tasks.deliver()
        assert broker.llen("deliveries") == 0, "nothing was due, so nobody need be called"

    def test_webhooks_take_turns(self, webhook, owner, endpoint, cancel):
        from predictions.webhooks import services

        busy = [cancel(), cancel()]
        other = services.add(owner, f"{endpoint.url}/other")
        webhook.deliveries.model.objects.create(
            webhook=other, event="prediction.canceled", prediction=busy[0]
        )
        while deliver():
            pass
        assert [request.path for request in endpoint.requests] == ["/hook", "/hook/other", "/hook"]


@pytest.mark.django_db(transaction=True)
def test_a_slow_receiver_delays_only_itself(webhook, owner, start_endpoint, cancel):
    from django.db import connection

    from predictions.webhooks import services

    slow = start_endpoint()
    slow.open.clear()
    cancel()
    assert deliver()
    slow_webhook = services.add(owner, slow.url)
    for _ in range(2):
        services.Delivery.objects.create(webhook=slow_webhook, event="test")

    def attempt() -> None:
        services.deliver_next()
        connection.close()

    thread = threading.Thread(target=attempt)
    thread.start()
    try:
        while not slow.requests:
            threading.Event().wait(0.01)
        assert not deliver(), "the slow one has a second message, and has not answered the first"
        cancel()
        assert deliver()
        assert not deliver()
        assert webhook.deliveries.filter(delivered_at=None).count() == 0
    finally:
        slow.open.set()
        thread.join()
    assert slow_webhook.deliveries.exclude(delivered_at=None).count() == 1
    assert len(slow.requests) == 1
