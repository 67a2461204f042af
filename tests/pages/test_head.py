"""What others show of the site: icons, the preview of a link, and what robots may read."""

import re
from urllib.robotparser import RobotFileParser

import pytest
from django.conf import settings as site
from PIL import Image

from tests.pages.conftest import OWNER_PAGES, VISITOR_PAGES


def head(response) -> str:
    return response.content.decode().split("</head>")[0]


def tag(html: str, name: str) -> str:
    return re.search(rf'<meta (?:property|name)="{name}" content="([^"]*)">', html)[1]


def static_file(address: str):
    """Return the file that is served under an address."""
    return site.STATIC_ROOT / address.split("/static/", 1)[1]


@pytest.mark.parametrize("address", ["", "https://photos.example.org/"])
def test_preview_has_whole_addresses(anonymous_client, settings, address):
    settings.SITE_URL = address
    html = head(anonymous_client.get("/about/"))
    start = address or "http://testserver/"
    assert tag(html, "og:url") == f"{start}about/"
    assert tag(html, "og:title") == "How it works, and how wrong it is"
    assert tag(html, "og:image").startswith(f"{start}static/predictions/social.")
    with Image.open(static_file(tag(html, "og:image"))) as preview:
        assert preview.size == (1200, 630)
    assert static_file(tag(html, "og:image")).stat().st_size < 100_000


def test_preview_of_a_demo_is_its_picture(demo, anonymous_client):
    html = head(anonymous_client.get("/gallery/a-smile/"))
    assert tag(html, "og:title") == demo.title
    assert tag(html, "og:image") == "http://testserver/gallery/a-smile/image/"
    assert f'property="og:description" content="{demo.caption}"' in html
    type(demo).objects.update(caption="")
    html = head(anonymous_client.get("/gallery/a-smile/"))
    assert f'property="og:description" content="{demo.title}"' in html


def test_icons_for_those_who_read_no_svg(anonymous_client):
    html = head(anonymous_client.get("/"))
    icon = re.search(r'<link rel="icon" sizes="32x32" href="([^"]+)">', html)[1]
    with Image.open(static_file(icon)) as image:
        assert image.format == "ICO"
        assert image.info["sizes"] == {(16, 16), (32, 32), (48, 48)}
    touch = re.search(r'<link rel="apple-touch-icon" href="([^"]+)">', html)[1]
    with Image.open(static_file(touch)) as image:
        assert image.size == (180, 180)
        assert image.mode == "RGB"


def test_icons_are_drawn_by_us(tmp_path, monkeypatch):
    from predictions import icons

    shipped = icons.FOLDER
    monkeypatch.setattr(icons, "FOLDER", tmp_path)
    icons.main()
    for path in tmp_path.iterdir():
        with Image.open(path) as drawn, Image.open(shipped / path.name) as kept:
            assert drawn.size == kept.size
    assert len(list(tmp_path.iterdir())) == 3


def test_robots_read_what_is_public_and_nothing_else(anonymous_client):
    response = anonymous_client.get("/robots.txt")
    assert response["Content-Type"].startswith("text/plain")
    rules = RobotFileParser()
    rules.parse(response.content.decode().splitlines())
    public = [page for page in VISITOR_PAGES if not page.startswith("/account")]
    assert [page for page in [*public, "/api/v1/docs/"] if not rules.can_fetch("*", page)] == []
    private = [page for page in OWNER_PAGES if page not in public]
    private += ["/admin/", "/api/v1/predictions/", "/predictions/some-id/image/"]
    assert [page for page in private if rules.can_fetch("*", page)] == []
