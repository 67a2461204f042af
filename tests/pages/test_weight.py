"""What a browser loads for the front page, photos aside."""

import gzip
import re
from pathlib import Path

MOST = 150_000
"""Bytes of the page, its scripts and its styles, as they travel."""

ASSET = re.compile(r'(?:src|href)="/static/([^"]+\.(?:css|js))"')
LOADS_MORE = re.compile(rb"@import|@font-face|^import\b|url\((?!data:)", re.MULTILINE)


def weight(html: bytes, static_root: str) -> int:
    """Return the bytes of a page, which travels as it is, and of its assets, which are packed."""
    total = len(html)
    assets = ASSET.findall(html.decode())
    assert len(assets) >= 3
    for name in assets:
        content = Path(static_root, name).read_bytes()
        assert not LOADS_MORE.search(content), f"{name} loads what is not counted here"
        total += len(gzip.compress(content))
    return total


def test_the_front_page_is_light(demo, analyse, anonymous_client, client, settings):
    analyse()
    for visitor in (anonymous_client, client):
        html = visitor.get("/").content
        assert len(html) < weight(html, settings.STATIC_ROOT) < MOST
