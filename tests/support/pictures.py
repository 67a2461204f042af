"""Pictures that tests compose."""

import io

from PIL import Image


def one_face(astronaut: bytes) -> Image.Image:
    """Return a face with its surroundings, 200 × 200 pixels, cut from the portrait."""
    return Image.open(io.BytesIO(astronaut)).convert("RGB").crop((124, 0, 324, 200))


def crowd(astronaut: bytes, columns: int, rows: int) -> bytes:
    """Return a PNG that shows the same face several times, each 200 × 200 pixels."""
    face = one_face(astronaut)
    picture = Image.new("RGB", (200 * columns, 200 * rows))
    for n in range(columns * rows):
        picture.paste(face, (n % columns * 200, n // columns * 200))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
