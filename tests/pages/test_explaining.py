"""Where the network looked on a face, on the page of its result."""

import re

import pytest

from tests.support import steps


@pytest.fixture
def page(client):
    """A function that returns the HTML of a prediction's page."""
    return lambda prediction, query="": client.get(
        prediction.get_absolute_url() + query
    ).content.decode()


class TestWhereItLooked:
    def look(self, client, prediction, query="", number=1):
        address = f"{prediction.get_absolute_url()}faces/{number}/explanation/"
        return client.get(address + query, headers={"hx-request": "true"})

    def test_it_is_drawn_while_the_page_asks_again(self, analyse, client, page, redis_server):

        prediction = analyse()
        picture = f"{prediction.get_absolute_url()}faces/1/explanation/picture/"
        assert 'hx-trigger="toggle once"' in page(prediction)
        html = self.look(client, prediction).content.decode()
        assert html.count("Drawing where the network looked …") == 2  # It is announced, too.
        assert 'id="announcer" hx-swap-oob' in html
        assert re.search(r'hx-get="[^"]+/explanation/\?waits=1" hx-trigger="every 1s"', html)
        assert self.look(client, prediction, "?waits=1").status_code == 204
        assert client.get(picture).status_code == 404

        steps.draw(prediction.faces.get())
        html = self.look(client, prediction, "?waits=1").content.decode()
        assert "Here is where the network looked." in html
        assert "every 1s" not in html
        # Once beside the answer, and once over the face.
        assert f'src="{picture}"' in html
        over = re.search(rf'<image class="looked" href="{picture}" ([^>]*)/>', html)[1]
        x, y, width, height = map(float, re.findall(r'="([^"]*)"', over))
        face = prediction.faces.get()
        assert width == height == pytest.approx(1.1 * (face.width * face.height) ** 0.5)
        assert x + width / 2 == pytest.approx(face.x + face.width / 2, rel=0.02)
        assert y + height / 2 == pytest.approx(face.y + face.height / 2, rel=0.02)
        assert client.get(picture).content.startswith(b"\xff\xd8\xff")

    def test_without_scripts_it_is_a_page_that_reloads_itself(
        self, analyse, page, redis_server, nobody_else_works
    ):

        prediction = analyse()
        assert 'href="?face=1&amp;look=1#look"' in page(prediction)
        html = page(prediction, "?face=1&look=1")
        assert "Drawing where" in html
        assert 'http-equiv="refresh"' in html
        steps.draw(prediction.faces.get())
        html = page(prediction, "?face=1&look=1")
        assert 'class="explanation"' in html
        assert 'http-equiv="refresh"' not in html

    def test_what_fails_may_be_tried_again(
        self, analyse, client, page, redis_server, nobody_else_works
    ):
        from predictions import explanations

        prediction = analyse()
        page(prediction, "?face=1&look=1")
        explanations.fail(*explanations.claim("task"))
        html = self.look(client, prediction).content.decode()
        assert "This face could not be drawn. <code>not_explained</code>" in html
        assert "This face could not be drawn.</p>" in html  # Announced.
        again = re.search(r'id="look-again" href="([^"]+)"', html)[1]
        assert "Drawing where" in page(prediction, again.replace("&amp;", "&").split("#")[0])
        redis_server.stop()
        explanations.fail(*explanations.claim("task"))
        html = self.look(client, prediction, "?again=1").content.decode()
        assert "Drawing where" in html, "it waits in the database for the broker"

    def test_too_many_drawings_are_refused_as_by_the_api(self, analyse, client, monkeypatch):
        from predictions.api.throttling import DrawingThrottle

        monkeypatch.setattr(DrawingThrottle, "rate", "0/min", raising=False)
        html = self.look(client, analyse()).content.decode()
        assert "<code>throttled</code>" in html
        assert "Try again</a>" in html

    def test_an_answer_of_another_network_can_only_be_given_anew(self, analyse, client, page):
        prediction = analyse()
        type(prediction).objects.update(model_sha256="0" * 64)
        assert "Where did it look?" not in page(prediction)
        html = self.look(client, prediction).content.decode()
        assert "<code>model_changed</code>" in html
        assert html.split("model_changed")[1].index("Analyse again") < 300

    def test_where_there_is_no_answer_any_more_the_page_loads_itself_again(self, analyse, client):
        from predictions import services

        prediction = analyse()
        services.rerun(prediction)
        assert self.look(client, prediction)["HX-Refresh"] == "true"
        assert self.look(client, prediction, number=2).status_code == 404
