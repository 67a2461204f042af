"""The page of one prediction: its states, its faces, and what its owner can do."""

import re

import pytest
from django.utils import timezone

from tests.support import steps


@pytest.fixture
def page(client):
    """A function that returns the HTML of a prediction's page."""
    return lambda prediction, query="": client.get(
        prediction.get_absolute_url() + query
    ).content.decode()


def poll(client, html: str):
    """Ask what a waiting page would ask next."""
    return client.get(re.search(r'hx-get="([^"]+)"', html)[1].replace("&amp;", "&"))


class TestProgress:
    def test_page_waits_until_the_result_is_there(self, queue, client, page, astronaut):

        prediction = queue(astronaut)
        html = page(prediction)
        assert "<h1>Queued</h1>" in html
        assert 'http-equiv="refresh"' in html  # For browsers without scripts.
        assert poll(client, html).status_code == 204

        steps.claim(prediction.pk)
        running = poll(client, html)
        assert running.status_code == 200
        html = running.content.decode()
        assert '<li aria-current="step">Looking for faces</li>' in html
        assert 'id="announcer" hx-swap-oob' in html
        assert poll(client, html).status_code == 204

        steps.lose(prediction.pk)
        steps.analyse(prediction.pk)
        done = poll(client, html)
        assert done.status_code == 286
        html = done.content.decode()
        prediction.refresh_from_db()
        assert f"<title>{prediction.label.capitalize()}" in html or "<title>Perhaps" in html
        assert 'data-status="succeeded"' in html
        assert 'hx-trigger="every' not in html
        assert 'http-equiv="refresh"' not in page(prediction)

    def test_polling_slows_down(self, queue, client, page):
        from datetime import timedelta

        from django.utils import timezone

        prediction = queue()
        html = page(prediction)
        assert "every 150ms" in html
        for seconds, interval in ((5, 400), (30, 2000)):
            prediction.queued_at = timezone.now() - timedelta(seconds=seconds)
            prediction.save()
            html = poll(client, html).content.decode()
            assert f"every {interval}ms" in html
            assert "announcer" not in html  # Nothing has happened that is worth hearing.

    def test_page_shows_how_many_are_before_it_and_about_how_long(self, queue, client, page):
        prediction = self.behind(7, queue)
        html = page(prediction)
        assert '<p class="lead" id="place">7 before yours<' in html, "nobody knows yet how long"
        self.finish_one_in(2.4)
        html = page(prediction)
        assert '<p class="lead" id="place">6 before yours, about 15 s<' in html
        assert "usually within a second" not in html
        assert self.ask(client, html).status_code == 204, "nothing is new"

    def test_only_the_place_is_replaced_and_seldom_announced(self, queue, client, page):
        html = page(self.behind(8, queue))
        heard = []
        for before in range(7, -1, -1):
            self.finish_one_in(3)
            answer = self.ask(client, html)
            assert (answer.status_code, answer["HX-Retarget"]) == (200, "#place")
            part = answer.content.decode()
            assert "<h1>" not in part
            text = f"{before} before yours, about " if before else "Yours is next<"
            assert f'id="place">{text}' in part
            heard += [before] if 'id="announcer"' in part else []
            html = html[: html.index('<p class="lead" id="place"')] + part
            assert self.ask(client, html).status_code == 204
        assert heard == [4, 2, 1, 0]

    def test_a_page_that_shows_no_place_is_not_sent_one(self, queue, client, page):
        html = page(queue())
        assert poll(client, html).status_code == 204
        nonsense = {"place": "\0", "heard": "²"}
        asked = re.search(r'hx-get="([^"]+)"', html)[1].replace("&amp;", "&")
        assert client.get(asked, nonsense).status_code == 200

    def test_an_open_page_makes_its_photo_go_first(
        self, queue, client, stranger_client, anonymous_client, page
    ):
        first, watched = queue(), queue()
        address = watched.get_absolute_url()
        client.head(address)
        assert stranger_client.get(address).status_code == 404
        assert stranger_client.get(f"{address}progress/").status_code == 404
        assert anonymous_client.get(address).status_code == 302
        watched.refresh_from_db()
        assert not watched.is_urgent
        html = page(watched)
        assert 'id="place">Yours is next<' in html
        watched.refresh_from_db()
        assert watched.is_urgent
        assert page(first), "the last one that was opened is no more urgent than the first"
        type(first).objects.update(is_urgent=False)
        poll(client, html)
        watched.refresh_from_db()
        assert watched.is_urgent, "it was queued again while the page was open"

    def behind(self, count, queue):
        """Queue a photo behind ``count`` others, each of another owner."""
        from tests.pages.conftest import make_user

        for number in range(count):
            queue(user=make_user(f"user{number}"))
        return queue()

    def finish_one_in(self, seconds: float) -> None:
        """Let the next photo be analysed in so many seconds."""
        from datetime import timedelta

        from predictions import services
        from predictions.models import Status

        done = services.claim("test")
        now = timezone.now()
        type(done).objects.filter(pk=done.pk).update(
            status=Status.SUCCEEDED, started_at=now - timedelta(seconds=seconds), finished_at=now
        )

    def ask(self, client, html: str):
        """Ask what a waiting page would ask next, with the fields that it includes."""
        asked = re.search(r'hx-get="([^"]+)"', html)[1].replace("&amp;", "&")
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))
        return client.get(f"{asked}&place={fields['place']}&heard={fields['heard']}")

    def test_a_record_that_is_deleted_elsewhere_ends_the_waiting(
        self, queue, client, stranger_client, page
    ):
        from predictions.models import Prediction

        prediction = queue()
        html = page(prediction)
        stranger = poll(stranger_client, html)
        Prediction.objects.update(removed_at=timezone.now())
        gone = poll(client, html)
        assert (stranger.status_code, gone.status_code) == (404, 404)
        assert stranger.content == gone.content
        assert "<h1>This photo was deleted</h1>" in gone.content.decode()
        assert "hx-get" not in gone.content.decode()


