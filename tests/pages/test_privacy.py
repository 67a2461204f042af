"""Privacy: how long photos stay, everything as one file, and erasing it with a receipt."""

import io
import json
import re
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone

from emotionsite.accounts import erasure
from tests.pages.conftest import PASSWORD

PRIVACY = "/account/privacy/"
ERASE = "/account/erase/"
DELETE = "/account/delete/"
HTMX = {"hx-request": "true"}


@pytest.fixture
def at_once(django_capture_on_commit_callbacks):
    """A function that posts and does what is done after the commit."""

    def post(client, address: str, data: dict, **options):
        with django_capture_on_commit_callbacks(execute=True):
            return client.post(address, data, **options)

    return post


class TestRetention:
    @pytest.fixture
    def old(self, queue):
        """Three photos, of 0, 10 and 20 days."""
        from predictions.models import Prediction

        for days in (0, 10, 20):
            created = timezone.now() - timedelta(days=days, minutes=1)
            Prediction.objects.filter(pk=queue().pk).update(created_at=created)

    @pytest.mark.parametrize(
        ("site", "said"),
        [(0, "keeps photos and results until you delete"), (30, "after 30 days")],
    )
    def test_says_how_long_the_site_keeps_photos(self, client, settings, site, said):
        settings.RETENTION_DAYS = site
        assert said in client.get(PRIVACY).content.decode()

    @pytest.mark.parametrize(
        ("site", "days", "kept"),
        [
            *((30, 31, None), (30, 30, 30), (0, 365, 365), (0, 3651, None), (0, 0, None)),
            *((0, -1, None), (40_000, 40_000, None)),
        ],
    )
    def test_may_be_shorter_than_the_sites_and_not_longer(
        self, client, owner, settings, site, days, kept
    ):
        settings.RETENTION_DAYS = site
        answer = client.post(PRIVACY, {"days": days})
        owner.refresh_from_db()
        assert owner.retention_days == kept
        assert (answer.status_code == 200) == (kept is None)
        assert ('class="errorlist' in answer.content.decode()) == (kept is None)

    @pytest.mark.parametrize(
        ("site", "days", "said"),
        [
            (0, 0, "Choose at least one day."),
            (0, 9999, "Choose at most 3650 days."),
            (1, 2, "Choose at most 1 day."),
            (0, "", "Leave it empty to keep them until you delete them."),
            (30, "", "You can only choose a shorter time than the site"),
        ],
    )
    def test_says_what_may_be_chosen(self, client, settings, site, days, said):
        settings.RETENTION_DAYS = site
        assert said in client.post(PRIVACY, {"days": days}, follow=True).content.decode()

    @pytest.mark.parametrize(("site", "is_said"), [(0, True), (30, True), (10, False)])
    def test_a_choice_that_the_site_has_overtaken_is_not_told(
        self, client, owner, settings, site, is_said
    ):
        type(owner).objects.update(retention_days=15)
        settings.RETENTION_DAYS = site
        assert ("Yours go after 15 days" in client.get(PRIVACY).content.decode()) is is_said

    def test_photos_that_would_go_are_counted_before(self, client, owner, old):
        html = client.post(PRIVACY, {"days": 5}).content.decode()
        assert "2 of your photos are older than the limit you chose (days: 5)" in html
        assert "Save and delete 2 photos" in html
        owner.refresh_from_db()
        assert owner.retention_days is None
        # Who changes the number after the warning is warned again.
        html = client.post(PRIVACY, {"days": 15, "confirmed": 5}).content.decode()
        assert "1 of your photos is older than the limit you chose (days: 15)" in html
        client.post(PRIVACY, {"days": 15, "confirmed": 15})
        owner.refresh_from_db()
        assert owner.retention_days == 15
        assert "Yours go after 15 days" in client.get(PRIVACY).content.decode()

        from predictions import removal

        removal.forget()
        assert owner.predictions.count() == 2
        client.post(PRIVACY, {"days": ""})
        owner.refresh_from_db()
        assert owner.retention_days is None


