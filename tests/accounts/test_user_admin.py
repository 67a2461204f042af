"""How much each user stores, as the admin shows it."""

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.db import connection
from django.db.models import CASCADE
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from emotionsite.accounts.models import ApiToken, User
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
            name="my secret.jpg", width=9, height=9,
            bytes=9 * size * MEGABYTE, stored_bytes=size * MEGABYTE,
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
        assert f'<td class="field-photos">{photos}</td><td class="field-size">{size}<' in page
    assert '<td class="field-size_as_uploaded">63.0\xa0MB<' in page
    columns = [*admin_client.get(reverse(LIST)).context["cl"].list_display]
    by_count, by_size = columns.index("photos"), columns.index("size")
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
    removed.predictions.filter(photo__stored_bytes=5 * MEGABYTE).update(removed_at=timezone.now())
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


def test_what_goes_with_a_user_is_counted_and_not_read(admin_client):
    assert all(relation.on_delete is CASCADE for relation in User._meta.related_objects)
    user = user_with("ada", *[1] * 20)
    ApiToken.objects.issue(user, name="lab", scope="read", lifetime=None)
    address = reverse("admin:accounts_user_delete", args=[user.pk])
    with CaptureQueriesContext(connection) as captured:
        page = admin_client.get(address).content.decode()
    assert "<li>Predictions: 20</li>" in page
    assert "<li>API tokens: 1</li>" in page
    assert not any(str(prediction.pk) in page for prediction in user.predictions.all())
    read = [
        query["sql"] for query in captured if '"predictions_prediction"."name_key"' in query["sql"]
    ]
    assert read == []
    admin_client.post(address, {"post": "yes"})
    assert not User.objects.filter(pk=user.pk).exists()
    assert not Prediction.objects.exists()


def test_users_are_deleted_by_whoever_may_delete_what_is_theirs(client):
    staff = User.objects.create_user("bob", is_staff=True)
    may = Permission.objects.filter(codename__in=("view_user", "delete_user"))
    staff.user_permissions.set(may)
    client.force_login(staff)
    user, empty = user_with("ada", 1), user_with("cyd")
    address = "admin:accounts_user_delete"
    assert "permission" in client.get(reverse(address, args=[user.pk])).content.decode()
    assert client.post(reverse(address, args=[user.pk]), {"post": "yes"}).status_code == 403
    client.post(reverse(address, args=[empty.pk]), {"post": "yes"})
    assert list(User.objects.filter(pk__in=[user.pk, empty.pk])) == [user]


def test_forms_say_whose_the_address_is_and_what_no_password_means(admin_client):
    page = admin_client.get(reverse("admin:accounts_user_add")).content.decode()
    assert "Only its owner can change it later." in page
    assert "nobody can log in to this account" in page
    assert "LDAP" not in page
    user = user_with("ada")
    page = admin_client.get(reverse("admin:accounts_user_change", args=[user.pk])).content.decode()
    assert "Only the owner of the account can change its address." in page


class TestWhatStaffDoToALogIn:
    @pytest.fixture
    def ada(self) -> User:
        return User.objects.create_user("ada", "ada@example.org", "correct horse battery")

    @pytest.fixture
    def set_password(self, admin_client, ada):
        """A function that tries to set ada's password."""

        def set_password():
            new = {"password1": "x9!kfjRq", "password2": "x9!kfjRq", "usable_password": "true"}
            return admin_client.post(f"/admin/accounts/user/{ada.pk}/password/", new)

        return set_password

    def test_a_forgotten_password_is_answered_by_a_link_to_its_user(
        self, admin_client, ada, settings, set_password
    ):
        settings.EMAIL_URL = "smtp://mail.example.org"
        page = admin_client.get(f"/admin/accounts/user/{ada.pk}/password/").content.decode()
        assert "The link goes to ada@example.org alone" in page
        assert 'type="password"' not in page
        set_password()
        [message] = mail.outbox
        assert message.to == ["ada@example.org"]
        assert "/accounts/password/reset/key/" in message.body
        ada.refresh_from_db()
        assert ada.check_password("correct horse battery")
        assert not ada.staff_acts.exists(), "nothing has changed"

    def test_a_password_that_staff_set_is_told(self, set_password, ada):
        set_password()
        client = Client()
        ada.refresh_from_db()
        assert ada.check_password("x9!kfjRq")
        for _visit in range(2):  # The first of them may be somebody else's.
            log_in = {"login": "ada", "password": "x9!kfjRq"}
            page = client.post("/accounts/login/?next=/account/", log_in, follow=True)
            said = [str(message) for message in page.context["messages"]]
            assert "The staff of this site changed your password." in said
            client.post("/accounts/logout/")
        client.force_login(ada)
        assert "changed your password" in client.get("/account/").content.decode()

    def test_an_address_is_its_owners_to_change(self, admin_client, ada):
        address = ada.emailaddress_set.create(email=ada.email)
        for page in ("add/", f"{address.pk}/change/"):
            form = {"user": ada.pk, "email": "root@example.org", "verified": "on"}
            assert admin_client.post(f"/admin/account/emailaddress/{page}", form).status_code == 403
        act = {"action": "make_verified", "_selected_action": [address.pk]}
        admin_client.post("/admin/account/emailaddress/", act)
        page = f"/admin/accounts/user/{ada.pk}/change/"
        assert 'name="email"' not in admin_client.get(page).content.decode()
        form = {"username": "countess", "email": "root@example.org", "is_active": "on"}
        form |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
        assert admin_client.post(page, form).status_code == 302
        ada.refresh_from_db()
        assert (ada.username, ada.email) == ("countess", "ada@example.org")
        assert list(ada.emailaddress_set.values_list("email", "verified")) == [(ada.email, False)]

    def test_a_new_account_may_have_an_address(self, admin_client):
        form = {"username": "grace", "email": "grace@example.org", "usable_password": "true"}
        form |= {"password1": "x9!kfjRq", "password2": "x9!kfjRq"}
        admin_client.post("/admin/accounts/user/add/", form)
        assert User.objects.get(username="grace").email == "grace@example.org"