class TestAnswer:
    def test_says_it_in_words_and_numbers(self, analyse, page):
        prediction = analyse()
        face = prediction.faces.get()
        html = page(prediction)
        assert face.emoji in html
        seven = html.split('aria-label="All seven emotions"')[1].split("</ul>")[0]
        bars = re.findall(r'<rect width="([\d.]+)" height="10"/>', seven)
        assert [float(bar) for bar in bars] == [
            pytest.approx(share * 100, abs=0.06) for _, _, share in face.ranked
        ]
        assert seven.count('class="number"') == 7
        assert prediction.model_version in html
        photo = prediction.photo
        assert f'viewBox="0 0 {photo.width} {photo.height}"' in html
        assert f'x="{face.x}" y="{face.y}" width="{face.width}" height="{face.height}"' in html

    def test_unsure_is_said_as_an_answer(self, analyse, page):
        prediction = analyse()
        prediction.faces.update(unsure=True, label="sad", confidence=0.31)
        html = page(prediction)
        assert "<h1>Perhaps sad</h1>" in html
        assert re.search(r"<strong>31%</strong>.*unsure", html)

    def test_faces_are_chosen_by_address(self, analyse, page):
        from predictions.models import Face

        prediction = analyse()
        first = prediction.faces.get()
        values = {**first.__dict__, "id": None, "index": 1, "label": "fear", "unsure": False}
        del values["_state"]
        Face.objects.create(**values)
        assert "Face 1 of 2" in page(prediction)
        html = page(prediction, "?face=2")
        assert "Face 2 of 2" in html
        assert "<h1>Fear</h1>" in html
        assert re.search(r'id="face-2" href="\?face=2" aria-current="true"', html)
        for nonsense in ("3", "0", "-1", "x", "²", ""):
            assert "Face 1 of 2" in page(prediction, f"?face={nonsense}")

    def test_record_of_such_answers_is_of_the_same_network(
        self, analyse, page, settings, tmp_path_factory
    ):
        import json

        from tests.support.tiny_model import build_tiny_model

        prediction = analyse()
        prediction.faces.update(label="happy", confidence=0.8)
        groups = [{"from": 0.7, "to": 0.9, "count": 200, "right": 150}]
        metrics = {"PrivateTest": {"confidence_groups": {"happy": groups}}}
        model = build_tiny_model(tmp_path_factory.mktemp("model"), {"metrics": json.dumps(metrics)})
        settings.MODEL_PATH = str(model)
        other = "was measured for another network than this one. Analyse the photo again"
        assert other in page(prediction)
        assert "test faces" not in page(prediction)
        sidecar = json.loads(model.with_suffix(".json").read_text())
        type(prediction).objects.update(model_sha256=sidecar["sha256"])
        assert (
            "Of 200 test faces that it called “happy” with 70% to 90% confidence, "
            "people had labelled 75% “happy”."
        ) in page(prediction)
        prediction.faces.update(confidence=0.6)  # Nobody has measured such answers.
        assert (
            "Too few test faces were called “happy” with such a confidence. Of all 200 that were "
            "called so, people had labelled 75% “happy”."
        ) in page(prediction)

    def test_how_often_each_word_is_right_is_told_of_the_same_network(
        self, analyse, page, settings, tmp_path
    ):
        import json

        from tests.support.tiny_model import build_tiny_model

        prediction = analyse()
        prediction.faces.update(label="sad", confidence=0.8)
        figures = {"recall": {"happy": 0.9, "sad": 0.5}, "precision": {"happy": 0.87, "sad": 0.52}}
        model = build_tiny_model(tmp_path, {"metrics": json.dumps({"PrivateTest": figures})})
        settings.MODEL_PATH = str(model)
        assert "How often is each word right?" not in page(prediction)
        sha256 = json.loads(model.with_suffix(".json").read_text())["sha256"]
        type(prediction).objects.update(model_sha256=sha256)
        html = page(prediction)
        assert html.count("How often is each word right?") == 1
        table = html.split("How often is each word right?")[1].split("</details>")[0]
        assert re.findall(r'class="number">([^<]*)<', table) == ["87%", "52%"]
        marked = table.split('class="top" aria-current="true"')[1]
        assert "52%" in marked
        assert "87%" not in marked


