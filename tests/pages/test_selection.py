"""Several photos at once: deleted, analysed again, exported; and undoing that they were deleted."""

import io
import json
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest

SELECTION = "/predictions/selection/"
RESTORE = "/predictions/restore/"
HISTORY = "/predictions/"


def ids_of(*predictions) -> list[str]:
    return [str(prediction.pk) for prediction in predictions]


def act(client, action: str, *predictions, **data) -> str:
    """Do something with predictions and return the page that follows."""
    data |= {"action": action, "ids": ids_of(*predictions)}
    response = client.post(SELECTION, data, follow=True)
    assert response.redirect_chain == [(HISTORY, 302)]
    return response.content.decode()


def undo(client, *predictions) -> str:
    return client.post(RESTORE, {"ids": ids_of(*predictions)}, follow=True).content.decode()


def there(user) -> set:
    from predictions.models import Prediction

    return set(Prediction.objects.for_user(user))


def wait(seconds: float) -> None:
    """Let so much time pass for what was removed."""
    from predictions.models import Prediction

    for prediction in Prediction.objects.exclude(removed_at=None):
        prediction.removed_at -= timedelta(seconds=seconds)
        prediction.save()


class TestDelete:
    def test_several_go_and_come_back(self, queue, owner, client):
        gone, also, kept = (queue(name=f"{n}.jpg") for n in range(3))
        html = act(client, "delete", gone, also)
        assert there(owner) == {kept}
        assert "2 photos deleted." in html
        for prediction in (gone, also):
            assert f'type="hidden" name="ids" value="{prediction.pk}"' in html
        assert "2 photos are back." in undo(client, gone, also)
        assert there(owner) == {gone, also, kept}
        assert "deleted." not in client.get(HISTORY).content.decode()
        assert "too late" not in undo(client, gone, also), "pressed twice"

    def test_those_of_a_stranger_are_as_good_as_not_there(self, queue, owner, stranger, client):
        mine, theirs = queue(), queue(user=stranger)
        act(client, "delete", mine, theirs)
        assert there(owner) == set()
        assert there(stranger) == {theirs}
        assert "are not here any more" in act(client, "delete", theirs)

    def test_a_stranger_undoes_nothing(self, queue, owner, client, stranger_client):
        prediction = queue()
        act(client, "delete", prediction)
        assert "too late" in undo(stranger_client, prediction)
        assert there(owner) == set()
        assert 'id="undo"' not in stranger_client.get(HISTORY).content.decode()

    def test_after_ten_seconds_it_is_not_offered_any_more(self, queue, client):
        prediction = queue()
        act(client, "delete", prediction)
        wait(9)
        html = client.get(HISTORY).content.decode()
        assert 'data-seconds="1"' in html
        wait(2)
        assert 'id="undo"' not in client.get(HISTORY).content.decode()

        from predictions import removal

        removal.purge()
        assert "1 photo is back." in undo(client, prediction), "a slow click is waited for"

    def test_too_late_is_said(self, queue, owner, client):
        from predictions import removal

        gone, back = queue(), queue()
        act(client, "delete", gone)
        wait(21)
        removal.purge()
        act(client, "delete", back)
        html = undo(client, gone, back)
        assert "1 photo is back." in html
        assert "It is too late for 1 photo: it is deleted for good." in html
        assert there(owner) == {back}

    def test_only_what_was_deleted_last_is_offered(self, queue, client):
        first, last = queue(), queue()
        act(client, "delete", first)
        wait(1)
        html = act(client, "delete", last)
        assert "1 photo deleted." in html
        assert f'value="{last.pk}"' in html
        assert str(first.pk) not in html


class TestAnalyseAgain:
    def test_each_that_can_goes_and_the_others_say_why_not(self, analyse, queue, client):
        from predictions.models import Photo

        done, canceled, waiting, bare = analyse(), queue(), queue(), queue()
        client.post(f"{canceled.get_absolute_url()}cancel/")
        type(bare).objects.filter(pk=bare.pk).update(status="succeeded")
        Photo.objects.filter(prediction=bare).update(upload="")
        html = act(client, "rerun", done, canceled, waiting, bare)
        assert "2 photos are analysed again." in html
        assert "1 photo stays as it is: " in html
        assert "(not_finished)" in html
        assert "(photo_missing)" in html
        for prediction in (done, canceled):
            prediction.refresh_from_db()
            assert prediction.status == "queued"

    def test_a_full_queue_stops_the_rest(self, queue, client, settings):
        from predictions.models import Prediction

        predictions = [queue() for _ in range(3)]
        Prediction.objects.update(status="canceled", turn=None)
        settings.QUEUE_LIMIT = 2
        html = act(client, "rerun", *predictions)
        assert "2 photos are analysed again." in html
        assert "1 photo stays as it is: Too many photos are waiting" in html
        assert Prediction.objects.filter(status="queued").count() == 2

    def test_a_used_up_quota_stops_the_rest(self, queue, client, settings):
        from predictions.models import Prediction

        predictions = [queue() for _ in range(3)]
        Prediction.objects.update(status="canceled", turn=None)
        settings.QUOTA_WAITING = 1
        html = act(client, "rerun", *predictions)
        assert "1 photo is analysed again." in html
        assert "2 photos stay as they are: Your queue is full: 1 of 1 photos" in html
        assert "(quota_exceeded)" in html
        assert Prediction.objects.filter(status="queued").count() == 1
        page = client.post(f"{predictions[0].get_absolute_url()}rerun/", follow=True)
        assert "(quota_exceeded)" in page.content.decode()

    def test_those_of_a_stranger_stay(self, queue, stranger, client):
        theirs = queue(user=stranger)
        type(theirs).objects.update(status="canceled")
        assert "are not here any more" in act(client, "rerun", theirs)
        theirs.refresh_from_db()
        assert theirs.status == "canceled"


