"""What holds for every page: no inline script or style, a title, a language, one main heading."""

from html.parser import HTMLParser

import pytest


class Markup(HTMLParser):
    """Collects what the content security policy would block, and the outline of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.hosts: list[str] = []
        self.language = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag == "html":
            self.language = attributes.get("lang") or ""
        if tag == "style" or (tag == "script" and not attributes.get("src")):
            self.inline.append(tag)
        self.inline += [name for name in attributes if name == "style" or name.startswith("on")]
        self.hosts += [
            attributes[name]
            for name in ("src", "href", "action")
            if (attributes.get(name) or "").startswith(("http:", "https:", "//"))
        ]
        if attributes.get("id"):
            self.ids.append(attributes["id"])


def check(response) -> None:
    markup = Markup(response.content.decode())
    where = response.request["PATH_INFO"]
    assert markup.inline == [], where
    assert markup.hosts == [], where
    assert markup.language == "en", where
    assert markup.tags.count("h1") == 1, where
    assert markup.tags.count("main") == 1, where
    assert len(markup.ids) == len(set(markup.ids)), where
    assert " · Emotionsite</title>" in response.content.decode() or where == "/", where
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


VISITOR_PAGES = [
    "/",
    "/gallery/",
    "/gallery/a-smile/",
    "/about/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/done/",
    "/accounts/password/reset/key/1-nonsense/",
    "/accounts/confirm-email/",
    "/accounts/confirm-email/nonsense/",
    "/accounts/inactive/",
]

OWNER_PAGES = [
    "/",
    "/predictions/",
    "/predictions/?emotion=fear",
    "/insights/",
    "/account/",
    "/account/delete/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/password/reset/",
    "/accounts/logout/",
    "/accounts/reauthenticate/",
]


def test_pages_of_a_visitor(demo, anonymous_client):
    for page in VISITOR_PAGES:
        response = anonymous_client.get(page)
        assert response.status_code == 200, page
        check(response)


def test_every_browser_gets_one_language(anonymous_client):
    response = anonymous_client.get("/accounts/login/", headers={"Accept-Language": "de"})
    check(response)
    assert "Log in" in response.content.decode()


def test_pages_of_an_owner(demo, analyse, client):
    from predictions.models import Status

    prediction = analyse()
    for page in [*OWNER_PAGES, f"{prediction.get_absolute_url()}delete/"]:
        response = client.get(page)
        assert response.status_code == 200, page
        check(response)
    for status in Status:
        type(prediction).objects.update(status=status)
        check(client.get(prediction.get_absolute_url()))


def test_new_token(client):
    token = {"name": "notebook", "scope": "read", "days": "never"}
    check(client.post("/account/tokens/", token))
    check(client.post("/account/tokens/", {**token, "days": "-1"}))
    check(client.get("/account/"))


def test_refused_upload(client):
    check(client.post("/"))


class TestErrorPages:
    def test_not_found(self, client):
        response = client.get("/nothing/")
        assert response.status_code == 404
        check(response)

    def test_csrf(self, db):
        from django.test import Client

        response = Client(enforce_csrf_checks=True).post("/accounts/login/")
        assert response.status_code == 403
        check(response)

    def test_too_many_files(self, client, settings):
        from django.core.files.uploadedfile import SimpleUploadedFile

        settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
        photos = [SimpleUploadedFile(f"{n}.jpg", b"x") for n in range(3)]
        response = client.post("/", {"photos": photos})
        assert response.status_code == 400
        check(response)

    @pytest.mark.parametrize("status", [403, 500])
    def test_without_a_request(self, status):
        """Django renders these where nothing but the template may be at hand."""
        from django.template.loader import render_to_string

        markup = Markup(render_to_string(f"{status}.html"))
        assert markup.inline == []
        assert markup.tags.count("h1") == 1


class TestAbout:
    def test_shows_what_was_measured(self, anonymous_client, settings, tmp_path):
        import json

        from tests.support.tiny_model import build_tiny_model

        figures = {
            "count": 3589,
            "accuracy": 0.6634,
            "accuracy_interval": [0.6478, 0.6787],
            "recall": {"happy": 0.9, "fear": 0.31},
            "precision": {"happy": 0.87, "fear": 0.5},
        }
        metadata = {"version": "1.2.3", "metrics": json.dumps({"PrivateTest": figures})}
        settings.MODEL_PATH = str(build_tiny_model(tmp_path, metadata))
        html = anonymous_client.get("/about/").content.decode()
        for text in ("66.3 %", "64.8 %", "67.9 %", "1.2.3", "31 %", "Article 5(1)(f)", "50(3)"):
            assert text in html
        assert html.count('<th scope="row">') == 2

    def test_without_a_model_claims_nothing(self, anonymous_client, settings, tmp_path):
        settings.MODEL_PATH = str(tmp_path / "none.onnx")
        html = anonymous_client.get("/about/").content.decode()
        assert "Nobody has measured" in html
        assert 'class="figure"' not in html