class TestDownload:
    def test_holds_everything_of_its_owner_and_no_secret(
        self, client, owner, analyse, queue, stranger, storage
    ):
        from emotionsite.accounts.models import ApiToken
        from predictions import services
        from predictions.models import EarlierAnswer
        from predictions.webhooks.models import Webhook
        from tests.support.totp import protect

        prediction, waiting = analyse(name="me.png"), queue(name="../we.HEIC")
        services.cancel(waiting)
        prediction.explanations.create(index=0, picture=b"a drawing")
        EarlierAnswer.keep(prediction)
        analyse(user=stranger)
        secret, _codes = protect(owner)
        _row, token = ApiToken.objects.issue(owner, name="lab", scope="read", lifetime=None)
        hook = Webhook.objects.create(owner=owner, url="https://example.org/hook")

        response = client.get("/account/download/")
        assert response["Content-Type"] == "application/zip"
        content = b"".join(response.streaming_content)
        archive = zipfile.ZipFile(io.BytesIO(content))
        assert archive.testzip() is None
        photo = f"photos/{prediction.pk}.jpg"
        upload = f"uploads/{waiting.pk}.heic"
        drawing = f"drawings/{prediction.pk}-0.jpg"
        expected = {"account.json", "records.csv", "records.jsonl", photo, upload, drawing}
        assert set(archive.namelist()) == expected
        with waiting.photo.upload.open("rb") as file:
            assert archive.read(upload) == file.read()
        assert archive.read(drawing) == b"a drawing"
        with prediction.photo.display.open("rb") as file:
            assert archive.read(photo) == file.read()
        records = [json.loads(line) for line in archive.read("records.jsonl").splitlines()]
        assert {record["id"] for record in records} == {str(prediction.pk), str(waiting.pk)}
        [before] = next(r for r in records if r["faces"])["earlier_answers"]
        assert before["model"]["version"] == prediction.model_version
        assert before["faces"][0]["label"] == prediction.label
        assert len(archive.read("records.csv").splitlines()) == 3
        account = json.loads(archive.read("account.json"))
        assert (account["username"], account["email"]) == ("ada", "ada@example.org")
        assert account["notice"]["version"] == owner.notice_version
        assert account["api_tokens"][0]["name"] == "lab"
        assert account["webhooks"][0]["url"] == hook.url
        assert [factor["type"] for factor in account["second_factor"]] == ["totp", "recovery_codes"]
        for text in (token, hook.secret, secret, owner.password, "mallory"):
            assert text.encode() not in content

    def test_the_page_hears_how_far_it_is(self, client, queue):
        queue()
        page = client.get(PRIVACY).content.decode()
        [ticket] = re.findall(r'href="/account/download/[^"]*ticket=([\w-]{36})', page)
        progress = f"/insights/export/{ticket}/progress/?as=everything"
        assert f'hx-get="{progress}"' in page
        response = client.get("/account/download/", {"ticket": ticket})
        assert "on its way" in client.get(progress, headers=HTMX).text
        b"".join(response.streaming_content)
        assert "complete" in client.get(progress, headers=HTMX).text

    def test_waits_while_others_take_theirs(self, client, stranger, anonymous_client, monkeypatch):
        from predictions.export_slots import Slots

        slots = Slots(1)
        monkeypatch.setattr("predictions.api.reports.SLOTS", slots)
        taken = [slots.take(stranger, (nothing for nothing in ()))]
        try:
            page = client.get("/account/download/", follow=True)
            assert "(too_many_exports)" in page.content.decode()
        finally:
            for slot in taken:
                slot.close()
        response = client.get("/account/download/")
        assert b"account.json" in b"".join(response.streaming_content)
        assert anonymous_client.get("/account/download/").status_code == 302