class TestActions:
    def act(self, client, prediction, action, **data):
        response = client.post(f"{prediction.get_absolute_url()}{action}/", data, follow=True)
        prediction.refresh_from_db()
        return response.content.decode()

    def test_cancel(self, queue, client):
        prediction = queue()
        html = self.act(client, prediction, "cancel")
        assert prediction.status == "canceled"
        assert "<h1>Canceled</h1>" in html
        assert "already_finished" in self.act(client, prediction, "cancel")

    def test_an_answer_outlives_a_new_analysis_that_ends_without_one(self, analyse, client, page):
        from predictions import services

        prediction = analyse()
        answer = page(prediction).split('class="bars"')[1].split("</ul>")[0]
        for end, sentence in (
            ("canceled", "The new analysis was canceled. This is the answer from before."),
            ("failed", "The new analysis failed. This is the answer from before."),
        ):
            self.act(client, prediction, "rerun")
            waiting = page(prediction)
            if end == "canceled":
                services.cancel(prediction)
            else:
                claimed = steps.claim(prediction.pk)
                services.fail(claimed, "model_unavailable", "The network is not available.")
            announced = poll(client, waiting).content.decode()
            assert re.search(rf'id="announcer"[^>]*>[^<]*\. {sentence}</p>', announced)
            html = page(prediction)
            assert sentence in html
            assert html.split('class="bars"')[1].split("</ul>")[0] == answer
            assert ("<code>model_unavailable</code>" in html) == (end == "failed")

    def test_rerun(self, analyse, client):
        prediction = analyse()
        html = self.act(client, prediction, "rerun")
        assert prediction.status == "queued"
        assert "<h1>Queued</h1>" in html
        # The photo is shown meanwhile, without the boxes of the last answer.
        assert f"/predictions/{prediction.pk}/image/" in html
        assert 'class="box"' not in html
        assert "not_finished" in self.act(client, prediction, "rerun")

    def test_delete_asks_first(self, analyse, client, storage, django_capture_on_commit_callbacks):
        from predictions import removal
        from predictions.models import Face, Photo, Prediction

        with django_capture_on_commit_callbacks(execute=True):
            prediction = analyse(name="beach.jpg")
        address = f"{prediction.get_absolute_url()}delete/"
        assert "beach.jpg" in client.get(address).content.decode()
        assert Prediction.objects.filter(pk=prediction.pk).exists()
        assert client.post(address)["Location"] == "/predictions/"
        assert client.get(prediction.get_absolute_url()).status_code == 404
        assert "1 photo deleted." in client.get("/predictions/").content.decode()
        Prediction.objects.update(removed_at=timezone.now() - 2 * removal.UNDO)
        with django_capture_on_commit_callbacks(execute=True):
            removal.purge()
        for model in (Prediction, Photo, Face):
            assert not model.objects.exists()
        assert [path for path in storage.rglob("*") if path.is_file()] == []

    def test_a_deleted_photo_is_no_neighbour(self, queue, client):
        older, deleted, newer = queue(), queue(), queue()
        client.post(f"{deleted.get_absolute_url()}delete/")
        assert client.get(newer.get_absolute_url()).context["steps"]["next"] == older

    def test_correction(self, analyse, client):
        prediction = analyse()
        html = self.act(client, prediction, "faces/1/correction", label="disgust")
        face = prediction.faces.get()
        assert face.correction == "disgust"
        assert face.corrected_at
        assert 'value="disgust" aria-pressed="true"' in html
        self.act(client, prediction, "faces/1/correction", label="")
        face.refresh_from_db()
        assert (face.correction, face.corrected_at) == ("", None)

    def test_correction_of_nothing(self, analyse, client):
        prediction = analyse()
        address = prediction.get_absolute_url()
        for number, label in ((1, "hungry"), (2, "happy"), (0, "happy")):
            response = client.post(f"{address}faces/{number}/correction/", {"label": label})
            assert response.status_code == 404
        assert prediction.faces.get().correction == ""


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("unreadable_image", "This picture is damaged or incomplete."),
        ("worker_lost", "It broke."),
        ("something_new", "It broke."),
    ],
)
def test_failure_is_explained(code, sentence, queue, page):
    prediction = queue()
    type(prediction).objects.update(status="failed", error_code=code, error_detail="It broke.")
    html = page(prediction)
    assert f"{sentence} <code>{code}</code>" in html
    assert "Analyse again" in html


