"""What is a user's in the admin: staff see whose it is before they delete it."""

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse

from emotionsite.accounts.models import ApiToken, User
from predictions.webhooks.models import Webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", "ada@example.org")


@pytest.fixture
def things(ada) -> dict:
    """What a user has, by the names that it goes by in the admin."""
    token, _text = ApiToken.objects.issue(ada, name="lab", scope="read", lifetime=None)
    factor = Authenticator.objects.create(user=ada, type="totp", data={})
    webhook = Webhook.objects.create(owner=ada, url="https://example.org/hook")
    return {
        "lab of ada": token,
        "TOTP Authenticator of ada": factor,
        f"Webhook {webhook.pk} of ada": webhook,
        "ada@example.org of ada": ada.emailaddress_set.create(email=ada.email),
    }


def address(thing, page: str) -> str:
    arguments = [] if page == "changelist" else [thing.pk]
    opts = thing._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=arguments)


def test_pages_say_whose_it_is(admin_client, things):
    for name, thing in things.items():
        for page in ("change", "delete"):
            html = admin_client.get(address(thing, page)).content.decode()
            assert f"<h2>{name}</h2>" in html
            assert "historylink" not in html, "nothing is ever changed here"
        form = {"action": "delete_selected", "_selected_action": [thing.pk]}
        html = admin_client.post(address(thing, "changelist"), form).content.decode()
        assert f"<li>{name}</li>" in html
        admin_client.post(address(thing, "delete"), {"post": "yes"})
        assert not type(thing).objects.exists()


def test_what_never_happened_is_called_so(admin_client, ada):
    token, _text = ApiToken.objects.issue(ada, name="", scope="read", lifetime=None)
    page = admin_client.get(address(token, "changelist")).content.decode()
    assert '<td class="field-last_used_at nowrap">never</td>' in page
    assert '<td class="field-expiry nowrap">never</td>' in page
    assert f'<td class="field-known_as">{token.start}</td>' in page, "it has no name"


def test_apps_are_called_by_what_staff_find_in_them(admin_client):
    names = [app["name"] for app in admin_client.get("/admin/").context["app_list"]]
    assert names == [
        "Addresses of users",
        "Permissions",
        "Photos and gallery",
        "Second factors",
        "Users and tokens",
        "Webhooks of users",
    ]