class TestErasing:
    def test_photos_go_and_the_account_stays(
        self, client, owner, analyse, queue, stranger, storage, at_once, caplog
    ):
        from emotionsite.accounts.models import ApiToken
        from predictions import removal, services
        from predictions.models import Photo, Prediction

        with_face, hidden = analyse(), queue()
        theirs = queue(user=stranger)
        services.correct(with_face.faces.get(), "surprise")
        removal.remove(Prediction.objects.filter(pk=hidden.pk))
        ApiToken.objects.create(owner)
        size = with_face.photo.bytes + hidden.photo.bytes
        page = client.get(ERASE)
        expected = {"photos": 2, "results": 1, "corrections": 1, "bytes": size}
        assert page.context["belongings"] == expected
        assert "not your password" in client.post(ERASE, {"password": "wrong"}).content.decode()
        assert owner.predictions.count() == 2

        answer = at_once(client, ERASE, {"password": PASSWORD})
        assert list(Prediction.objects.all()) == [theirs]
        assert Photo.objects.count() == 1
        files = [path for path in storage.rglob("*") if path.is_file()]
        assert len(files) == 1
        assert ApiToken.objects.filter(user=owner).exists()
        assert client.get("/account/").status_code == 200

        page = client.get(answer["Location"])
        assert "Your photos are erased" in page.content.decode()
        file = client.get(f"{answer['Location']}&file")
        assert file["Content-Disposition"].startswith("attachment")
        receipt = file.json()
        assert receipt["erased"] == expected
        assert receipt["scope"] == "photos"
        assert receipt["began_at"] <= receipt["finished_at"]
        [line] = [r.msg for r in caplog.records if getattr(r, "msg", {}).get("event") == "erased"]
        assert (line["receipt"], line["erased"]) == (receipt["receipt"], expected)
        assert "ada" not in str(line) + file.content.decode()

    def test_a_long_one_goes_on_in_further_requests(
        self, client, owner, queue, at_once, monkeypatch
    ):
        monkeypatch.setattr(erasure, "SECONDS", -1)
        for _ in range(3):
            queue()
        assert client.post(ERASE, {"go_on": "yes"}).context["form"].errors, "it was never begun"
        page = at_once(client, ERASE, {"password": PASSWORD})
        assert "1 of 3 photos erased" in page.content.decode()
        late = queue()
        page = at_once(client, ERASE, {"go_on": "yes"})
        assert "2 of 3 photos erased" in page.content.decode()
        headers = {"hx-request": "true"}
        page = at_once(client, ERASE, {"go_on": "yes"}, headers=headers)
        assert client.get(f"{page['HX-Redirect']}&file").json()["erased"]["photos"] == 3
        assert list(owner.predictions.all()) == [late], "what comes later was not meant"
        assert client.post(ERASE, {"go_on": "yes"}).context["form"].errors, "it is over"

    def test_one_that_breaks_off_goes_on_where_it_stopped(
        self, client, owner, queue, at_once, monkeypatch
    ):
        for _ in range(3):
            queue()
        delete, calls = erasure.removal.delete, []

        def break_off(prediction) -> None:
            if len(calls) == 2:
                raise RuntimeError("the power is gone")
            calls.append(delete(prediction))

        with monkeypatch.context() as patch:
            patch.setattr(erasure.removal, "delete", break_off)
            with pytest.raises(RuntimeError):
                at_once(client, ERASE, {"password": PASSWORD})
        assert owner.predictions.count() == 1
        queue()
        assert "broke off" in client.get(ERASE).content.decode()
        answer = at_once(client, ERASE, {"password": PASSWORD})
        assert client.get(f"{answer['Location']}&file").json()["erased"]["photos"] == 4
        assert not owner.predictions.exists(), "who confirms it again means the new one, too"

    def test_guessing_the_password_comes_to_an_end(self, client, owner, queue):
        queue()
        for _ in range(10):
            client.post(ERASE, {"password": "wrong"})
        page = client.post(ERASE, {"password": PASSWORD}).content.decode()
        assert "too many attempts" in page
        assert owner.predictions.exists()

    def test_an_account_without_password_is_confirmed_by_its_name(self, owner, queue, at_once):
        from tests.pages.conftest import browser_of

        queue()
        owner.set_unusable_password()
        owner.save()
        client = browser_of(owner)
        assert 'name="password"' not in client.get(ERASE).content.decode()
        for wrong in ({"username": "grace"}, {"password": PASSWORD}, {"password": ""}):
            at_once(client, ERASE, wrong)
        assert owner.predictions.exists()
        at_once(client, ERASE, {"username": "ada"})
        assert not owner.predictions.exists()

    def test_receipts_are_the_sites_own(self, anonymous_client):
        true = erasure.sign({"receipt": "1"})
        for text in ("", "nonsense", true[:-2], f"x{true}"):
            assert anonymous_client.get("/account/receipt/", {"of": text}).status_code == 404


class TestDeletingTheAccount:
    def test_everything_goes(self, client, owner, stranger, analyse, storage, at_once, caplog):
        from django.contrib.admin.models import CHANGE, LogEntry

        from emotionsite.accounts.models import ApiToken, User
        from predictions.models import Photo, Prediction
        from predictions.webhooks.models import Webhook
        from tests.support.totp import protect

        prediction = analyse()
        ApiToken.objects.create(owner)
        Webhook.objects.create(owner=owner, url="https://example.org/hook")
        protect(owner)
        LogEntry.objects.log_actions(stranger.pk, [owner], CHANGE, single_object=True)
        assert "ada" in LogEntry.objects.get().object_repr
        address = owner.emailaddress_set.create(email="countess@example.org")
        LogEntry.objects.log_actions(stranger.pk, [address], CHANGE, single_object=True)
        counts = {"photos": 1, "results": 1, "corrections": 0, "bytes": prediction.photo.bytes}
        counts |= {"tokens": 1, "webhooks": 1}
        assert client.get(DELETE).context["belongings"] == counts
        html = client.post(DELETE, {"password": "wrong"}).content.decode()
        assert "This is not your password" in html
        assert User.objects.filter(pk=owner.pk).exists()

        answer = at_once(client, DELETE, {"password": PASSWORD})
        for model in (Photo, Prediction, ApiToken, Webhook, LogEntry):
            assert not model.objects.exists(), model
        assert list(User.objects.all()) == [stranger]
        assert [path for path in storage.rglob("*") if path.is_file()] == []
        assert client.get("/account/").status_code == 302
        assert "are deleted" in client.get(answer["Location"]).content.decode()
        receipt = client.get(f"{answer['Location']}&file").json()
        assert (receipt["scope"], receipt["erased"]) == ("account", counts)

    def test_programs_stop_before_the_photos_go(self, client, owner, queue, at_once, monkeypatch):
        from tests.support.api import token_client

        program = token_client(owner)
        assert program.get("/api/v1/predictions/").status_code == 200
        monkeypatch.setattr(erasure, "SECONDS", -1)
        queue(), queue()
        page = at_once(client, DELETE, {"password": PASSWORD})
        assert "1 of 2 photos erased" in page.content.decode()
        assert program.get("/api/v1/predictions/").status_code == 401
        queue()
        answer = at_once(client, DELETE, {"go_on": "yes"})
        erased = client.get(f"{answer['Location']}&file").json()["erased"]
        assert erased["photos"] == 3, "with the one that came meanwhile"
        assert not type(owner).objects.filter(pk=owner.pk).exists()
