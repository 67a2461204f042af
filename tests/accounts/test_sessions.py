"""Sessions are kept for as long as somebody may come back with them."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from emotionsite.accounts.models import User
from emotionsite.accounts.tasks import forget_sessions


@pytest.mark.django_db
def test_expired_sessions_are_forgotten_and_living_ones_stay(settings):
    user = User.objects.create_user("ada")
    for _ in range(2):
        client = Client()
        client.force_login(user)
    last = client.session.session_key
    Session.objects.exclude(pk=last).update(expire_date=timezone.now() - timedelta(seconds=1))
    forget_sessions()
    assert Session.objects.get().pk == last
    assert client.get("/account/").status_code == 200
    tasks = [entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    assert forget_sessions.name in tasks
