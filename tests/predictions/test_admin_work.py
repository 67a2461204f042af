"""What an operator sees of the work: the panel, the filters, and what each of the staff may see."""

import os
import re
import signal
import time
from datetime import timedelta

import pytest
import redis
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from emotionsite import heartbeats
from predictions import removal, services
from predictions.admin import actions, work
from predictions.models import Heartbeat, Prediction, Status
from tests.support import records, steps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

LIST = "admin:predictions_prediction_changelist"
CHANGE = "admin:predictions_prediction_change"
WORK = "admin:work"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def queue(owner, make_image):
    """A function that makes a queued record, with these values in its row."""

    def queue(**values) -> Prediction:
        prediction = records.queue(owner, make_image(size=(40, 40)))
        if "status" in values:
            values["turn"] = None
        Prediction.objects.filter(pk=prediction.pk).update(**values)
        return prediction

    return queue


@pytest.fixture(autouse=True)
def short_wait_for_workers(monkeypatch) -> None:
    """No worker runs here that could answer."""
    monkeypatch.setattr(work, "WORKER_SECONDS", 0.1)


def ago(**duration):
    return timezone.now() - timedelta(**duration)


def listed(client, **query) -> set:
    return set(client.get(reverse(LIST), query).context["cl"].result_list)


def test_records_are_filtered_by_age(admin_client, queue):
    made = {
        hours: queue(created_at=ago(hours=hours, minutes=-1)) for hours in (1, 24, 7 * 24, 30 * 24)
    }
    older = queue(created_at=ago(days=31))
    for number, age in enumerate(("hour", "day", "week", "month"), start=1):
        assert listed(admin_client, age=age) == set(list(made.values())[:number])
    assert listed(admin_client, age="older") == {older}
    assert listed(admin_client, age="nonsense") == {*made.values(), older}


def test_stuck_is_what_runs_for_more_than_a_minute_or_waits_while_nothing_moves(
    admin_client, queue
):
    queue()
    queue(created_at=ago(days=9))  # Queued again a moment ago.
    done = queue(status=Status.SUCCEEDED, created_at=ago(days=9), finished_at=ago(minutes=2))
    waits = queue(queued_at=ago(minutes=2))
    assert listed(admin_client, stuck="yes") == {waits}
    assert len(listed(admin_client, stuck="nonsense")) == 4
    Prediction.objects.filter(pk=done.pk).update(finished_at=ago(seconds=20))
    assert listed(admin_client, stuck="yes") == set(), "the queue moves: a photo was just done"
    Prediction.objects.filter(pk=done.pk).update(finished_at=ago(minutes=2))
    runs = queue(status=Status.RUNNING, started_at=ago(minutes=2))
    assert listed(admin_client, stuck="yes") == {runs}, "one is slow; the others wait for it"


def test_records_are_filtered_by_network_and_error(admin_client, queue):
    old = queue(model_version="2026.1", status=Status.SUCCEEDED)
    told = {"error_code": "timed_out", "error_detail": "The analysis took too long."}
    failed = queue(status=Status.FAILED, **told)
    assert listed(admin_client, model_version="2026.1") == {old}
    assert listed(admin_client, error_code="timed_out") == {failed}
    assert listed(admin_client, status__exact="failed") == {failed}
    page = admin_client.get(reverse(LIST), {"_facets": "True"}).content.decode()
    why = 'The analysis took too long. <code class="quiet">timed_out</code>'
    assert f'<td class="field-error">{why}</td>' in page
    link = f'<a href="?_facets=True&amp;error_code=timed_out">{why} (1)</a>'
    assert link in re.sub(r"\s+", " ", page)
    assert not re.search(r'<a href="[^"]*">\s*</a>', page), "a link without a name"


def test_an_action_on_very_many_takes_the_first(admin_client, queue, monkeypatch):
    monkeypatch.setattr(actions, "AT_ONCE", 2)
    for _ in range(3):
        queue()
    form = {"action": "cancel", "_selected_action": list(Prediction.objects.values_list("pk"))}
    form["_selected_action"] = [pk for (pk,) in form["_selected_action"]]
    page = admin_client.post(reverse(LIST), form, follow=True)
    said = [str(message) for message in page.context["messages"]]
    assert said[0] == "2 predictions canceled."
    assert said[1].startswith("Only the first 2 of those")
    assert Prediction.objects.filter(status=Status.CANCELED).count() == 2


