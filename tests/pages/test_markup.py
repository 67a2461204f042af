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


FOREIGN = ("/admin/", "/api/v1/docs/")
"""Pages whose frame is not ours."""

STATUSES = {
    "refused upload": 422,
    "no rights": 403,
    "csrf": 403,
    "bad request": 400,
    "too many tries": 429,
    "too large": 413,
    "error": 500,
    "maintenance": 503,
}


def check_rules(response) -> None:
    """What holds for pages whose frame is not ours, too."""
    html = response.content.decode()
    markup = Markup(html)
    where = response.request["PATH_INFO"]
    assert faults(html) == [], where
    assert markup.inline == [], where
    assert markup.language, where
    assert len(markup.ids) == len(set(markup.ids)), where


def check(response) -> None:
    html = response.content.decode()
    markup = Markup(html)
    where = response.request["PATH_INFO"]
    assert faults(html) == [], where
    times = re.findall(r"<time[^>]*>(.*?)</time>", html)
    assert [time for time in times if not time.endswith(" UTC")] == [], where
    moments = re.findall(r'<time datetime="(.*?)"', html)
    assert [m for m in moments if not re.fullmatch(r"[\d-]{10}T[\d:]{8}Z", m)] == [], where
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    blocks = [tag for tag in ("div", "p", "ul", "section") if tree.findall(f".//span//{tag}")]
    assert blocks == [], f"{where}: a span holds words, not blocks"
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


def visits(places, monkeypatch):
    """Yield (name, expected status, response) of every page."""
    from tests.support.places import answers

    for client, group in places:
        for place in group:
            response = client.get(place.path, follow=bool(place.ends_at))
            yield place.path, place.status, response
    for name, response in answers(monkeypatch):
        yield name, STATUSES.get(name, 200), response


@pytest.fixture
def places(db, redis_server, astronaut, make_image):
    from tests.support.places import furnish

    return furnish(astronaut, make_image)


def test_every_page_in_every_state(places, monkeypatch):
    from tests.support.places import unvisited

    assert unvisited(places) == set()
    problems = []
    for name, status, response in visits(places, monkeypatch):
        try:
            assert response.status_code == status
            check_rules(response) if name.startswith(FOREIGN) else check(response)
        except AssertionError as problem:
            problems.append(f"{name}: {problem}")
    assert not problems, "\n".join(problems)


def test_every_browser_gets_one_language(anonymous_client):
    response = anonymous_client.get("/accounts/login/", headers={"Accept-Language": "de"})
    check(response)
    assert "Log in" in response.content.decode()


class TestErrorPages:
    @pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
    def test_without_a_request(self, status):
        """Django renders these where nothing but the template may be at hand."""
        from django.template.loader import render_to_string

        html = render_to_string(f"{status}.html")
        markup = Markup(html)
        assert faults(html) == []
        assert markup.inline == []
        assert markup.tags.count("h1") == 1
