"""Draws the faces of the starting gallery: ``python predictions/demo/draw.py``.

The files are written beside this one. The random pencil strokes are seeded, so that a second run
draws the same. The pictures composed from photographs are made by ``compose.py``.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

HERE = Path(__file__).parent
SIDE = 900  # of a drawing, in pixels; all coordinates below are in these pixels
SCALE = 3  # drawn this much larger and reduced, which smooths every edge


def smooth(points, closed=False, steps=24):
    """Catmull-Rom curve through ``points``: (M, 2) array in the same pixels."""
    p = np.asarray(points, float)
    p = np.vstack([p[-1:], p, p[:2]]) if closed else np.vstack([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2)
        + 0.5 * (3 * b - a - 3 * c + d) * t**3
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.vstack([*pieces, p[-2:-1]])


def ellipse(x, y, rx, ry):
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return np.c_[x + rx * np.cos(angle), y + ry * np.sin(angle)]


def mirrored(points):
    """The same points on the other half of the face, in reverse order."""
    return [(SIDE - x, y) for x, y in reversed(points)]


class Board:
    """A square drawing surface; every colour is a Pillow colour, every opacity 0…1."""

    def __init__(self, background):
        self.image = Image.new("RGB", (SIDE * SCALE,) * 2, background)

    def _mask(self, paint, opacity, blur):
        # A blurred mask has no fine edge to keep, so it is made small and enlarged.
        scale = 1 if blur else SCALE
        mask = Image.new("L", (SIDE * scale,) * 2, 0)
        paint(ImageDraw.Draw(mask), scale)
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur)).resize(self.image.size)
        return mask.point(lambda value: round(value * opacity))

    def shape(self, points, fill, opacity=1.0, blur=0, inside=None):
        """Fill the closed curve through ``points``, only within the curve ``inside`` if given."""

        def polygon(curve):
            outline = smooth(curve, closed=True)
            return lambda draw, scale: draw.polygon((outline * scale).ravel().tolist(), fill=255)

        mask = self._mask(polygon(points), opacity, blur)
        if inside is not None:
            mask = ImageChops.multiply(mask, self._mask(polygon(inside), 1.0, 0))
        self.image.paste(fill, mask=mask)

    def disc(self, x, y, rx, ry, fill, **how):
        self.shape(ellipse(x, y, rx, ry), fill, **how)

    def stroke(self, points, width, fill, opacity=1.0, taper=0.35):
        """A line as a brush leaves it: full width in the middle, ``taper`` of it at the ends."""
        line = smooth(points) * SCALE
        way = np.linspace(0, np.pi, len(line))
        radii = SCALE * width / 2 * (taper + (1 - taper) * np.sin(way) ** 0.6)
        corner = np.floor(line.min(axis=0) - SCALE * width)
        size = np.ceil(line.max(axis=0) + SCALE * width - corner).astype(int)
        mask = Image.new("L", tuple(size.tolist()), 0)
        draw = ImageDraw.Draw(mask)
        line -= corner
        for (x, y), (x2, y2), r in zip(line, line[1:], radii, strict=False):
            draw.line((x, y, x2, y2), 255, round(2 * r))
        for (x, y), r in zip(line, radii, strict=True):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        mask = mask.point(lambda value: round(value * opacity))
        self.image.paste(fill, tuple(corner.astype(int).tolist()), mask)

    def finished(self):
        return self.image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def smiley():
    """A round yellow face that laughs."""
    b = Board("#dcecf7")
    b.disc(450, 800, 270, 34, "#5b7c95", opacity=0.45, blur=18)
    b.disc(450, 440, 350, 350, "#f2a900")
    b.disc(450, 432, 340, 340, "#ffd02e")
    b.disc(390, 330, 200, 180, "#fff0a0", opacity=0.75, blur=60)
    for x in (325, 575):
        b.disc(x, 350, 40, 62, "#4a2b0b")
        b.disc(x - 13, 326, 13, 18, "white")
        b.stroke([(x - 62, 268), (x, 240), (x + 62, 268)], 20, "#8a5a12")
        b.disc(x + (70 if x > 450 else -70), 480, 62, 40, "#ff7a59", opacity=0.5, blur=16,
               inside=ellipse(450, 432, 340, 340))  # fmt: skip
    mouth = [(225, 500), (340, 522), (450, 528), (560, 522), (675, 500)]
    mouth += [(640, 610), (555, 690), (450, 712), (345, 690), (260, 610)]
    b.shape(mouth, "#5c1a12")
    b.disc(450, 700, 130, 80, "#e8564a", inside=mouth)
    teeth = [(225, 480), (450, 500), (675, 480), (660, 552), (450, 580), (240, 552)]
    b.shape(teeth, "#fffdf6", inside=mouth)
    return b.finished()


HEAD = [(450, 130), (300, 175), (238, 320), (246, 480), (286, 612), (364, 705), (450, 737)]
HEAD = HEAD + mirrored(HEAD[1:-1])


def _bust(b, skin, shadow, shirt):
    """Shoulders, neck, ears and a softly lit head; the start of both coloured faces."""
    b.shape([(60, 960), (110, 830), (300, 765), (600, 765), (790, 830), (840, 960)], shirt)
    b.shape([(355, 640), (340, 790), (450, 845), (560, 790), (545, 640)], shadow)
    for x in (234, 666):
        b.disc(x, 455, 38, 66, skin)
        b.disc(x, 460, 18, 40, shadow, opacity=0.7, blur=6)
    b.shape(HEAD, skin)
    b.disc(270, 560, 70, 210, shadow, opacity=0.6, blur=40, inside=HEAD)
    b.disc(640, 560, 60, 210, shadow, opacity=0.5, blur=40, inside=HEAD)


def surprised():
    """A cartoon child with wide eyes, raised brows and an open mouth."""
    b = Board("#2f8f9d")
    for turn in np.linspace(0, 2 * np.pi, 18, endpoint=False):
        far = [(450 + 900 * np.cos(turn + d), 430 + 900 * np.sin(turn + d)) for d in (-0.07, 0.07)]
        b.shape([(450, 430), (450, 430), *far], "#46a7b4")
    _bust(b, "#f3c7a0", "#d99a72", "#f2b705")
    hair = [(225, 400), (205, 230), (300, 105), (450, 70), (600, 105), (695, 230), (675, 400)]
    hair += [(640, 290), (560, 235), (500, 255), (430, 215), (350, 265), (265, 290)]
    b.shape(hair, "#4b2a1a")
    b.stroke([(450, 85), (440, 40), (475, 15)], 20, "#4b2a1a", taper=0.2)
    b.stroke([(320, 150), (420, 105), (540, 115)], 22, "#7c4a2d", opacity=0.7, taper=0.1)
    for x in (350, 550):
        out = -1 if x < 450 else 1
        b.disc(x, 440, 70, 62, "#b97852", opacity=0.35, blur=14)
        b.disc(x, 430, 58, 62, "#3a2015")
        b.disc(x, 432, 53, 56, "white")
        b.disc(x, 432, 28, 29, "#4c7d3a")
        b.disc(x, 432, 15, 15, "#161310")
        b.disc(x - 9, 421, 8, 8, "white")
        b.stroke([(x - 55 * out, 322), (x, 288), (x + 62 * out, 330)], 24, "#4b2a1a")
        b.disc(x + 40 * out, 570, 48, 34, "#e8836b", opacity=0.45, blur=14, inside=HEAD)
    b.stroke([(436, 525), (428, 552), (450, 566), (472, 552)], 9, "#b97852")
    b.disc(450, 655, 56, 66, "#b4573f")
    b.disc(450, 656, 46, 56, "#541713")
    b.disc(450, 692, 34, 24, "#d9635a")
    b.stroke([(420, 618), (450, 611), (480, 618)], 13, "#fffaf0", taper=0.8)
    return b.finished()


def angry():
    """A cartoon man with lowered brows, flared nostrils and bared teeth."""
    b = Board("#4a4e69")
    b.disc(450, 440, 400, 400, "#9a5b5b", opacity=0.6, blur=110)
    _bust(b, "#f0b899", "#d0795c", "#22223b")
    b.disc(450, 300, 190, 110, "#df6a4c", opacity=0.6, blur=50, inside=HEAD)
    b.disc(450, 600, 170, 70, "#df6a4c", opacity=0.45, blur=50, inside=HEAD)
    b.shape([(232, 370), (225, 220), (320, 120), (450, 95), (580, 120), (675, 220), (668, 370),
             (630, 235), (540, 200), (450, 222), (360, 200), (270, 235)], "#8c3f16")  # fmt: skip
    for x in (350, 550):
        out = -1 if x < 450 else 1
        b.disc(x, 425, 74, 46, "#a8523a", opacity=0.55, blur=12)
        eye = [(x - 56 * out, 440), (x, 410), (x + 56 * out, 412), (x + 30 * out, 446), (x, 452)]
        b.shape(eye, "#fdf6ee")
        b.disc(x - 8 * out, 428, 23, 23, "#4a2c17", inside=eye)
        b.disc(x - 8 * out, 428, 11, 11, "#120d0a", inside=eye)
        b.stroke([(x - 62 * out, 442), (x, 405), (x + 62 * out, 405)], 11, "#3b1710")
        b.shape([(x - 76 * out, 408), (x - 64 * out, 366), (x, 342), (x + 82 * out, 322),
                 (x + 78 * out, 350), (x, 384)], "#8c3f16")  # fmt: skip
        b.stroke([(x + 10 * out, 480), (x - 24 * out, 478), (x - 50 * out, 464)], 6, "#b05c43")
        b.stroke([(450 + 52 * out, 560), (450 + 108 * out, 612), (450 + 122 * out, 662)], 9,
                 "#b05c43", opacity=0.8)  # fmt: skip
        b.stroke([(450 + 22 * out, 545), (450 + 54 * out, 545), (450 + 50 * out, 578)], 9,
                 "#a8523a")  # fmt: skip
        b.disc(450 + 24 * out, 574, 13, 8, "#4d1f15")
        frown = [(450 + 16 * out, 330), (450 + 10 * out, 370), (450 + 18 * out, 405)]
        b.stroke(frown, 8, "#b05c43")
    b.disc(450, 520, 26, 60, "#ffd9c2", opacity=0.6, blur=14)
    mouth = [(350, 664), (398, 632), (450, 640), (502, 632), (550, 664)]
    mouth += [(540, 686), (450, 680), (360, 686)]
    b.shape([(x, y + (y - 660) * 0.35) for x, y in mouth], "#7a2c22")
    b.shape(mouth, "#fbf7ee")
    for x in range(381, 530, 23):
        b.stroke([(x, 642), (x, 680)], 3, "#b3a698", taper=1)
    b.stroke([(412, 712), (450, 705), (488, 712)], 9, "#b05c43", opacity=0.7)
    return b.finished()


def sad():
    """A pencil portrait of a crying face."""
    rng = np.random.default_rng(7)
    b = Board("white")  # graphite is gathered here as grey; the paper comes last
    dark, mid, pale = "#26262a", "#55555b", "#8a8a90"

    def hatch(centre, spread, count, length, slant, fill, opacity=0.5):
        for x, y in np.clip(rng.normal(size=(count, 2)), -1.6, 1.6) * spread + centre:
            dx, dy = np.cos(slant) * length / 2, np.sin(slant) * length / 2
            bend = rng.normal(0, 3)
            b.stroke([(x - dx, y - dy), (x + bend, y), (x + dx, y + dy)], 2.6, fill, opacity)

    b.shape([(120, 960), (170, 850), (340, 780), (560, 780), (730, 850), (780, 960)], "#d9d9dc")
    b.stroke([(120, 940), (170, 850), (350, 775)], 6, mid)
    b.stroke([(780, 940), (730, 850), (550, 775)], 6, mid)
    b.shape([(365, 660), (355, 800), (450, 850), (545, 800), (535, 660)], "#cfcfd3")
    b.shape(HEAD, "#f1f1f2")
    for x, width in ((262, 62), (640, 74)):
        b.disc(x, 560, width, 220, pale, opacity=0.55, blur=38, inside=HEAD)
    b.disc(450, 795, 95, 36, mid, opacity=0.6, blur=20)
    b.stroke([(246, 400), (256, 520), (298, 622), (374, 708), (450, 738)], 6, mid)
    b.stroke([(654, 400), (644, 520), (602, 622), (526, 708), (450, 738)], 7, mid)
    hatch((606, 560), (9, 52), 55, 36, 2.2, pale)
    hatch((294, 556), (9, 52), 40, 34, 2.2, pale)
    hatch((450, 790), (46, 12), 46, 36, 2.4, pale)
    for x in (352, 548):
        out = -1 if x < 450 else 1
        b.disc(x, 425, 78, 52, pale, opacity=0.6, blur=18)
        b.disc(450 + 42 * out, 440, 20, 52, pale, opacity=0.5, blur=14)
        eye = [(x - 52 * out, 440), (x - 14 * out, 414), (x + 30 * out, 424), (x + 58 * out, 456)]
        lower = [(x + 20 * out, 464), (x - 24 * out, 462)]
        b.shape([*eye, *lower], "#fbfbfb")
        b.disc(x, 446, 25, 26, mid, inside=[*eye, *lower])
        b.disc(x, 448, 12, 13, "#111113", inside=[*eye, *lower])
        b.disc(x - 8, 438, 6, 6, "white")
        b.stroke(eye, 9, dark)
        b.stroke([(x + 54 * out, 458), *lower, (x - 50 * out, 444)], 4, mid)
        b.stroke([(x - 44 * out, 402), (x, 390), (x + 56 * out, 420)], 4, mid, opacity=0.8)
        b.stroke([(x - 40 * out, 482), (x, 494), (x + 48 * out, 482)], 4, pale)
        for t in np.linspace(0, 1, 34):  # a brow is short hairs along a rising line
            px, py = x + (78 - 140 * t) * out, 376 - 62 * t + 26 * np.sin(np.pi * t) * (t - 0.6)
            tilt = rng.normal(0, 4)
            b.stroke([(px, py + 11), (px - 9 * out + tilt, py - 13)], 4.5, dark, opacity=0.85)
    b.stroke([(418, 300), (450, 292), (482, 300)], 4, pale)
    b.stroke([(424, 322), (450, 314), (476, 322)], 4, pale)
    for out in (-1, 1):
        b.stroke([(450 + 14 * out, 335), (450 + 8 * out, 370)], 5, mid, opacity=0.7)
        b.stroke([(450 + 48 * out, 548), (450 + 56 * out, 566), (450 + 36 * out, 578)], 5, mid)
        b.disc(450 + 20 * out, 578, 13, 7, dark, opacity=0.8, blur=3)
        b.stroke([(450 + 62 * out, 575), (450 + 104 * out, 618), (450 + 112 * out, 652)], 4, pale)
        b.stroke([(450 + 88 * out, 664), (450 + 100 * out, 684)], 6, mid)
    b.disc(480, 530, 16, 50, pale, opacity=0.5, blur=12)
    b.stroke([(430, 585), (450, 592), (470, 585)], 5, mid)
    lips = [(362, 676), (405, 650), (438, 638), (450, 643), (462, 638), (495, 650), (538, 676)]
    b.shape([*lips, (495, 664), (450, 656), (405, 664)], "#9c9ca1")
    b.shape([(385, 670), (450, 656), (515, 670), (490, 690), (450, 696), (410, 690)], "#bdbdc1")
    b.stroke([(358, 680), (405, 660), (450, 654), (495, 660), (542, 680)], 7, dark)
    b.disc(450, 708, 46, 9, mid, opacity=0.6, blur=7)
    for out, count in ((-1, 190), (1, 260)):  # hair: locks that fall to both sides of a parting
        cap = [(405, 108), (405 + 95 * out, 128), (450 + 190 * out, 235), (450 + 232 * out, 420)]
        cap += [(450 + 236 * out, 600), (450 + 190 * out, 560), (450 + 186 * out, 390)]
        cap += [(450 + 130 * out, 262), (400, 190)]
        b.shape(cap, "#77777c")
        for depth in rng.random(count):  # 0: the lock along the face, 1: the outermost one
            wild = rng.normal(0, 5, 8)
            b.stroke([(405 + wild[0], 190 - 84 * depth + wild[1]),
                      (450 + (92 + 22 * depth) * out + wild[2], 232 - 116 * depth + wild[3]),
                      (450 + (168 + 40 * depth) * out + wild[4], 345 - 90 * depth),
                      (450 + (190 + 50 * depth) * out + wild[5], 470),
                      (450 + (178 + 74 * depth) * out + wild[6], 600 + 40 * rng.random())],
                     3, dark if rng.random() < 0.55 else pale, opacity=0.7)  # fmt: skip
    for x, y, size in ((345, 540, 14), (352, 618, 18), (566, 572, 17)):
        drop = [(x, y - 2.4 * size), (x - size, y + 0.2 * size), (x, y + size), (x + size, y)]
        b.shape(drop, "#e3e6ea")
        b.stroke([*drop, drop[0]], 3.5, mid, taper=0.8)
        b.disc(x - size * 0.3, y, size * 0.2, size * 0.4, "white")
    graphite = np.asarray(b.finished().convert("L"), float) / 255
    grain = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE), np.uint8))
    grain = np.asarray(grain.filter(ImageFilter.GaussianBlur(0.8)), float) / 255 - 0.5
    tone = 1 - (1 - graphite) * (0.92 + 0.9 * grain) + 0.06 * grain
    paper = np.array([250, 245, 234])
    return Image.fromarray(np.clip(tone[..., None] * paper, 0, 255).astype(np.uint8))


DRAWINGS = {"smiley.png": smiley, "surprised.png": surprised, "angry.png": angry, "sad.jpg": sad}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        draw().save(HERE / f"drawn-{name}", optimize=True, quality=85)
