"""Where on a face an answer comes from: drawn by a worker, when it is first asked for."""

import io
from unittest.mock import Mock

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from PIL import Image

from predictions import explanations, removal, services, tasks, turns
from predictions.api.throttling import DrawingThrottle
from predictions.models import Explanation, ExplanationRequest
from tests.support import steps
from tests.support.api import PREDICTIONS, assert_problem


def ask(client, prediction, wait: int | None = None, **query):
    headers = {} if wait is None else {"prefer": f"wait={wait}"}
    return client.get(f"{PREDICTIONS}{prediction.pk}/explanation/", query, headers=headers)


def test_a_worker_draws_it_once(client, worker, analyse):
    prediction = analyse()
    first = ask(client, prediction, wait=30, face=0)
    assert first.status_code == 200
    assert first["Content-Type"] == "image/jpeg"
    assert first["Cache-Control"] == "private, no-cache"
    picture = Image.open(io.BytesIO(first.content))
    assert picture.size == (384, 384)
    colours = picture.convert("HSV").getchannel("S").getextrema()
    assert colours[1] > 100
    drawn = Explanation.objects.get()
    assert ask(client, prediction).content == first.content
    assert Explanation.objects.get().created_at == drawn.created_at


def test_who_does_not_wait_asks_again(client, redis_server, analyse):
    prediction = analyse()
    # No worker is started here.
    response = ask(client, prediction, wait=0)
    assert response.status_code == 202
    assert int(response["Retry-After"]) > 0
    assert response.content == b""
    steps.draw(prediction.faces.get())
    assert ask(client, prediction, wait=0).status_code == 200


def test_without_a_broker_the_request_waits_in_the_database(client, redis_server, analyse):
    prediction = analyse()
    redis_server.stop()
    assert ask(client, prediction, wait=0).status_code == 202
    redis_server.start()
    tasks.draw_explanation()
    assert ask(client, prediction, wait=0).status_code == 200


def test_a_request_whose_worker_died_is_drawn_by_the_next(client, redis_server, analyse):
    prediction = analyse()
    ask(client, prediction, wait=0)
    request, _face = explanations.claim("task")
    explanations.handle_worker_lost("task")
    assert explanations.leased(request).count() == 0
    tasks.draw_explanation()
    assert ask(client, prediction, wait=0).status_code == 200


def test_a_drawing_that_failed_for_a_moment_is_repeated(client, redis_server, analyse, monkeypatch):
    prediction = analyse()
    ask(client, prediction, wait=0)
    with monkeypatch.context() as patch:
        patch.setattr("predictions.files.open_file", Mock(side_effect=OSError(5, "broken")))
        tasks.draw_explanation()
    assert ask(client, prediction, wait=0).status_code == 202
    ExplanationRequest.objects.update(not_before=None)
    tasks.draw_explanation()
    assert ask(client, prediction, wait=0).status_code == 200


def test_it_goes_with_the_answer(client, analyse):
    prediction = analyse()
    steps.draw(prediction.faces.get())
    assert Explanation.objects.exists()
    services.rerun(prediction)
    assert_problem(ask(client, prediction), 409, "not_finished")
    steps.analyse(prediction.pk)
    assert not Explanation.objects.exists()
    prediction.refresh_from_db()
    steps.draw(prediction.faces.get())
    removal.delete(prediction)
    assert not Explanation.objects.exists()


def test_a_face_that_is_gone_meanwhile_is_no_error(client, redis_server, analyse):
    prediction = analyse()
    ask(client, prediction, wait=0)
    request, face = explanations.claim("task")
    prediction.delete()
    explanations.keep(request, face, b"jpeg")
    assert explanations.claim("task") is None
    assert not Explanation.objects.exists()


def test_a_photo_that_is_not_kept_cannot_be_explained(client, analyse):
    prediction = analyse()
    prediction.photo.display = ""
    prediction.photo.save()
    assert_problem(ask(client, prediction), 409, "photo_missing")


def test_an_answer_of_another_network_is_not_explained_by_this_one(client, analyse):
    prediction = analyse()
    type(prediction).objects.update(model_sha256="0" * 64)
    assert_problem(ask(client, prediction), 409, "model_changed")
    place = turns.place(ExplanationRequest, prediction.owner_id)
    ExplanationRequest.objects.create(prediction=prediction, index=0, **place)
    tasks.draw_explanation()
    assert not Explanation.objects.exists()


def test_what_cannot_be_drawn_is_said_so_and_not_tried_for_ever(
    client, redis_server, analyse, storage
):
    prediction = analyse()
    default_storage.delete(prediction.photo.display.name)
    assert ask(client, prediction, wait=0).status_code == 202
    steps.draw(prediction.faces.get())
    assert_problem(ask(client, prediction, wait=10), 409, "not_explained")


def test_drawings_are_limited_for_they_take_a_worker_a_second(client, analyse, monkeypatch):
    monkeypatch.setattr(DrawingThrottle, "rate", "1/min", raising=False)
    prediction = analyse()
    steps.draw(prediction.faces.get())
    assert ask(client, prediction).status_code == 200
    assert_problem(ask(client, prediction), 429, "throttled")
    assert client.get(f"{PREDICTIONS}{prediction.pk}/").status_code == 200


@pytest.mark.parametrize("face", ["1", "32767"])
def test_a_face_that_there_is_not(client, analyse, face):
    assert_problem(ask(client, analyse(), face=face), 404, "not_found")


@pytest.mark.parametrize("face", ["-1", "x", "99999999999999999999"])
def test_an_index_that_is_none(client, analyse, face):
    assert_problem(ask(client, analyse(), face=face), 400, "invalid_input")


def test_only_the_owner_may_ask(strangers_client, analyse):
    prediction = analyse()
    assert_problem(ask(strangers_client, prediction), 404, "not_found")
    assert_problem(ask(Client(), prediction), 401, "not_authenticated")
    assert not Explanation.objects.exists()
