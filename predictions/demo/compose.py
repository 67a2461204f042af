"""Makes the photographs of the starting gallery: ``python predictions/demo/compose.py``.

Three are taken from scikit-image's examples as they are; the others are composed from them, from
the two portraits kept here (``grace-hopper.jpg``, ``mona-lisa.jpg``) and from our drawings.
"""

from pathlib import Path

import numpy as np
from draw import smooth
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

HERE = Path(__file__).parent
ORIENTATION = 0x0112
TURN_RIGHT_TO_SEE = 6  # the EXIF value for "stored a quarter turn to the left"


def sunglasses(portrait):
    """The Mona Lisa with black glasses over her eyes; the coordinates are those of the file."""
    fine = 8
    glass = Image.new("RGBA", (portrait.width * fine, portrait.height * fine))
    draw = ImageDraw.Draw(glass)

    def shape(points, fill):
        draw.polygon((smooth(points, closed=True) * fine).ravel().tolist(), fill)

    shape([(222, 133), (239, 131), (240, 134), (224, 139)], "#141418")
    shape([(174, 134), (182, 131), (190, 134), (190, 139), (182, 136), (174, 139)], "#141418")
    for left, right in ((137, 177), (185, 227)):
        x, half = (left + right) / 2, (right - left) / 2
        rim = [(-1, -0.66), (0, -0.74), (1, -0.66), (0.92, 0.1), (0.5, 0.72), (-0.5, 0.72)]
        rim += [(-0.92, 0.1)]
        shape([(x + dx * half, 142 + dy * 18) for dx, dy in rim], "#141418")
        shape([(x + dx * half * 0.86, 142 + dy * 15) for dx, dy in rim], "#26262e")
        shine = [(-0.6, -0.5), (-0.1, -0.5), (-0.55, 0.45), (-0.75, 0.1)]
        shape([(x + dx * half * 0.8, 142 + dy * 14) for dx, dy in shine], "#4d5160")
    glass = glass.resize(portrait.size, Image.Resampling.LANCZOS)
    return Image.alpha_composite(portrait.convert("RGBA"), glass).convert("RGB")


def framed(picture, height, wood):
    """The picture behind a white mat in a wooden frame with bevelled edges."""
    mat, frame = height // 14, height // 18
    picture = picture.resize((round(picture.width * height / picture.height), height))
    width = picture.width + 2 * (mat + frame)
    whole = Image.new("RGB", (width, height + 2 * (mat + frame)), wood)
    draw = ImageDraw.Draw(whole)
    box = (frame, frame, whole.width - frame - 1, whole.height - frame - 1)
    draw.rectangle(box, "#f6f2e9", outline="#2b1d12", width=2)
    draw.rectangle((0, 0, whole.width - 1, whole.height - 1), outline="#2b1d12", width=2)
    draw.line((3, whole.height - 4, 3, 3, whole.width - 4, 3), "#d8b48a", 2)
    whole.paste(picture, (mat + frame, mat + frame))
    return whole


def wall(rows):
    """Rows of framed pictures on a lit wall, 1280 × 960."""
    light = np.hypot(*np.mgrid[-1:1:960j, -1.2:1.2:1280j])[..., None]
    scene = np.array([196, 205, 200]) * (1.1 - 0.22 * light)
    scene = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    for middle, row in zip((255, 705), rows, strict=True):
        gap = (scene.width - sum(picture.width for picture in row)) // (len(row) + 1)
        x = gap
        for picture in row:
            y = middle - picture.height // 2
            shadow = Image.new("L", scene.size, 0)
            shadow.paste(130, (x + 8, y + 14, x + 8 + picture.width, y + 14 + picture.height))
            scene.paste("#20241f", mask=shadow.filter(ImageFilter.GaussianBlur(9)))
            scene.paste(picture, (x, y))
            x += picture.width + gap
    return scene


def poster(scene, portrait):
    """The portrait as a small poster on two posts before the launch pad, 1280 pixels wide."""
    scene = scene.resize((1280, round(1280 * scene.height / scene.width)))
    small = framed(portrait, 92, "#3a3f4a")
    x, y = 930, 700
    draw = ImageDraw.Draw(scene)
    for post in (x + 18, x + small.width - 24):
        draw.rectangle((post, y, post + 6, scene.height), "#4a505c")
    scene.paste(Image.blend(small, Image.new("RGB", small.size, "#0c1730"), 0.18), (x, y))
    return scene


def dark(photo, gain=0.055):
    """The photo as a sensor sees it with ``gain`` of the light: dim, coarse and noisy."""
    linear = (np.asarray(photo, float) / 255) ** 2.2 * gain
    noise = np.random.default_rng(3).normal(0, 0.0035, linear.shape)
    return Image.fromarray((np.clip(linear + noise, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8))


def save(image, name, **options):
    image.save(HERE / name, quality=87, optimize=True, **options)


if __name__ == "__main__":
    astronaut = Image.fromarray(data.astronaut())
    names = ("grace-hopper.jpg", "mona-lisa.jpg")
    hopper, lisa = (Image.open(HERE / name).convert("RGB") for name in names)
    names = ("drawn-surprised.png", "drawn-angry.png", "drawn-sad.jpg")
    drawings = [Image.open(HERE / name).convert("RGB") for name in names]
    save(astronaut, "astronaut.jpg")
    save(Image.fromarray(data.camera()), "photographer.jpg")
    save(Image.fromarray(data.chelsea()), "cat.jpg")
    save(sunglasses(lisa), "mona-lisa-sunglasses.jpg")
    save(poster(Image.fromarray(data.rocket()), astronaut), "tiny-face.jpg")
    save(dark(astronaut), "dark.jpg")
    bust = lisa.crop((30, 20, 330, 320))
    upper = [framed(picture, 330, "#6b4a2b") for picture in (astronaut, bust, hopper)]
    lower = [framed(picture, 300, "#33302d") for picture in drawings]
    save(wall([upper, lower]), "wall-of-faces.jpg")
    orientation = Image.Exif()
    orientation[ORIENTATION] = TURN_RIGHT_TO_SEE
    sideways = hopper.transpose(Image.Transpose.ROTATE_90)
    save(sideways, "sideways.jpg", exif=orientation)
