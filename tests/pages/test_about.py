"""How wrong it is: the page shows what was measured, all of it, and claims nothing else."""

import re

import pytest

from tests.pages.test_markup import check
from tests.support.measurements import FIGURES, REPORT, measured_model


@pytest.fixture
def page(anonymous_client, settings, tmp_path):
    """A function that returns the page of a site whose network has these figures."""

    def page(figures, report: dict | None = None) -> str:
        settings.MODEL_PATH = str(measured_model(tmp_path, figures, report))
        response = anonymous_client.get("/about/")
        check(response)
        return " ".join(response.content.decode().split())

    return page


def test_shows_what_was_measured(page):
    html = page(FIGURES)
    for text in (
        "66.3%",
        "64.8%",
        "67.9%",
        "1.2.3",
        "31%",
        "65.1%",
        "each face 4 times",
        "Article 5(1)(f)",
        "50(3)",
    ):
        assert text in html


def test_confusion_is_in_per_cent_of_each_row(page):
    html = page(FIGURES)
    assert '<span class="muted word">40</span></th><td class="shade-7">60</td>' in html
    assert '<td class="shade-3 agrees">25</td><td class="shade-0">0</td>' in html
    assert "60% of the faces that people called “disgust” it calls “angry”." in html


def test_diagrams_lie_where_the_numbers_say(page):
    html = page(FIGURES)
    assert '<circle cx="186.0" cy="175.0" r="10.0"><title>50%, 25%</title>' in html
    assert html.count('<circle cx="186.0"') == 2  # And the surest half of the answers.
    assert 'points="186.0,40.8 328.0,84.8 "' in html
    assert "The mean gap is 1.8%." in html
    assert "<tr><td>95%</td><td>100%</td><td>100</td></tr>" in html


def test_small_groups_have_no_share(page):
    html = page(FIGURES)
    assert "<td>42% <small>17 of 40</small></td><td><small>18 of 19</small></td>" in html


def test_report_of_this_network_is_shown(page):
    html = page(FIGURES, REPORT)
    assert '<th scope="row">very blurred</th>' in html
    assert "37%</td><td>45%</td>" in html
    assert "96 pixels</th><td>82%</td><td>58%</td>" in html
    assert "48 pixels</th><td>0%</td><td>–</td>" in html


def test_report_of_another_network_is_not(page):
    html = page(FIGURES, {**REPORT, "model": {"sha256": "0" * 64}})
    assert "very blurred" not in html
    assert "96 pixels" not in html


def test_report_stands_in_for_what_the_network_does_not_tell(page):
    html = page({"accuracy": 0.7, "count": 10}, {**REPORT, "served": FIGURES})
    assert "70.0%" in html
    assert 'class="confusion shares"' in html


@pytest.mark.parametrize(
    "figures",
    [
        {},
        "unknown",
        {"confusion": [[1, 2]], "reliability": [], "confidence_groups": {"angry": []}},
        {"confusion": "x", "reliability": [{"count": 3}], "accuracy_at_coverage": [{}]},
        {"recall": 0.5, "precision": None, "confidence_groups": None},
    ],
)
def test_what_nobody_measured_is_not_shown(page, figures):
    html = page(figures)
    assert "Nobody has measured" in html
    for part in ("figure", "confusion", "diagram", "records", "bar"):
        assert f'class="{part}' not in html


def test_without_a_network_the_rest_is_shown(anonymous_client, settings, tmp_path):
    settings.MODEL_PATH = str(tmp_path / "none.onnx")
    response = anonymous_client.get("/about/")
    check(response)
    html = response.content.decode()
    assert "Nobody has measured" in html
    assert "Sixteen layers" in html
    assert "SHA-256" not in html


def test_every_link_of_the_contents_leads_somewhere(page):
    html = page(FIGURES, REPORT)
    contents = re.search(r'<nav class="contents".*?</nav>', html)[0]
    targets = re.findall(r'href="#(\w+)"', contents)
    assert len(targets) == 9
    assert [target for target in targets if f'id="{target}"' not in html] == []


def test_present_mistakes_of_the_gallery_are_linked(demo, page, anonymous_client):
    assert "A smile" not in page(FIGURES)
    demo.expected = "sad"
    demo.save()
    html = anonymous_client.get("/about/").content.decode()
    assert 'href="/gallery/a-smile/"' in html
    assert "It says “happy”, people say “sad”." in html
    type(demo.prediction).objects.update(label="")
    assert "It finds no face, people say “sad”." in anonymous_client.get("/about/").content.decode()


def test_drawing_has_a_bar_for_every_convolution(page):
    html = page({})
    drawing = html[html.index('<svg class="network"') :].split("</svg>")[0]
    bars = [drawing.count(f'width="{width}" height=') for width in ("23.8", "47.5", "95.0")]
    assert bars == [2, 2, 4]
    assert drawing.count('width="190.0" height=') == 8
    assert "20 million weights" in html
