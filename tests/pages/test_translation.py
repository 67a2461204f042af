"""Every sentence of the pages can be translated.

The pages are rendered in a made-up language that puts each translated text into brackets. What
stands outside of brackets would stay English in every language.
"""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from socket import gethostname

import pytest

from tests.pages.conftest import OWNER_PAGES, VISITOR_PAGES

BASE_DIR = Path(__file__).resolve().parents[2]
SPOKEN = {"alt", "aria-label", "placeholder", "title", "content"}
SILENT = {"script", "style", "code"}
CONTENT = {"description", "og:title"}

NAMES = "Emotionsite API UTC HTTP VGG FER SHA KB MB ms JPEG PNG WebP HEIC AVIF GIF BMP TIFF"
DATA = "ada ada@example.org photo.jpg A smile Teeth help. NASA Public domain"


class Spoken(HTMLParser):
    """Collects what a page says: its text in one piece, and each text of an attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.attributes, self._silent = "", [], 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._silent += tag in SILENT
        names = SPOKEN if tag != "meta" or CONTENT & set(given.values()) else set()
        self.attributes += [given[name] or "" for name in names & given.keys()]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text += data


def untranslated(html: str, allowed: set[str]) -> set[str]:
    """Return the words of a page that stand outside of brackets."""
    page = Spoken(html)
    words = set()
    for text in (page.text, *page.attributes):
        count = 1
        while count:  # From the inside out: one translated text may be a part of another.
            text, count = re.subn("⟦[^⟦⟧]*⟧", "", text)
        words |= set(re.findall("[A-Za-z]{2,}", text))
    return words - allowed


@pytest.fixture
def made_up_language(monkeypatch):
    from django.utils import translation

    def bracket(text: str) -> str:
        return f"⟦{text}⟧" if text else text

    tongue = {
        "gettext": bracket,
        "ngettext": lambda one, many, number: bracket(one if number == 1 else many),
        "pgettext": lambda context, text: bracket(text),
        "npgettext": lambda context, one, many, number: bracket(one if number == 1 else many),
    }
    for name, function in tongue.items():
        monkeypatch.setattr(translation._trans, name, function, raising=False)


@pytest.fixture
def allowed(settings) -> set[str]:
    """Words that are names or data, not language."""
    from mlcore.model_info import read_model_info

    model = read_model_info(settings.MODEL_PATH)
    data = f"{NAMES} {DATA} {model.name} {model.version} {model.dataset}"
    return set(re.findall("[A-Za-z]{2,}", data))


def test_pages_of_a_visitor(demo, anonymous_client, made_up_language, allowed):
    for page in [*VISITOR_PAGES, "/nothing/"]:
        html = anonymous_client.get(page).content.decode()
        assert "⟦" in html, page
        assert untranslated(html, allowed) == set(), page


def test_pages_of_an_owner(demo, analyse, client, made_up_language, allowed):
    from predictions.models import Status

    prediction = analyse()
    for page in [*OWNER_PAGES, f"{prediction.get_absolute_url()}delete/"]:
        html = client.get(page).content.decode()
        assert untranslated(html, allowed) == set(), page
    for status in Status:
        type(prediction).objects.update(status=status)
        for page in (prediction.get_absolute_url(), "/predictions/"):
            html = client.get(page).content.decode()
            assert untranslated(html, allowed) == set(), (page, status)
    html = client.post("/").content.decode()  # No photo is chosen.
    assert untranslated(html, allowed) == set()


def test_places_in_the_queue(analyse, queue, client, made_up_language, allowed):
    analyse()
    for prediction in (queue(), queue()):
        for page in (prediction.get_absolute_url(), "/predictions/", "/"):
            html = client.get(page).content.decode()
            assert 'data-place="' in html or 'id="place"' in html
            assert untranslated(html, allowed) == set(), page


def test_why_a_photo_failed(queue, client, made_up_language, allowed):
    from predictions.services import INTERNAL_ERRORS

    prediction = queue()
    failures = INTERNAL_ERRORS | {"unreadable_image": "This picture is damaged."}
    for code, detail in failures.items():
        failed = {"status": "failed", "error_code": code, "error_detail": detail}
        type(prediction).objects.update(**failed)
        html = client.get(prediction.get_absolute_url()).content.decode()
        assert untranslated(html, allowed) == set(), code


def test_pages_of_the_staff(demo, queue, client, owner, settings, made_up_language, allowed):
    from predictions.models import DemoImage, Photo, Prediction

    type(owner).objects.update(is_staff=True, is_superuser=True)
    settings.EMAIL_URL = "smtp://mail.example.org"
    queue()
    allowed |= {"search", "true", "false"}  # Pictures of Django's own lists.
    allowed |= {"celery", *(route["queue"] for route in settings.CELERY_TASK_ROUTES.values())}
    allowed |= set(re.findall("[A-Za-z]{2,}", gethostname()))  # Workers are called by their host.
    for model in (DemoImage, Prediction, Photo, type(owner)):
        # Columns are called as the fields are.
        names = [field.verbose_name for field in model._meta.fields]
        names += [model._meta.verbose_name, model._meta.verbose_name_plural]
        allowed |= set(re.findall("[A-Za-z]{2,}", " ".join(map(str, names)).lower()))
    for page in (
        "predictions/prediction/work/",
        "predictions/prediction/",
        "predictions/demoimage/",
        "predictions/demoimage/add/",
        "predictions/demoimage/several/",
        f"accounts/user/{owner.pk}/password/",
    ):
        html = client.get(f"/admin/{page}").content.decode()
        words = untranslated(html, allowed)
        assert [word for word in words if word.lower() not in allowed] == [], page


def test_error_pages(made_up_language, allowed):
    from django.template.loader import render_to_string

    for status in ("400", "403", "403_csrf", "404", "413", "429", "500", "503"):
        html = render_to_string(f"{status}.html", {"megabytes": 200, "page": "/"})
        assert untranslated(html, allowed) == set(), status


def test_an_untranslated_word_is_found():
    html = '<p title="⟦a⟧">⟦one <b>⟦two⟧</b> three⟧ <code>four</code></p>'
    assert untranslated(html, set()) == set()
    assert untranslated(f"{html}<p>five ⟦six⟧", set()) == {"five"}
    assert untranslated('<img alt="seven">', set()) == {"seven"}


@pytest.mark.skipif(not shutil.which("xgettext"), reason="GNU gettext is not installed")
def test_a_translator_gets_every_text(tmp_path, monkeypatch, settings):
    from django.core.management import call_command

    for room in ("emotionsite", "predictions", "templates"):
        ignored = shutil.ignore_patterns("*.jpg", "*.png", "__pycache__")
        shutil.copytree(BASE_DIR / room, tmp_path / room, ignore=ignored)
    settings.LOCALE_PATHS = [tmp_path / "locale"]
    (tmp_path / "locale").mkdir()
    monkeypatch.chdir(tmp_path)
    call_command("makemessages", locale=["fr"], verbosity=0, no_wrap=True)
    catalogue = (tmp_path / "locale" / "fr" / "LC_MESSAGES" / "django.po").read_text()
    for text in (
        "It sees how a face looks, not how a person feels.",
        "Please agree to the notice before you upload photos.",
        "Page %(number)s of %(total)s",
    ):
        assert f'msgid "{text}"' in catalogue
    assert catalogue.count("msgid_plural") > 5
