"""What a result leaves behind: a picture to save, another network's answer, or numbers only."""

import io
import re

import pytest
from PIL import Image

from tests.support import steps
from tests.support.pictures import crowd


@pytest.fixture
def analyse_unkept(owner, astronaut):
    """A function that has a photo analysed that is not kept."""
    from django.core.files.base import ContentFile

    from predictions import services
    from predictions.uploads import validate

    def analyse_unkept(content: bytes = astronaut):
        upload = validate(ContentFile(content, "secret.png"))
        prediction, _is_new = services.submit(owner, upload, keep_photo=False)
        steps.analyse(prediction.pk)
        prediction.refresh_from_db()
        return prediction

    return analyse_unkept


@pytest.fixture
def page(client):
    """A function that returns the HTML of a prediction's page."""
    return lambda prediction, query="": client.get(
        prediction.get_absolute_url() + query
    ).content.decode()


def annotated(client, prediction):
    return client.get(f"{prediction.get_absolute_url()}annotated/")


class TestAnnotated:
    def test_the_owner_saves_the_photo_with_its_boxes(self, analyse, client, page, astronaut):
        prediction = analyse(crowd(astronaut, 2, 1), name="Strand im März.heic")
        assert f'href="{prediction.get_absolute_url()}annotated/" download' in page(prediction)
        response = annotated(client, prediction)
        assert response["Content-Type"] == "image/jpeg"
        assert response["Cache-Control"] == "private, no-cache"
        disposition = response["Content-Disposition"]
        assert disposition.startswith("attachment;")
        assert "Strand%20im%20M%C3%A4rz-annotated.jpg" in disposition
        with Image.open(io.BytesIO(b"".join(response.streaming_content))) as saved:
            assert (saved.format, saved.size) == ("JPEG", (400, 200))
            assert not saved.getexif()
            for face in prediction.faces.all():
                # The line around a face: black, white, black.
                y = face.y + face.height // 2
                shades = [sum(saved.getpixel((face.x + dx, y))) / 3 for dx in range(-4, 4)]
                assert min(shades) < 90
                assert max(shades) > 165

    def test_strangers_and_visitors_find_nothing(self, analyse, stranger_client, anonymous_client):
        prediction = analyse()
        assert annotated(stranger_client, prediction).status_code == 404
        assert annotated(anonymous_client, prediction).status_code == 404

    def test_without_face_answer_or_file_there_is_nothing_to_save(
        self, analyse, queue, client, page, make_image
    ):
        for prediction in (queue(), analyse(make_image())):
            assert annotated(client, prediction).status_code == 404
            assert "annotated/" not in page(prediction)
        lost = analyse()
        lost.photo.display.storage.delete(lost.photo.display.name)
        assert annotated(client, lost).status_code == 404

    def test_a_long_name_is_shortened(self, analyse, client):
        response = annotated(client, analyse(name="a" * 190 + ".jpg"))
        response.close()
        assert f'filename="{"a" * 100}-annotated.jpg"' in response["Content-Disposition"]