def test_every_advice_has_words():
    from pathlib import Path

    import mlcore.analysis
    from mlcore.__main__ import ADVICE as SHORT
    from predictions.api.serializers import PredictionSerializer
    from predictions.pages.wording import ADVICE

    source = Path(mlcore.analysis.__file__).read_text()
    assert set(re.findall(r'advice\.append\("(\w+)"\)', source)) == set(ADVICE) == set(SHORT)
    documented = PredictionSerializer().fields["advice"].help_text
    assert set(re.findall(r"`(\w+)`", documented)) == set(ADVICE)


def test_neighbours(queue, page, stranger_client):
    oldest, middle, newest = (queue() for _ in range(3))
    queue(user=None)
    html = page(middle)
    assert f'rel="prev" href="{newest.get_absolute_url()}"' in html
    assert f'rel="next" href="{oldest.get_absolute_url()}"' in html
    assert 'rel="prev"' not in page(newest)
    assert 'rel="next"' not in page(oldest)


@pytest.fixture
def led(client):
    """A function that follows the links of result pages from one on, and returns their paths."""

    def follow(path: str, rel: str) -> list[str]:
        passed = []
        while link := re.search(rf'rel="{rel}" href="([^"]+)"', client.get(path).content.decode()):
            path = link[1]
            passed.append(path)
        return passed

    return follow


@pytest.mark.parametrize("sort", ["", "oldest", "sure", "unsure", "name"])
@pytest.mark.parametrize("narrowed", [{}, {"emotion": "sad"}])
def test_one_steps_through_the_list_that_was_last_seen(client, queue, led, sort, narrowed):
    from predictions.models import Prediction

    labels = ["fear", "sad", "sad", "fear", "sad", "sad"]
    confidences = [0.5, None, 0.9, 0.5, None, 0.2]
    for confidence, name, label in zip(confidences, "babcaa", labels, strict=True):
        Prediction.objects.filter(pk=queue().pk).update(
            confidence=confidence, name_key=name, label=label
        )
    listed = re.findall(
        r'id="link-[^"]+" href="([^"]+)"',
        client.get("/predictions/", {"sort": sort, **narrowed}).content.decode(),
    )
    assert len(listed) == (4 if narrowed else 6)
    assert led(listed[0], "next") == listed[1:]
    assert led(listed[-1], "prev") == listed[-2::-1]
    html = client.get(listed[0]).content.decode()
    assert ("These photos" if narrowed else "All photos") in html
    assert ("Next →" if sort else "Older →") in html


def test_a_photo_that_the_last_list_lacks_has_its_place_in_the_whole_history(client, queue, page):
    older, newer = queue(), queue()
    client.get("/predictions/", {"name": "nothing is called so"})
    html = page(newer)
    assert f'rel="next" href="{older.get_absolute_url()}"' in html
    assert 'href="/predictions/">All photos' in html


def test_after_a_deletion_the_list_is_as_it_was(client, queue):
    client.get("/predictions/", {"status": "unfinished", "page": 2, "sort": "name"})
    response = client.post(f"{queue().get_absolute_url()}delete/")
    assert response.url == "/predictions/?sort=name&status=unfinished"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.004, "< 1%"), (0.01, "1%"), (0.784, "78%"), (0.994, "> 99%"), (1, "100%")],
)
def test_percent(share, text):
    from predictions.pages.wording import percent

    assert percent(share) == text


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        ({"confidence_groups": {"disgust": [{"from": 0, "to": 1, "count": 19, "right": 9}]}}, ""),
        (
            {"confidence_groups": {"disgust": []}, "accuracy": 0.67, "count": 3589},
            "Too few test faces were called “disgust” to say how often that is right. Of all 3589 "
            "test faces, it called 67% as people had labelled them.",
        ),
        (
            {
                "confidence_groups": {
                    "disgust": [
                        {"from": 0, "to": 0.7, "count": 22, "right": 10},
                        {"from": 0.7, "to": 1, "count": 6, "right": 6},
                    ]
                }
            },
            "Too few test faces were called “disgust” with such a confidence. Of all 28 that were "
            "called so, people had labelled 57% “disgust”.",
        ),
        ({"confidence_groups": {"disgust": [{"from": "x"}]}}, ""),
    ],
)
def test_track_record_of_a_rare_answer_is_that_of_a_larger_group(metrics, sentence):
    from predictions.pages.wording import track_record

    assert track_record({"PrivateTest": metrics}, "disgust", 0.8) == sentence
