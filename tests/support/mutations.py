"""Real pictures of every accepted format, and ways to damage them, for hypothesis."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st
from PIL import Image

SIZE = (96, 72)
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
MAX_BYTES = 2_000_000
"""Of a mutated file."""


@cache
def originals() -> dict[str, bytes]:
    """Return one small, good picture for each way in which an accepted format is written."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    gradient = Image.linear_gradient("L").resize(SIZE)
    picture = Image.merge("RGB", (gradient, gradient.rotate(180), gradient.rotate(90).resize(SIZE)))
    turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera"
    animated = {"save_all": True, "append_images": [turned, picture], "duration": 40}
    ways: dict[str, tuple[str, Image.Image, dict]] = {
        "jpeg baseline": ("JPEG", picture, {"exif": exif, "comment": b"note"}),
        "jpeg progressive": ("JPEG", picture, {"progressive": True}),
        "jpeg grey": ("JPEG", gradient, {}),
        "jpeg cmyk": ("JPEG", picture.convert("CMYK"), {}),
        "png": ("PNG", picture, {"exif": exif, "dpi": (72, 72)}),
        "png palette": ("PNG", picture.quantize(16), {"transparency": 3}),
        "png 16 bit": ("PNG", gradient.convert("I;16"), {}),
        "png alpha": ("PNG", picture.convert("RGBA"), {}),
        "webp lossy": ("WEBP", picture, {"quality": 60, "exif": exif}),
        "webp lossless": ("WEBP", picture, {"lossless": True}),
        "webp animated": ("WEBP", picture, animated),
        "heic": ("HEIF", picture, {"quality": 40, "exif": exif}),
        "avif": ("AVIF", picture, {"quality": 40, "speed": 10}),
        "gif": ("GIF", picture, {"comment": b"note"}),
        "gif animated": ("GIF", picture, animated),
        "bmp": ("BMP", picture, {}),
        "bmp palette": ("BMP", picture.quantize(16), {}),
        "tiff": ("TIFF", picture, {"exif": exif}),
        "tiff lzw": ("TIFF", picture, {"compression": "tiff_lzw"}),
        "tiff deflate": ("TIFF", picture, {"compression": "tiff_adobe_deflate"}),
        "tiff jpeg": ("TIFF", picture, {"compression": "jpeg"}),
    }
    made = {}
    for name, (format, image, options) in ways.items():
        file = io.BytesIO()
        image.save(file, format, **options)
        made[name] = file.getvalue()
    return made


@dataclass(frozen=True)
class Mutation:
    """One way to damage a file: ``how`` with numbers that mean whatever it makes of them."""

    how: str
    at: int
    other: int
    value: int

    def apply(self, content: bytes, donor: bytes) -> bytes:
        return HOW[self.how](self, content, donor)[:MAX_BYTES]


def _place(number: int, content: bytes) -> int:
    return number % len(content) if content else 0


def _flip_bit(mutation: Mutation, content: bytes, donor: bytes) -> bytes:
    at = _place(mutation.at, content)
    flipped = content[at] ^ (1 << mutation.value % 8) if content else 0
    return content[:at] + bytes([flipped]) + content[at + 1 :]


def _set_number(mutation: Mutation, content: bytes, donor: bytes) -> bytes:
    """Overwrite two or four bytes, as those of a length are, with an extreme value."""
    at, width = _place(mutation.at, content), (2, 4)[mutation.other % 2]
    order = ("big", "little")[mutation.other // 2 % 2]
    value = EXTREMES[mutation.value % len(EXTREMES)] & (256**width - 1)
    return content[:at] + value.to_bytes(width, order) + content[at + width :]


def _cut_off(mutation: Mutation, content: bytes, donor: bytes) -> bytes:
    return content[: _place(mutation.at, content)]


def _range(mutation: Mutation, content: bytes) -> tuple[int, int]:
    start = _place(mutation.at, content)
    return start, start + 1 + mutation.other % 256


def _remove(mutation: Mutation, content: bytes, donor: bytes) -> bytes:
    start, end = _range(mutation, content)
    return content[:start] + content[end:]


def _repeat(mutation: Mutation, content: bytes, donor: bytes) -> bytes:
    start, end = _range(mutation, content)
    return content[:end] + content[start:end] * (mutation.value % 3000) + content[end:]


def _move(mutation: Mutation, content: bytes, donor: bytes) -> bytes:
    start, end = _range(mutation, content)
    rest = content[:start] + content[end:]
    target = _place(mutation.value, rest)
    return rest[:target] + content[start:end] + rest[target:]


def _splice(mutation: Mutation, content: bytes, donor: bytes) -> bytes:
    return content[: _place(mutation.at, content)] + donor[_place(mutation.other, donor) :]


def _insert(mutation: Mutation, content: bytes, donor: bytes) -> bytes:
    at, (start, end) = _place(mutation.value, content), _range(mutation, donor)
    return content[:at] + donor[start:end] + content[at:]


HOW: dict[str, Callable[[Mutation, bytes, bytes], bytes]] = {
    "flip a bit": _flip_bit,
    "set a number": _set_number,
    "cut off": _cut_off,
    "remove": _remove,
    "repeat": _repeat,
    "move": _move,
    "splice": _splice,
    "insert": _insert,
}

_NUMBER = st.integers(0, 2**16)
# Headers are at the beginning, and most of what can go wrong is there.
_MUTATION = st.builds(
    Mutation,
    how=st.sampled_from(sorted(HOW)),
    at=st.one_of(st.integers(0, 200), _NUMBER),
    other=_NUMBER,
    value=_NUMBER,
)


@st.composite
def mutated_files(draw: st.DrawFn) -> bytes:
    """Draw a picture that was damaged in one to six ways."""
    names = sorted(originals())
    content = originals()[draw(st.sampled_from(names))]
    donor = originals()[draw(st.sampled_from(names))]
    for mutation in draw(st.lists(_MUTATION, min_size=1, max_size=6)):
        content = mutation.apply(content, donor)
    return content
