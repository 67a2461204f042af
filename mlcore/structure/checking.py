"""From a file's first bytes to the walker for its format."""

import mmap

from mlcore.errors import UnreadableImage
from mlcore.structure.bmff import check_bmff
from mlcore.structure.bmp import check_bmp
from mlcore.structure.gif import check_gif
from mlcore.structure.jpeg import check_jpeg
from mlcore.structure.magic import sniff
from mlcore.structure.png import check_png
from mlcore.structure.refusal import leaves_damage
from mlcore.structure.tiff import check_tiff
from mlcore.structure.webp import check_webp

_WALKERS = {
    "JPEG": check_jpeg,
    "PNG": check_png,
    "WEBP": check_webp,
    "GIF": check_gif,
    "BMP": check_bmp,
    "TIFF": check_tiff,
    "AVIF": check_bmff,
    "HEIF": check_bmff,
}


def check_structure(data: bytes | bytearray | memoryview | mmap.mmap, max_pixels: int) -> None:
    """Return quietly unless the file's structure would keep its decoder busy out of proportion.

    ``data`` is the whole file; ``max_pixels`` is the largest picture that will be decoded, and
    work that grows with the pixels is limited in proportion to it. Raises UnreadableImage with
    the code ``too_complex``, or ``too_many_pixels`` where the decoder would take memory for all
    pixels before it tells the size. Bytes that are damaged, or of no known format, raise nothing.
    """
    refusal = _refusal(data, max_pixels)
    # Raised from here, the error holds no frame that still looks into a memory map, so that the
    # caller can close its map while it handles the error.
    if refusal is not None:
        raise UnreadableImage(*refusal)


def _refusal(data, max_pixels: int) -> tuple[str, str] | None:
    with memoryview(data) as view:
        walker = _WALKERS.get(sniff(view[:32]))
        if walker is None:
            return None
        try:
            leaves_damage(walker)(view, max_pixels)
        except UnreadableImage as error:
            return str(error), error.code
    return None
