"""Who may make which call of the API, and that nobody sees or changes what is another user's.

Every call has a row in the table; one without makes the first test fail.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from emotionsite.accounts.models import User
from predictions.api.public import UnknownAddress
from predictions.models import Face, Photo, Prediction
from tests.support import records, steps
from tests.support.api import photo, token_client

PRIVATE_NAME = "only-for-me.png"

ROLES = ("nobody", "expired", "forged", "stranger", "staff", "reader", "owner")
"""In this order everybody makes a call, so that who may change something comes last.

``expired`` and ``reader`` are tokens of the owner, the latter with the scope to read; ``forged`` is
the owner's session without its CSRF token, as another site could make the browser send it.
"""
LOOKS_LIKE_THE_OWNER = ("forged", "reader", "owner")

PUBLIC = (200,) * 7
OWN_RECORD = (401, 401, 200, 404, 404, 200, 200)
OWN_LIST = (401, 401, 200, 200, 200, 200, 200)


def changes_own_record(done: int) -> tuple[int, ...]:
    return (401, 401, 403, 404, 404, 403, done)


def creates(done: int) -> tuple[int, ...]:
    return (401, 401, 403, done, done, 403, done)


CORRECTION = "PUT predictions/{pk}/faces/{index}/correction/"

CALLS = {
    "POST auth/token/": (401,) * 7,
    "DELETE auth/token/": (401, 401, 401, 204, 204, 204, 204),
    "GET predictions/": OWN_LIST,
    "POST predictions/": creates(202),
    "POST predictions/batch/": creates(207),
    "GET predictions/{pk}/": OWN_RECORD,
    "DELETE predictions/{pk}/": changes_own_record(204),
    "GET predictions/{pk}/image/": OWN_RECORD,
    "GET predictions/{pk}/thumbnail/": OWN_RECORD,
    "GET predictions/{pk}/explanation/": OWN_RECORD,
    "POST predictions/{pk}/rerun/": changes_own_record(202),
    "POST predictions/{pk}/cancel/": changes_own_record(202),
    CORRECTION: changes_own_record(200),
    "GET insights/": OWN_LIST,
    "GET export/": OWN_LIST,
    "GET demo-images/": PUBLIC,
    "GET demo-images/{slug}/image/": PUBLIC,
    "GET demo-images/{slug}/thumbnail/": PUBLIC,
    "GET model/": PUBLIC,
    "GET schema/": PUBLIC,
    "GET docs/": PUBLIC,
}


def calls_of_the_api(patterns: list | None = None, prefix: str = "") -> Iterator[str]:
    """Yield method and address of every call, as the URL configuration has them."""
    for pattern in patterns or get_resolver("predictions.api.urls").url_patterns:
        route = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from calls_of_the_api(pattern.url_patterns, route)
        elif pattern.callback.cls is not UnknownAddress:
            view = pattern.callback
            offered = getattr(view, "actions", None) or [
                method for method in view.cls.http_method_names if hasattr(view.cls, method)
            ]
            for method in set(offered) - {"head", "options"}:
                yield f"{method.upper()} {route}"


def test_every_call_has_its_row():
    assert sorted(calls_of_the_api()) == sorted(CALLS)


@pytest.fixture
def clients(owner, stranger) -> dict[str, Client]:
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(owner)
    return {
        "nobody": Client(),
        "expired": token_client(owner, expiry=timedelta(days=-1)),
        "forged": forged,
        "stranger": token_client(stranger),
        "staff": token_client(User.objects.create_superuser("staff")),
        "reader": token_client(owner, scope="read"),
        "owner": token_client(owner),
    }


@pytest.fixture
def make(make_image, astronaut) -> Callable:
    """A function that makes a call about a prediction and returns status and body."""
    picture = make_image("PNG")

    def make(client: Client, call: str, prediction: Prediction) -> tuple[int, bytes]:
        method, route = call.split()
        address = f"/api/v1/{route.format(pk=prediction.pk, index=0, slug='a-smile')}"
        arguments = {
            "POST predictions/": [{"image": photo(picture)}],
            "POST predictions/batch/": [{"image": photo(picture)}],
            CORRECTION: [{"label": "sad"}, "application/json"],
            "GET export/": [{"as": "jsonl"}],
        }.get(call, [])
        response = getattr(client, method.lower())(address, *arguments)
        return response.status_code, response.getvalue()

    return make


def of(owner) -> list:
    """Everything that is kept of an owner's photos."""
    return [
        list(rows.order_by("pk").values())
        for rows in (
            Prediction.objects.filter(owner=owner),
            Photo.objects.filter(prediction__owner=owner),
            Face.objects.filter(prediction__owner=owner),
        )
    ]


@pytest.mark.parametrize("call", CALLS)
def test_who_may_do_it(call, owner, clients, make, astronaut, make_image):
    if "demo-images" in call:
        records.publish(make_image())
    submit = records.queue if "cancel" in call else records.analyse
    prediction = submit(owner, astronaut, PRIVATE_NAME)
    if "explanation" in call:
        steps.draw(prediction.faces.get())
    secrets = [str(prediction.pk), prediction.photo.sha256, PRIVATE_NAME]
    before = of(owner)

    statuses, bodies = {}, {}
    for role in ROLES:
        statuses[role], bodies[role] = make(clients[role], call, prediction)
        assert role == "owner" or of(owner) == before, role
        if role not in LOOKS_LIKE_THE_OWNER:
            assert not [secret for secret in secrets if secret in bodies[role].decode("latin-1")]
    assert statuses == dict(zip(ROLES, CALLS[call], strict=True))
    if CALLS[call] in (OWN_RECORD, OWN_LIST):
        assert len({bodies[role] for role in LOOKS_LIKE_THE_OWNER}) == 1
        assert bodies["stranger"] != bodies["owner"]
    if CALLS[call] == OWN_LIST:
        assert bodies["stranger"] == bodies["staff"]


def test_the_gallerys_records_are_nobodys_own(clients, make, astronaut):
    prediction = records.publish(astronaut).prediction
    answers = {
        (role, call): make(clients[role], call, prediction)[0]
        for role in ("stranger", "staff")
        for call in CALLS
        if "{pk}" in call
    }
    assert answers == dict.fromkeys(answers, 404)
    assert len(answers) == 2 * 8
