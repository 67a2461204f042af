"""Marks on a photo: in their places, readable, and none over another's words."""

import itertools

import pytest
from PIL import Image, ImageChops

from mlcore.drawing import Mark, annotate, arrange

LINE = "surprise 93 %"


def changed(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int]:
    """Return the smallest rectangle that holds every pixel that differs."""
    return ImageChops.difference(before, after).getbbox()


@pytest.mark.parametrize("background", ["black", "white", "grey", (200, 30, 40)])
@pytest.mark.parametrize("side", [320, 2048])
def test_a_mark_shows_on_any_background_and_grows_with_the_picture(side, background):
    image = Image.new("RGB", (side, side), background)
    third = side // 3
    marked = annotate(image, [Mark(third, third, third, third, LINE)], side)
    assert image.getcolors() == [(side * side, image.getpixel((0, 0)))], "the original stays"
    # Black and white side by side are seen on whatever lies behind them.
    edge = marked.crop((third - side // 40, side // 2, third + side // 40, side // 2 + 1))
    assert {(0, 0, 0), (255, 255, 255)} <= {colour for _, colour in edge.getcolors()}
    above = marked.crop((0, 0, side, third - 2 * max(1, round(side / 500))))
    if background != "white":
        letters = above.convert("L").point(lambda value: 255 * (value > 200))
        left, top, right, bottom = letters.getbbox()
        assert bottom - top >= max(7, side // 60)
        assert right - left > 4 * (bottom - top)


def test_what_lies_off_the_marks_is_untouched():
    image = Image.linear_gradient("L").resize((600, 400)).convert("RGB")
    marked = annotate(image, [Mark(300, 200, 100, 100, LINE)], 600)
    left, top, right, bottom = changed(image, marked)
    assert left > 290
    assert 160 < top < 200
    assert right < 480
    assert bottom < 310


def test_boxes_of_a_reduced_copy_are_where_the_faces_are():
    image = Image.new("RGB", (500, 500), "grey")
    full = annotate(image, [Mark(100, 200, 100, 100, "")], 500)
    assert annotate(image, [Mark(400, 800, 400, 400, "")], 2000).tobytes() == full.tobytes()
    assert full.getpixel((100, 250)) == (0, 0, 0)
    assert full.getpixel((150, 250)) == (128, 128, 128)


def test_a_tiny_picture_is_enlarged_for_its_letters():
    marked = annotate(Image.new("RGB", (60, 40), "grey"), [Mark(10, 5, 30, 30, LINE)], 60)
    assert marked.size == (360, 240)
    assert changed(Image.new("RGB", (360, 240), "grey"), marked)


@pytest.mark.parametrize("x", [0, 250, 500])
@pytest.mark.parametrize("y", [0, 250, 500])
def test_words_stay_within_the_picture_and_at_their_face(x, y):
    ((left, top, right, bottom),) = arrange([(x, y, x + 100, y + 100)], [(180, 20)], (600, 600))
    assert (right - left, bottom - top) == (180, 20)
    assert 0 <= left <= x <= x + 100 <= right <= 600
    assert top >= 0
    assert bottom <= 600
    assert bottom == y or top == y + 100, "above or below, where there is room for that"


def test_a_face_that_fills_the_picture_has_its_words_inside():
    ((left, top, right, bottom),) = arrange([(0, 0, 600, 400)], [(180, 20)], (600, 400))
    assert (left, top, right, bottom) == (0, 0, 180, 20)


def test_words_of_neighbours_are_not_drawn_over_one_another():
    row = [(300 + 60 * n, 150, 360 + 60 * n, 210) for n in range(4)]
    places = arrange(row, [(130, 25)] * 4, (1200, 400))
    for one, other in itertools.combinations(places, 2):
        across = min(one[2], other[2]) - max(one[0], other[0])
        down = min(one[3], other[3]) - max(one[1], other[1])
        assert across <= 0 or down <= 0


def test_in_a_crowd_without_room_every_face_has_its_words_all_the_same():
    crowd = [(x, y, x + 30, y + 30) for x, y in itertools.product(range(0, 1200, 40), (9, 50, 99))]
    assert len(arrange(crowd, [(130, 25)] * len(crowd), (1200, 140))) == len(crowd)
    marks = [Mark(x, y, 30, 30, LINE) for x, y, *_ in crowd]
    assert annotate(Image.new("RGB", (1200, 140), "grey"), marks, 1200).size == (1200, 140)
