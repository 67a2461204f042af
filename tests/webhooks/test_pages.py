"""The webhook pages: for their owner, a stranger, nobody and staff."""

import re

import pytest
from django.urls import get_resolver, reverse

from tests.pages.conftest import browser_of, make_user
from tests.pages.test_markup import check

LIST = "/account/webhooks/"
PAGES = ["webhook-detail", "webhook-delete"]
ACTIONS = ["webhook-switch", "webhook-test", "webhook-send-again"]


@pytest.fixture
def delivery(webhook):
    from predictions.webhooks.models import Delivery

    return Delivery.objects.create(webhook=webhook, event="prediction.failed")


@pytest.fixture
def at(webhook, delivery):
    """A function that returns an address by name."""

    def at(name: str) -> str:
        more = [delivery.pk] if name == "webhook-send-again" else []
        return reverse(name, args=[webhook.pk, *more])

    return at


def deliver() -> bool:
    from predictions.webhooks.services import deliver_next

    return deliver_next()


def snapshot() -> list:
    from predictions.webhooks.models import Delivery, Webhook

    return [*Webhook.objects.values(), *Delivery.objects.values()]


class TestAccess:
    def test_every_address_is_tested_here(self):
        names = {pattern.name for pattern in get_resolver("predictions.webhooks.urls").url_patterns}
        assert names == {"webhook-list", *PAGES, *ACTIONS}

    def test_owner(self, at, client):
        for address in (LIST, *map(at, PAGES)):
            response = client.get(address)
            assert response.status_code == 200, address
            assert "no-store" in response["Cache-Control"], address
            check(response)

    def test_stranger_finds_and_changes_nothing(self, at):
        client = browser_of(make_user("mallory"))
        before = snapshot()
        assert [client.get(at(name)).status_code for name in PAGES] == [404, 404]
        actions = [*ACTIONS, "webhook-delete"]
        assert [client.post(at(name)).status_code for name in actions] == [404] * 4
        assert list(client.get(LIST).context["webhooks"]) == []
        assert snapshot() == before

    def test_a_delivery_belongs_to_its_webhook(self, at, webhook, owner, client, delivery):
        from predictions.webhooks import services

        other = services.add(owner, webhook.url)
        address = reverse("webhook-send-again", args=[other.pk, delivery.pk])
        assert client.post(address).status_code == 404

    def test_visitor_is_sent_to_log_in(self, at, db):
        from django.test import Client

        client, before = Client(), snapshot()
        answers = [client.get(address) for address in (LIST, *map(at, PAGES))]
        answers += [client.post(address) for address in (LIST, *map(at, [*PAGES, *ACTIONS][1:]))]
        places = {answer.headers.get("Location", "").split("?")[0] for answer in answers}
        assert places == {"/accounts/login/"}
        assert snapshot() == before

    def test_nothing_is_changed_by_following_a_link(self, at, client):
        assert [client.get(at(name)).status_code for name in ACTIONS] == [405] * 3

    def test_forms_need_a_token(self, at, owner):
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.force_login(owner)
        for address in (LIST, *map(at, ["webhook-delete", *ACTIONS])):
            assert client.post(address).status_code == 403, address


class TestAdding:
    def test_from_the_account_page_to_the_secret(self, client, endpoint, private_allowed):
        from predictions.webhooks.models import Webhook

        assert f'href="{LIST}"' in client.get("/account/").content.decode()
        response = client.post(LIST, {"url": endpoint.url}, follow=True)
        webhook = Webhook.objects.get()
        assert response.request["PATH_INFO"] == webhook.get_absolute_url()
        html = response.content.decode()
        assert webhook.secret in html
        assert webhook.url in html
        assert webhook.secret not in client.get(LIST).content.decode()

    @pytest.mark.parametrize(
        ("url", "complaint"),
        [
            ("", "This field is required"),
            ("nonsense", "Enter a complete address that begins with https://"),
            ("http://example.org/", "must begin with https"),
            ("https://10.0.0.1/", "private network"),
            ("https://example.org/" + "a" * 500, "at most 500 characters"),
        ],
    )
    def test_an_address_that_is_none(self, client, url, complaint):
        from predictions.webhooks.models import Webhook

        response = client.post(LIST, {"url": url})
        assert complaint in response.content.decode()
        check(response)
        assert not Webhook.objects.exists()

    def test_there_is_a_limit(self, client, owner):
        for _ in range(6):
            response = client.post(LIST, {"url": "https://example.org/hook"})
        assert "You have 5 webhooks" in response.content.decode()
        assert owner.webhooks.count() == 5