class TestEarlierAnswers:
    def answer_anew(self, prediction, **values):
        """Keep the present answer as another network's, and let a new one say ``values``."""
        from predictions.models import EarlierAnswer

        EarlierAnswer.keep(prediction)
        prediction.earlier_answers.update(model_version="2026.1.2", model_sha256="0" * 64)
        prediction.faces.update(**values)

    def test_a_changed_answer_is_told_with_its_numbers(self, analyse, page):
        prediction = analyse()
        before = dict.fromkeys(prediction.faces.get().probabilities, 0.0)
        before |= {"sad": 0.54, "neutral": 0.46}
        prediction.faces.update(label="sad", confidence=0.54, probabilities=before)
        after = before | {"sad": 0.39, "neutral": 0.61}
        self.answer_anew(prediction, label="neutral", confidence=0.61, probabilities=after)
        html = page(prediction)
        assert ("Network 2026.1.2 called this face sad (54%); now it is neutral (61%).") in html
        pairs = html.split('class="bars pairs"')[1].split("</ul>")[0]
        assert pairs.count("<li") == 7
        assert '<rect class="before" width="54.0" height="4"/>' in pairs
        assert '<rect y="6" width="39.0" height="4"/>' in pairs

    def test_the_same_word_is_told_as_such(self, analyse, page):
        prediction = analyse()
        prediction.faces.update(label="happy", confidence=0.7)
        self.answer_anew(prediction, confidence=0.9)
        assert ("Network 2026.1.2 called this face happy, too (70% then, 90% now).") in page(
            prediction
        )

    def test_it_is_told_of_the_face_that_is_chosen(self, analyse, page, astronaut):
        prediction = analyse(crowd(astronaut, 2, 1))
        first, second = prediction.faces.all()
        type(first).objects.filter(pk=first.pk).update(label="fear", confidence=0.5)
        type(first).objects.filter(pk=second.pk).update(label="disgust", confidence=0.6)
        self.answer_anew(prediction, label="happy", confidence=0.8)
        # Another order, as another detector may have it: places tell which face is which.
        answer = prediction.earlier_answers.get()
        answer.faces.reverse()
        answer.save()
        assert "called this face fear (50%); now it is happy" in page(prediction)
        assert "called this face disgust (60%); now it is happy" in page(prediction, "?face=2")

    def test_nothing_is_told_where_there_is_nothing(self, analyse, page):
        prediction = analyse()
        assert "called this face" not in page(prediction)

    def test_another_set_of_faces_is_told(self, analyse, page):
        prediction = analyse()
        self.answer_anew(prediction)
        prediction.faces.update(x=0, y=400, width=50, height=50)
        html = page(prediction)
        assert "Network 2026.1.2 did not find this face." in html
        assert "Compare the numbers" not in html
        prediction.faces.all().delete()
        assert "Network 2026.1.2 found 1 face in this photo." in page(prediction)

    def test_faces_that_were_not_found_before_are_told(self, analyse, page, astronaut):
        prediction = analyse(crowd(astronaut, 2, 1))
        self.answer_anew(prediction)
        answer = prediction.earlier_answers.get()
        answer.faces.pop()
        answer.save()
        found = "Network 2026.1.2 found 1 face in this photo."
        assert re.search(rf"called this face .* {found}", page(prediction))
        assert f"Network 2026.1.2 did not find this face. {found}" in page(prediction, "?face=2")
        prediction.earlier_answers.update(faces=[])
        assert "Network 2026.1.2 found no face here." in page(prediction)


class TestPhotoNotKept:
    def test_its_faces_are_drawn_in_their_places(self, analyse_unkept, page, client, astronaut):
        prediction = analyse_unkept(crowd(astronaut, 2, 1))
        html = page(prediction, "?face=2")
        assert "You chose not to keep this photo; its numbers stay." in html
        assert 'viewBox="0 0 400 200" width="400" height="200"' in html
        assert html.count('class="box"') == 2
        assert "Face 2 of 2" in html
        for gone in ("<img", "Analyse again", "Where did it look?", "annotated/"):
            assert gone not in html
        assert annotated(client, prediction).status_code == 404

    def test_without_a_face_there_is_only_the_sentence(self, analyse_unkept, page, make_image):
        html = page(analyse_unkept(make_image()))
        assert "You chose not to keep this photo" in html
        assert 'class="box"' not in html

    @pytest.mark.parametrize("end", ["canceled", "failed"])
    def test_an_end_without_an_answer(self, end, owner, page, make_image):
        from django.core.files.base import ContentFile

        from predictions import services
        from predictions.uploads import validate

        upload = validate(ContentFile(make_image(), "secret.png"))
        prediction, _is_new = services.submit(owner, upload, keep_photo=False)
        if end == "canceled":
            services.cancel(prediction)
        else:
            services.fail(steps.claim(prediction.pk), "timed_out", "It took too long.")
        html = page(prediction)
        assert "You chose not to keep this photo" in html
        assert "The photo is still here" not in html
        assert "Analyse again" not in html
        assert "Analyse it again" not in html
        if end == "failed":
            assert "Upload the photo once more." in html

    def test_the_stranger_sees_nothing_of_it(self, analyse_unkept, stranger_client):
        address = analyse_unkept().get_absolute_url()
        assert stranger_client.get(address).status_code == 404
