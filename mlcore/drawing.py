"""A photo with its faces marked. Needs Pillow only, so that every process can draw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

MIN_SIDE = 320
"""A smaller picture is enlarged first: letters need some pixels."""

Corners = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Mark:
    """A box in pixels of the upright original, and a line of text beside it."""

    x: float
    y: float
    width: float
    height: float
    text: str


def annotate(image: Image.Image, marks: Sequence[Mark], original_width: int) -> Image.Image:
    """Return a copy of an RGB picture with every mark drawn on it, the first ones on top.

    ``image`` may be a reduced copy of an original that was ``original_width`` pixels wide. Lines
    and letters grow with the picture, and are light on dark, so that they show on any background.
    """
    enlarged = -(-MIN_SIDE // max(image.size))
    image = image.resize((image.width * enlarged, image.height * enlarged))
    scale = image.width / original_width
    draw = ImageDraw.Draw(image)
    unit = max(1, round(max(image.size) / 500))
    font = ImageFont.load_default(max(12, max(image.size) / 45))
    boxes = [_scaled(mark, scale) for mark in marks]
    for left, top, right, bottom in reversed(boxes):
        for grown, colour in ((2 * unit, "black"), (unit, "white"), (0, "black")):
            outline = (left - grown, top - grown, right + grown, bottom + grown)
            draw.rectangle(outline, outline=colour, width=unit)
    letters = [draw.textbbox((0, 0), mark.text, font=font) for mark in marks]
    sizes = [(x1 - x0 + 4 * unit, y1 - y0 + 4 * unit) for x0, y0, x1, y1 in letters]
    places = arrange(boxes, sizes, image.size)
    for mark, place, (x0, y0, _, _) in reversed(list(zip(marks, places, letters, strict=True))):
        draw.rectangle(place, fill="black")
        at = (place[0] + 2 * unit - x0, place[1] + 2 * unit - y0)
        draw.text(at, mark.text, fill="white", font=font)
    return image


def arrange(
    boxes: Sequence[Corners], sizes: Sequence[tuple[float, float]], within: tuple[int, int]
) -> list[Corners]:
    """Return where the label of each box stands in a picture of the size ``within``.

    The first ones choose first, and none covers another as long as there is room at its box.
    """
    places: list[Corners] = []
    for box, size in zip(boxes, sizes, strict=True):
        possible = list(_places(box, size, within))
        free = (place for place in possible if not any(_overlap(place, one) for one in places))
        places.append(next(free, possible[0]))
    return places


def _scaled(mark: Mark, scale: float) -> Corners:
    left, top = mark.x * scale, mark.y * scale
    return left, top, left + mark.width * scale, top + mark.height * scale


def _places(box: Corners, size: tuple[float, float], within: tuple[int, int]) -> Iterator[Corners]:
    """Yield where a label may stand: above its box, below it, or inside at its top or bottom, and
    each time at the box's left or right edge. All of them lie within the picture."""
    left, top, right, bottom = box
    width, height = size
    lowest = within[1] - height
    rows = [y for y in (top - height, bottom) if 0 <= y <= lowest]
    rows += [max(min(y, lowest), 0) for y in (top, bottom - height)]
    for y in rows:
        for x in (left, right - width):
            x = max(min(x, within[0] - width), 0)
            yield x, y, x + width, y + height


def _overlap(one: Corners, other: Corners) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across > 0 and down > 0