class TestExport:
    def take(self, client, kind: str, *predictions) -> bytes:
        data = {"action": "export", "as": kind, "ids": ids_of(*predictions)}
        response = client.post(SELECTION, data)
        assert response.status_code == 200
        assert response["Content-Disposition"].endswith(f'.{kind}"')
        return response.getvalue()

    def test_a_file_holds_the_selected_records_only(self, analyse, queue, stranger, client):
        chosen, theirs = analyse(), queue(user=stranger)
        queue()
        [line] = self.take(client, "jsonl", chosen, theirs).decode().splitlines()
        shown = client.get(f"/api/v1/predictions/{chosen.pk}/").json()
        assert shown.pop("queue_position") is None
        assert json.loads(line) == shown
        _header, row = self.take(client, "csv", chosen, theirs).decode().splitlines()
        assert row.startswith(str(chosen.pk))
        with zipfile.ZipFile(io.BytesIO(self.take(client, "zip", chosen, theirs))) as archive:
            names = {"records.csv", "records.jsonl", f"photos/{chosen.pk}.jpg"}
            assert set(archive.namelist()) == names

    def test_when_others_take_theirs_one_is_asked_to_wait(self, queue, client, monkeypatch):
        from predictions.export_slots import Slots

        monkeypatch.setattr("predictions.api.reports.SLOTS", Slots(0))
        assert "(too_many_exports)" in act(client, "export", queue(), **{"as": "csv"})

    def test_one_user_takes_only_so_many_at_once(self, queue, client, stranger_client, settings):
        settings.QUOTA_EXPORTS = 1
        taken = client.get("/insights/export/?as=csv")
        assert taken.status_code == 200
        try:
            assert "(quota_exceeded)" in act(client, "export", queue(), **{"as": "csv"})
            page = client.get("/insights/export/?as=zip", follow=True).content.decode()
            assert "1 of 1 downloads are running." in page
            page = client.get("/account/download/", follow=True).content.decode()
            assert "(quota_exceeded)" in page
            others = stranger_client.get("/insights/export/?as=csv")
            assert others.status_code == 200
            assert others.getvalue()
        finally:
            assert taken.getvalue()
        assert self.take(client, "csv", queue())

    def test_an_unknown_format_is_not_found(self, queue, client):
        data = {"action": "export", "as": "xlsx", "ids": ids_of(queue())}
        assert client.post(SELECTION, data).status_code == 404


def test_nothing_selected_is_said(queue, owner, client):
    prediction = queue()
    assert "Select at least one photo first." in act(client, "delete")
    response = client.post(SELECTION, {"action": "delete", "ids": ["1", "", "\0"]}, follow=True)
    assert "Select at least one photo first." in response.content.decode()
    assert there(owner) == {prediction}


def test_too_many_are_refused_as_a_whole(queue, owner, client):
    prediction = queue()
    ids = [*ids_of(prediction), *(str(uuid4()) for _ in range(240))]
    response = client.post(SELECTION, {"action": "delete", "ids": ids}, follow=True)
    text = "At most 240 photos can be selected at once, and these are 241."
    assert text in response.content.decode()
    assert there(owner) == {prediction}


def test_an_unknown_action_is_not_found(queue, owner, client):
    prediction = queue()
    for data in ({"action": "publish"}, {}):
        response = client.post(SELECTION, data | {"ids": ids_of(prediction)})
        assert response.status_code == 404
    assert there(owner) == {prediction}


@pytest.mark.parametrize(
    ("referer", "place"),
    [
        ("/predictions/?emotion=happy&page=1&through=3", "?emotion=happy&page=1&through=3"),
        ("/predictions/?select=all&sort=name", "?sort=name"),
        ("/predictions/?select=all", ""),
        ("/insights/?emotion=happy", ""),
        ("http://elsewhere.example/predictions/?emotion=happy", ""),
        ("nonsense", ""),
        ("http://[", ""),
    ],
)
def test_one_comes_back_to_the_same_place(referer, place, queue, client):
    if referer.startswith("/"):
        referer = f"http://testserver{referer}"
    prediction = queue()
    for address, data in ((SELECTION, {"action": "delete"}), (RESTORE, {})):
        data["ids"] = ids_of(prediction)
        response = client.post(address, data, headers={"referer": referer})
        assert response["Location"] == f"{HISTORY}{place}"