def test_list_asks_no_more_for_more_records(admin_client, owner, queue, astronaut):
    first = records.analyse(owner, astronaut)

    def queries() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page = admin_client.get(reverse(LIST)).content.decode()
        assert '<td class="field-faces_found">1</td>' in page
        return [query["sql"] for query in captured]

    few = queries()
    for _number in range(5):
        queue()
    assert len(queries()) == len(few)
    # Grouping goes through all faces there are before the first page is shown.
    assert not any("GROUP BY" in sql for sql in few)
    assert first.faces.count() == 1


def test_what_its_owner_removed_is_gone_from_the_admin(admin_client, queue):
    prediction, other = queue(), queue()
    removal.remove(Prediction.objects.filter(pk=prediction.pk))
    assert listed(admin_client) == {other}
    assert admin_client.get(reverse(CHANGE, args=[prediction.pk])).status_code == 302
    assert admin_client.get(reverse(WORK)).context["queued"] == 1


def test_panel_counts_what_waits_failed_and_is_stored(admin_client, owner, queue, astronaut):
    queue(queued_at=ago(minutes=4))
    queue()
    queue(status=Status.RUNNING, started_at=ago(minutes=2))
    queue(status=Status.FAILED, error_code="timed_out", finished_at=ago(hours=2))
    queue(status=Status.FAILED, error_code="worker_lost", finished_at=ago(hours=25))
    answered = records.analyse(owner, astronaut)
    services.fail(steps.claim(queue().pk), "unreadable_image", ".", keep_upload=False)
    response = admin_client.get(reverse(WORK), headers=HTMX)
    seen = response.context
    assert (seen["queued"], seen["running"], seen["stuck"]) == (2, 1, 1)
    assert (seen["succeeded"], seen["failed"]) == (1, 1)
    failures = {code: (why, count) for code, why, count in seen["failures"]}
    assert set(failures) == {"timed_out", "unreadable_image"}
    assert failures["unreadable_image"][0].startswith("This picture is damaged or incomplete.")
    assert [count for _why, count in failures.values()] == [1, 1]
    assert seen["photos"] == 6, "of one nothing is stored any more"
    assert seen["uploaded"] > answered.photo.bytes
    assert seen["size"] > answered.photo.stored_bytes > 0
    assert seen["free"] > 0
    queues = {queue.name: queue for queue in seen["queues"]}
    assert set(queues) == {"celery", "deliveries", "explanations", "maintenance"}
    assert queues["celery"].tasks >= 6
    assert queues["celery"].workers == [], "no worker runs here"
    page = response.content.decode()
    assert "<html" not in page
    for text in (
        "2 waiting, about ",
        answered.model_version,
        "% of test faces",
    ):
        assert text in page
    assert 'photos <code class="quiet">celery</code>' in page
    assert '<td class="wrong">none</td>' in page


def test_panel_says_that_the_broker_is_away_and_does_not_wait_for_it(
    admin_client, queue, redis_server
):
    queue()
    with redis.Redis.from_url(redis_server.url) as client:
        pid = client.info("server")["process_id"]

    def look() -> None:
        started = time.monotonic()
        response = admin_client.get(reverse(WORK), headers=HTMX)
        assert time.monotonic() - started < 8
        assert response.context["queues"] is None
        assert response.context["queued"] == 1
        assert "The broker does not answer" in response.content.decode()

    os.kill(pid, signal.SIGSTOP)
    try:
        look()
    finally:
        os.kill(pid, signal.SIGCONT)
    redis_server.stop()
    look()


