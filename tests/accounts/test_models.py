"""The notice that comes before the first upload."""

import pytest
from django.utils import timezone

from emotionsite.accounts import models
from emotionsite.accounts.models import User

pytestmark = pytest.mark.django_db


def test_notice_is_accepted_once_for_each_version(monkeypatch):
    user = User.objects.create_user("ada", "ada@example.org")
    assert not user.has_accepted_notice
    before = timezone.now()
    user.accept_notice()
    user.refresh_from_db()
    assert user.has_accepted_notice
    assert user.notice_version == models.NOTICE_VERSION
    first = user.notice_accepted_at
    assert before <= first <= timezone.now()

    user.accept_notice()
    user.refresh_from_db()
    assert user.notice_accepted_at == first

    monkeypatch.setattr(models, "NOTICE_VERSION", "2099-01")
    assert not user.has_accepted_notice
    user.accept_notice()
    user.refresh_from_db()
    assert (user.notice_version, user.notice_accepted_at > first) == ("2099-01", True)


def test_admin_cannot_accept_it_for_somebody(client):
    client.force_login(User.objects.create_superuser("root", "root@example.org"))
    user = User.objects.create_user("ada", "ada@example.org")
    page = client.get(f"/admin/accounts/user/{user.pk}/change/").content.decode()
    assert "notice_version" not in page
    assert "notice_accepted_at" not in page
