"""What holds for every page: valid HTML, no inline script or style, a title, one main heading."""

import re
from html.parser import HTMLParser

import html5lib
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


def faults(html: str) -> list[str]:
    """Return where HTML breaks the rules of its standard, and how."""
    parser = html5lib.HTMLParser()
    parser.parse(html)
    return [
        f"{line}:{column} {html5lib.constants.E[code] % data}"
        for (line, column), code, data in parser.errors
    ]


def check(response) -> None:
    html = response.content.decode()
    markup = Markup(html)
    where = response.request["PATH_INFO"]
    assert faults(html) == [], where
    times = re.findall(r"<time[^>]*>(.*?)</time>", html)
    assert [time for time in times if not time.endswith(" UTC")] == [], where
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
    "/predictions/?select=all&name=a&sort=size",
    "/insights/",
    "/account/",
    "/account/tokens/",
    "/account/privacy/",
    "/account/erase/",
    "/account/delete/",
    "/accounts/2fa/",
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
    check(client.get("/account/tokens/"))


def test_second_factor(client, owner, anonymous_client):
    from tests.pages.conftest import PASSWORD
    from tests.support.totp import protect, totp

    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    check(client.get("/accounts/2fa/totp/activate/"))
    check(client.post("/accounts/2fa/totp/activate/", {"code": "0"}))
    secret, _codes = protect(owner)
    pages = ("", "totp/deactivate/", "recovery-codes/", "recovery-codes/generate/")
    for page in (*pages, "reauthenticate/"):
        check(client.get(f"/accounts/2fa/{page}"))
    anonymous_client.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    check(anonymous_client.get("/accounts/2fa/authenticate/"))
    check(anonymous_client.post("/accounts/2fa/authenticate/", {"code": "0"}))
    check(anonymous_client.post("/accounts/2fa/authenticate/", {"code": totp(secret)}, follow=True))


def test_erasing(client, queue, monkeypatch):
    from emotionsite.accounts import erasure
    from tests.pages.conftest import PASSWORD

    monkeypatch.setattr(erasure, "SECONDS", -1)
    queue(), queue()
    check(client.post("/account/privacy/", {"days": "-1"}))
    check(client.post("/account/delete/", {"password": "wrong"}))
    check(client.post("/account/delete/", {"password": PASSWORD}))
    check(client.get("/account/delete/"))
    check(client.post("/account/delete/", {"go_on": "yes"}, follow=True))


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

    def test_too_many_tries(self, anonymous_client, settings):
        settings.ACCOUNT_RATE_LIMITS = {"signup": "1/m/ip"}
        assert anonymous_client.post("/accounts/signup/").status_code == 200
        response = anonymous_client.post("/accounts/signup/")
        assert response.status_code == 429
        check(response)
        assert "Too many tries" in response.content.decode()

    @pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
    def test_without_a_request(self, status):
        """Django renders these where nothing but the template may be at hand."""
        from django.template.loader import render_to_string

        html = render_to_string(f"{status}.html")
        markup = Markup(html)
        assert faults(html) == []
        assert markup.inline == []
        assert markup.tags.count("h1") == 1