def test_panel_says_how_long_the_queue_takes_and_marks_only_what_is_stuck(admin_client, queue):
    def panel() -> str:
        return admin_client.get(reverse(WORK), headers=HTMX).content.decode()

    assert "0 waiting</a></dd>" in panel(), "of an empty queue nothing more is said"
    for _number in range(5):
        queue(queued_at=ago(minutes=9))
    running = queue(status=Status.RUNNING, started_at=ago(seconds=5))
    assert "5 waiting</a></dd>" in panel(), "nobody knows yet how long one takes"
    queue(status=Status.SUCCEEDED, started_at=ago(seconds=70), finished_at=ago(seconds=20))
    moving = panel()
    assert "5 waiting, about 4 minutes</a>" in moving
    assert "<div><dt>Stuck</dt>" in moving, "what waits in a queue that moves is not stuck"
    Prediction.objects.exclude(pk=running.pk).update(finished_at=ago(minutes=5))
    ended = {"status": Status.SUCCEEDED, "finished_at": ago(minutes=5)}
    Prediction.objects.filter(pk=running.pk).update(**ended)
    stands = panel()
    assert '<div class="wrong"><dt>Stuck</dt>' in stands
    assert "5 waiting</a></dd>" in stands, "nobody knows how long a queue takes that stands still"


def test_panel_shows_whether_maintenance_and_beat_work(admin_client, monkeypatch):
    monitor = heartbeats.HeartbeatMonitor()
    monkeypatch.setattr(heartbeats, "_monitor", monitor)

    def panel() -> str:
        return admin_client.get(reverse(WORK), headers=HTMX).content.decode()

    page = panel()
    assert '<div class="wrong"><dt>Maintenance</dt>' in page
    assert page.count("has never run") == 2
    heartbeats.beat("maintenance")
    heartbeats.beat("beat")
    page = panel()
    assert "<div><dt>Maintenance</dt>" in page
    assert page.count("working") == 2
    Heartbeat.objects.filter(name="beat").update(beaten_at=ago(minutes=5))
    monkeypatch.setattr(heartbeats, "_monitor", heartbeats.HeartbeatMonitor())
    page = panel()
    assert '<div class="wrong"><dt>Schedule (beat)</dt>' in page
    assert "does not respond" in page


def test_an_owner_over_the_quota_is_told_to_staff_in_words_for_them(
    admin_client, owner, queue, make_image, settings
):
    done = records.analyse(owner, make_image())
    queue()
    settings.QUOTA_WAITING = 1
    form = {"action": "analyse_again", "_selected_action": [done.pk]}
    page = admin_client.post(reverse(LIST), form, follow=True)
    [said] = [str(message) for message in page.context["messages"]]
    assert said == "An owner has as many photos waiting as one user may have."
    done.refresh_from_db()
    assert done.status == Status.SUCCEEDED


def test_panel_says_that_the_network_cannot_be_read(admin_client, settings, tmp_path):
    settings.MODEL_PATH = str(tmp_path / "none.onnx")
    assert "cannot be read" in admin_client.get(reverse(WORK)).content.decode()


def test_index_shows_the_panel_to_those_who_may_see_predictions(client, staff_client, queue):
    for permission in ("view_prediction", "change_prediction"):
        allowed = staff_client(permission)
        assert reverse(WORK) in allowed.get("/admin/").content.decode()
        page = allowed.get(reverse(WORK)).content.decode()
        assert "<title>Work |" in page
    for refused in (staff_client(), staff_client("view_demoimage")):
        assert reverse(WORK) not in refused.get("/admin/").content.decode()
        assert refused.get(reverse(WORK)).status_code == 403
    for refused in (client, staff_client("view_prediction", is_staff=False)):
        assert refused.get(reverse(WORK))["Location"].startswith(reverse("admin:login"))


def test_staff_without_permissions_sees_nothing(staff_client, queue):
    prediction = queue()
    staff = staff_client()
    assert staff.get("/admin/").context["app_list"] == []
    pages = [reverse(CHANGE, args=[prediction.pk])]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages += [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
    assert {page: staff.get(page).status_code for page in pages} == dict.fromkeys(pages, 403)
    assert staff.post(reverse(LIST), {"action": "cancel"}).status_code == 403


def test_staff_who_may_look_can_change_nothing(staff_client, queue):
    prediction = queue()
    staff = staff_client("view_prediction")
    for action in ("cancel", "analyse_again", "delete_selected"):
        form = {"action": action, "_selected_action": [prediction.pk], "post": "yes"}
        staff.post(reverse(LIST), form)
    assert Prediction.objects.get().status == Status.QUEUED
    assert listed(staff) == {prediction}
