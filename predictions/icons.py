"""Draw what other programs show of the site: ``python -m predictions.icons``.

Writes ``favicon.ico`` and ``touch-icon.png`` for what reads no SVG, and ``social.png``, which
others show beside a link. The mark is that of ``favicon.svg``.
"""

from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).parent / "static" / "predictions"
ACCENT, PAPER, SUNKEN, INK, MUTED, GREY = (
    "#0b6e69",
    "#faf9f6",
    "#e6e3db",
    "#1c2124",
    "#596168",
    "#858c91",
)
FINER = 4
"""Everything is drawn so much larger and then made smaller, for smooth edges."""

TITLE = "What does a network\nsee in a face?"
BARS = (0.66, 0.13, 0.08, 0.06, 0.04, 0.02, 0.01)

Point = tuple[float, float]


def curve(*points: Point, steps: int = 60) -> list[Point]:
    """Return points on the line or Bézier curve of two or more control points."""
    found = []
    for step in range(steps + 1):
        t, level = step / steps, list(points)
        while len(level) > 1:
            level = [
                (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in pairwise(level)
            ]
        found += level
    return found


def corner(horizontal: int, vertical: int) -> list[Point]:
    """Return one corner of the frame, for example (1, 1): right below, in a field of 32 × 32."""
    points = curve((10, 5), (10, 7)) + curve((10, 7), (10, 10), (7, 10)) + curve((7, 10), (5, 10))
    return [(16 + horizontal * x, 16 + vertical * y) for x, y in points]


STROKES = [corner(x, y) for x in (-1, 1) for y in (-1, 1)]
STROKES.append(curve((11.5, 18.5), (14, 21.5), (18, 21.5), (20.5, 18.5)))
EYES = ((12.3, 13.5), (19.7, 13.5))


def mark(side: int, radius: float) -> Image.Image:
    """Return the mark as RGBA; ``radius`` is that of its corners, in 32nds of the side."""
    scale = side * FINER / 32
    image = Image.new("RGBA", (side * FINER, side * FINER))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, *(n - 1 for n in image.size)), radius * scale, ACCENT)

    def dot(x: float, y: float, r: float) -> None:
        box = ((x - r) * scale, (y - r) * scale, (x + r) * scale, (y + r) * scale)
        draw.ellipse(box, "white")

    for stroke in STROKES:
        for x, y in stroke:
            dot(x, y, 1.25)
    for x, y in EYES:
        dot(x, y, 1.7)
    return image.resize((side, side), Image.Resampling.LANCZOS)


def social() -> Image.Image:
    """Return the preview, 1200 × 630: the mark, the question, and an answer of seven bars."""
    image = Image.new("RGB", (1200 * FINER, 630 * FINER), PAPER)
    draw = ImageDraw.Draw(image)

    def at(*numbers: float) -> tuple[float, ...]:
        return tuple(number * FINER for number in numbers)

    for number, share in enumerate(BARS):
        y, colour = 356 + 30 * number, GREY if number else ACCENT
        draw.rounded_rectangle(at(480, y, 1110, y + 14), 7 * FINER, SUNKEN)
        draw.rounded_rectangle(at(480, y, 480 + max(630 * share, 14), y + 14), 7 * FINER, colour)
    draw.text(at(478, 80), "Emotionsite", MUTED, ImageFont.load_default(34 * FINER))
    font = ImageFont.load_default(64 * FINER)
    draw.multiline_text(at(476, 140), TITLE, INK, font, spacing=18 * FINER)
    image = image.resize((1200, 630), Image.Resampling.LANCZOS)
    logo = mark(300, 7)
    image.paste(logo, (100, 165), logo)
    return image


def main() -> None:
    mark(48, 7).save(FOLDER / "favicon.ico", sizes=[(16, 16), (32, 32), (48, 48)])
    # Phones cut the corners off themselves.
    mark(180, 0).convert("RGB").save(FOLDER / "touch-icon.png", optimize=True)
    social().quantize(128).save(FOLDER / "social.png", optimize=True)


if __name__ == "__main__":
    main()
