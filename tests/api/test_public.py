"""What everybody may read: gallery, network, description, documentation."""

import json
import re

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema

from mlcore.labels import LABELS
from mlcore.model_info import read_model_info
from predictions.models import DemoImage
from tests.support.api import assert_problem

API = "/api/v1/"
DEMOS = f"{API}demo-images/"


@pytest.fixture
def visitor(db) -> Client:
    """Somebody with a wrong token, which makes no difference here."""
    return Client(headers={"authorization": "Token wrong"})


@pytest.fixture
def hang(analyse):
    """A function that adds an analysed picture to the gallery."""

    def hang(slug: str, **fields) -> DemoImage:
        return DemoImage.objects.create(
            prediction=analyse(user=None),
            slug=slug,
            title=slug.title(),
            credit="NASA",
            licence="Public domain",
            **{"is_published": True, **fields},
        )

    return hang


def test_the_gallery_shows_what_is_published_in_order(
    visitor, hang, queue, django_assert_num_queries
):
    hang("second", position=2, expected="happy", caption="A smile.")
    hang("first", position=1)
    hang("withdrawn", is_published=False)
    DemoImage.objects.create(prediction=queue(user=None), slug="waiting", is_published=True)
    with django_assert_num_queries(2):
        response = visitor.get(DEMOS)
    assert response.status_code == 200
    first, second = response.json()
    assert (first["slug"], first["expected"]) == ("first", None)
    prediction = DemoImage.objects.get(slug="second").prediction
    assert second == {
        "slug": "second",
        "title": "Second",
        "caption": "A smile.",
        "expected": "happy",
        "credit": "NASA",
        "licence": "Public domain",
        "source": "",
        "photo": {
            "name": "photo.png",
            "width": 512,
            "height": 512,
            "bytes": prediction.photo.bytes,
            "sha256": prediction.photo.sha256,
            "image_url": f"http://testserver{DEMOS}second/image/",
            "thumbnail_url": f"http://testserver{DEMOS}second/thumbnail/",
        },
        "faces": second["faces"],
        "advice": prediction.advice,
        "model": {
            "name": prediction.model_name,
            "version": prediction.model_version,
            "sha256": prediction.model_sha256,
        },
    }
    assert second["faces"][0]["probabilities"] == prediction.faces.get().probabilities
    for kind in ("image_url", "thumbnail_url"):
        picture = visitor.get(second["photo"][kind])
        assert picture["Content-Type"] == "image/jpeg"
        assert picture.getvalue()[:2] == b"\xff\xd8"
    for slug in ("withdrawn", "waiting", "nothing", "\x00"):
        assert_problem(visitor.get(f"{DEMOS}{slug}/image/"), 404, "not_found")


def test_the_network_says_what_it_is(visitor, settings):
    info = read_model_info(settings.MODEL_PATH)
    response = visitor.get(f"{API}model/")
    assert response.status_code == 200
    model = response.json()
    assert model.pop("labels") == list(LABELS)
    assert model.pop("metrics") == dict(info.metrics)
    assert model == {name: getattr(info, name) for name in model}
    assert set(model) == {
        "name",
        "version",
        "sha256",
        "temperature",
        "unsure_threshold",
        "dataset",
        "code_revision",
    }
    unchanged = visitor.get(f"{API}model/", headers={"if-none-match": response["ETag"]})
    assert unchanged.status_code == 304


def test_a_missing_network_is_a_503(visitor, settings, tmp_path):
    settings.MODEL_PATH = tmp_path / "missing.onnx"
    response = visitor.get(f"{API}model/")
    problem = assert_problem(response, 503, "model_unavailable")
    assert int(response["Retry-After"]) > 0
    assert str(tmp_path) not in problem["detail"]


@pytest.fixture(scope="module")
def schema() -> dict:
    return json.loads(
        Client(headers={"accept": "application/vnd.oai.openapi+json"}).get(f"{API}schema/").content
    )


def test_the_schema_is_valid_openapi_without_a_warning(schema, tmp_path):
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))


def test_the_schema_names_every_call_and_nothing_else(schema):
    calls = {
        (method, path.removeprefix(API))
        for path, item in schema["paths"].items()
        for method in item
    }
    assert calls == {
        ("post", "auth/token/"),
        ("delete", "auth/token/"),
        ("get", "predictions/"),
        ("post", "predictions/"),
        ("post", "predictions/batch/"),
        ("get", "predictions/{id}/"),
        ("delete", "predictions/{id}/"),
        ("get", "predictions/{id}/image/"),
        ("get", "predictions/{id}/thumbnail/"),
        ("get", "predictions/{id}/explanation/"),
        ("post", "predictions/{id}/rerun/"),
        ("post", "predictions/{id}/cancel/"),
        ("put", "predictions/{id}/faces/{index}/correction/"),
        ("get", "demo-images/"),
        ("get", "demo-images/{slug}/image/"),
        ("get", "demo-images/{slug}/thumbnail/"),
        ("get", "model/"),
        ("get", "insights/"),
        ("get", "export/"),
    }
    filters = {item["name"] for item in schema["paths"][f"{API}predictions/"]["get"]["parameters"]}
    assert filters >= {
        "status",
        "label",
        "min_confidence",
        "unsure",
        "created_after",
        "created_before",
        "model_version",
        "cursor",
    }


def test_every_call_of_the_schema_describes_its_errors_as_problems(schema):
    for path, item in schema["paths"].items():
        for method, call in item.items():
            assert call["summary"], path
            errors = {code: answer for code, answer in call["responses"].items() if code >= "400"}
            assert "429" in errors, (method, path)
            for answer in errors.values():
                [(kind, content)] = answer["content"].items()
                assert kind == "application/problem+json"
                assert content["examples"]


def test_the_documentation_comes_from_this_host_under_the_sites_own_policy(visitor):
    page = visitor.get(f"{API}docs/")
    assert page.status_code == 200
    policy = page["Content-Security-Policy"]
    assert policy == Client().get("/healthz")["Content-Security-Policy"]
    assert "unsafe" not in policy
    html = page.content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert "/" in addresses, "the way back"
    assert html.count("<h1") == 1
    assert all(re.match("/(?!/)", address) for address in addresses)
    assert not re.search(r"<style|<script(?! src=)|\son\w+=", html)
    script = visitor.get(addresses[-1])
    assert script["Content-Type"].startswith("application/javascript")
    assert f"{API}schema/" in script.content.decode()


@pytest.mark.parametrize("charset", ["zlib", "hex", "rot13", "undefined", "utf-16", "idna"])
@pytest.mark.django_db
def test_no_charset_confuses_us(charset, static_files):
    from emotionsite.wsgi import application  # It looks for the static files at once.

    environ = Client()._base_environ(
        PATH_INFO=f"{API}model/",
        QUERY_STRING="format=json",
        CONTENT_TYPE=f"text/plain; charset={charset}",
    )
    answered = []
    application(environ, lambda status, headers: answered.append(status)).close()
    assert answered == ["200 OK"]
