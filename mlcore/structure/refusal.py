"""How a walker refuses a file."""

import struct
from collections.abc import Callable
from functools import wraps

from mlcore.errors import UnreadableImage


def too_complex(what: str) -> UnreadableImage:
    """Return the error for a file with too much of ``what``, such as "too many comments"."""
    return UnreadableImage(
        f"the file has {what}; open it in a photo editor and save it again", "too_complex"
    )


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture of too many pixels where its decoder would take memory for all of them
    before anybody can ask for the size."""
    if width * height > max_pixels:
        raise UnreadableImage(
            f"the picture has more than {max_pixels / 1e6:g} megapixels", "too_many_pixels"
        )


def leaves_damage(step: Callable[..., None]) -> Callable[..., None]:
    """Let a step end quietly where its part of the file breaks off, so that damage in one part
    keeps no other part from being checked."""

    @wraps(step)
    def checked(*arguments) -> None:
        try:
            step(*arguments)
        except (struct.error, IndexError):
            return

    return checked
