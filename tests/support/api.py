"""What tests of the API say often."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from knox.models import get_token_model

PREDICTIONS = "/api/v1/predictions/"


def new_token(user, **fields) -> str:
    """Return the text of a new token of this user; ``fields`` are the token's."""
    return get_token_model().objects.create(user, **fields)[1]


def token_client(user, **fields) -> Client:
    """Return a client that carries a new token of this user."""
    return Client(headers={"authorization": f"Token {new_token(user, **fields)}"})


def assert_problem(response, status: int, code: str) -> dict:
    """Check every member of a problem document, and return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response["X-Request-ID"]
    return problem


def photo(content: bytes, name: str = "photo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)