class TestLog:
    def test_a_test_that_arrives(self, webhook, client, endpoint):
        response = client.post(reverse("webhook-test", args=[webhook.pk]), follow=True)
        assert "on its way" in response.content.decode()
        assert "waiting" in response.content.decode()
        assert deliver()
        html = client.get(webhook.get_absolute_url()).content.decode()
        for text in ("delivered", "HTTP 200", "1 attempt"):
            assert text in html

    def test_a_second_test_at_once(self, webhook, client):
        address = reverse("webhook-test", args=[webhook.pk])
        client.post(address)
        html = client.post(address, follow=True).content.decode()
        assert "A test is on its way already. (test_waiting)" in html

    def test_a_message_that_does_not_arrive(self, delivery, webhook, client, endpoint):
        endpoint.status = 302
        assert deliver()
        response = client.get(webhook.get_absolute_url())
        html = response.content.decode()
        for text in ("waiting", "HTTP 302", "redirects are not followed", "Next try:"):
            assert text in html
        check(response)
        delivery.next_attempt_at = None
        delivery.save()
        assert "given up" in client.get(webhook.get_absolute_url()).content.decode()

    def test_sending_again(self, delivery, webhook, client, endpoint):
        assert deliver()
        client.post(reverse("webhook-send-again", args=[webhook.pk, delivery.pk]))
        assert deliver()
        assert len(endpoint.requests) == 2

    def test_a_long_log_has_pages(self, webhook, client):
        from predictions.webhooks.models import Delivery

        Delivery.objects.bulk_create(Delivery(webhook=webhook, event="test") for _ in range(25))
        first = client.get(webhook.get_absolute_url())
        last = client.get(webhook.get_absolute_url(), {"page": 2})
        assert len(first.context["page"]) == 20
        assert len(last.context["page"]) == 5
        check(last)


class TestChanging:
    def test_off_and_on(self, webhook, delivery, client):
        address = reverse("webhook-switch", args=[webhook.pk])
        html = client.post(address, {"active": "false"}, follow=True).content.decode()
        assert "Switch on" in html
        assert "Send again" not in html
        html = client.post(address, {"active": "true"}, follow=True).content.decode()
        assert "Switch off" in html

    def test_the_page_says_why_it_is_off(self, webhook, client, endpoint):
        endpoint.status = 410
        client.post(reverse("webhook-test", args=[webhook.pk]))
        assert deliver()
        response = client.get(webhook.get_absolute_url())
        assert "its address answered 410 Gone" in response.content.decode()
        check(response)
        client.post(reverse("webhook-switch", args=[webhook.pk]), {"active": "true"})
        assert "its address answered" not in client.get(webhook.get_absolute_url()).content.decode()

    def test_delete_asks_first(self, webhook, delivery, client):
        address = reverse("webhook-delete", args=[webhook.pk])
        assert webhook.url in client.get(address).content.decode()
        assert client.post(address)["Location"] == LIST
        assert snapshot() == []


class TestAdmin:
    @pytest.fixture
    def staff(self, db):
        from emotionsite.accounts.models import User

        return browser_of(User.objects.create_superuser("root", "root@example.org"))

    def test_shows_neither_secret_nor_path(self, staff, webhook):
        for address in (
            "/admin/webhooks/webhook/",
            f"/admin/webhooks/webhook/{webhook.pk}/change/",
        ):
            html = staff.get(address).content.decode()
            assert "127.0.0.1" in html
            assert "whsec_" not in html
            assert not re.search(r":\d+/hook", html)

    def test_says_in_words_why_it_is_off(self, staff, webhook):
        type(webhook).objects.update(is_active=False, off_reason="gone", given_up=3)
        page = staff.get("/admin/webhooks/webhook/").content.decode()
        assert page.count("its address answered 410 Gone.") == 2, "in the list and as a filter"
        assert '<td class="field-failed_in_a_row">3</td>' in page
        page = staff.get(f"/admin/webhooks/webhook/{webhook.pk}/change/").content.decode()
        assert "its address answered 410 Gone." in page
        assert "View on site" not in page, "nobody but its owner finds its page"

    def test_switches_off(self, staff, webhook):
        form = {"action": "switch_off", "_selected_action": [webhook.pk]}
        assert staff.post("/admin/webhooks/webhook/", form).status_code == 302
        webhook.refresh_from_db()
        assert not webhook.is_active
