"""The API's description is complete: every answer has an example, and every example is true."""

import re
from pathlib import Path

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from predictions.api import errors
from predictions.api.schema import ERRORS
from predictions.uploads import UploadError

BASE_DIR = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def description() -> dict:
    return SchemaGenerator().get_schema(public=True)


def contents(description: dict):
    """Yield method, path, status and content of everything that is sent or answered as JSON."""
    for path, item in description["paths"].items():
        for method, call in item.items():
            bodies = {"request": call.get("requestBody", {}), **call["responses"]}
            for status, body in bodies.items():
                for kind, content in body.get("content", {}).items():
                    if "json" in kind.replace("x-ndjson", ""):
                        yield method, path, status, content


def test_every_json_has_examples_that_fit_its_schema(description):
    without, count = [], 0
    for method, path, status, content in contents(description):
        examples = content.get("examples", {})
        if not examples and status != "request":
            without.append((method, path, status))
        schema = content["schema"] | {"components": description["components"]}
        for name, example in examples.items():
            faults = list(Draft202012Validator(schema).iter_errors(example["value"]))
            assert not faults, (method, path, status, name, faults[0].message)
            count += 1
    assert not without
    assert count > 100


def test_every_error_code_is_explained_in_the_readme():
    readme = (BASE_DIR / "README.md").read_text()
    assert [code for code in ERRORS if f"`{code}`" not in readme] == []


def test_every_code_that_is_raised_is_described():
    raised = re.compile(r"""(?:NotAllowed\(|default_code = |^    code = )"(\w+)\"""", re.MULTILINE)
    rooms = [*BASE_DIR.glob("predictions/*.py"), *BASE_DIR.glob("predictions/api/*.py")]
    codes = {code for room in rooms for code in raised.findall(room.read_text())}
    assert len(codes) > 10
    assert codes - set(ERRORS) == set()


@pytest.mark.parametrize(
    "code",
    [
        "empty_file", "file_too_large", "unsupported_format", "unreadable_image",
        "too_many_pixels", "too_small",
    ],
)  # fmt: skip
def test_an_upload_error_has_the_status_that_is_described(code):
    assert errors.UPLOAD_STATUS.get(code, 422) == ERRORS[code][0]
    assert UploadError(code).detail == ERRORS[code][1]


def test_the_description_is_the_same_for_everybody(description):
    for kind in ("application/vnd.oai.openapi", "application/vnd.oai.openapi+json"):
        answer = Client(headers={"accept": kind}).get("/api/v1/schema/")
        assert answer.status_code == 200
        assert re.search(r"/api/v1/predictions/batch/", answer.content.decode())
    assert Client().get("/api/v1/schema/?format=json").json()["paths"] == description["paths"]
