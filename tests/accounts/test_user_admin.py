"""How much each user stores, as the admin shows it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from emotionsite.accounts.models import User
from predictions.models import Photo, Prediction

pytestmark = pytest.mark.django_db

LIST = "admin:accounts_user_changelist"
MEGABYTE = 1024 * 1024


@pytest.fixture
def admin_client(client):
    client.force_login(User.objects.create_superuser("root", "root@example.org"))
    return client


def user_with(name: str, *megabytes: int, **files) -> User:
    """Make a user with photos of these sizes."""
    user = User.objects.create_user(name)
    for size in megabytes:
        photo = Photo.objects.create(
            name="my secret.jpg", bytes=size * MEGABYTE, width=9, height=9,
            **{"display": "photos/a/display.jpg"} | files,
        )  # fmt: skip
        Prediction.objects.create(owner=user, photo=photo)
    return user


def names(client, **query) -> list[str]:
    users = client.get(reverse(LIST), query).context["cl"].result_list
    return [user.username for user in users]


def test_users_are_listed_with_what_they_store_and_sorted_by_it(admin_client):
    user_with("ada", 3, 4)
    user_with("bob", 90, 30)
    user_with("cyd", 2, 2, 2)
    page = admin_client.get(reverse(LIST)).content.decode()
    for photos, size in ((2, "7.0\xa0MB"), (2, "120.0\xa0MB"), (3, "6.0\xa0MB"), (0, "0\xa0bytes")):
        cells = f'<td class="field-photos">{photos}</td><td class="field-size_as_uploaded">{size}<'
        assert cells in page
    columns = [*admin_client.get(reverse(LIST)).context["cl"].list_display]
    by_count, by_size = columns.index("photos"), columns.index("size_as_uploaded")
    assert names(admin_client, o=f"-{by_count}")[0] == "cyd"
    assert names(admin_client, o=f"-{by_size}") == ["bob", "ada", "cyd", "root"]
    assert names(admin_client, megabytes="10") == ["bob"]
    assert names(admin_client, megabytes="100") == ["bob"]
    assert names(admin_client, megabytes="1024") == []
    assert len(names(admin_client, megabytes="nonsense")) == 4


def test_only_what_is_stored_counts(admin_client):
    user_with("waits", 5, display="", upload="photos/a/upload")
    user_with("gone", 5, display="")
    removed = user_with("removed", 5, 6)
    removed.predictions.filter(photo__bytes=5 * MEGABYTE).update(removed_at=timezone.now())
    users = admin_client.get(reverse(LIST)).context["cl"].result_list
    stored = {user.username: (user.stored_photos, user.stored_bytes // MEGABYTE) for user in users}
    assert stored == {"waits": (1, 5), "gone": (0, 0), "removed": (1, 6), "root": (0, 0)}


def test_page_of_a_user_shows_counts_and_no_names(admin_client):
    user = user_with("ada", 3, 4)
    page = admin_client.get(reverse("admin:accounts_user_change", args=[user.pk])).content.decode()
    assert "7.0\xa0MB" in page
    assert "secret" not in page
    assert admin_client.get(reverse("admin:accounts_user_add")).status_code == 200


def test_list_asks_no_more_for_more_users(admin_client):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(reverse(LIST))
        return len(captured)

    user_with("ada", 1)
    few = queries()
    for number in range(5):
        user_with(f"user{number}", 1, 2)
    assert queries() == few
