"""BMP: one header, a palette and rows of pixels."""

import struct

from mlcore.structure.refusal import too_complex

MAX_HEADER_BYTES = 64 * 1024
"""The header is read whole; the longest kind has 124 bytes."""

MAX_RLE_ROWS_SKIPPED = 256
"""One command of run-length coding skips up to 255 rows, whose pixels are made at once."""

_RLE = (1, 2)


def check_bmp(view: memoryview, max_pixels: int) -> None:
    (header_size,) = struct.unpack_from("<I", view, 14)
    if MAX_HEADER_BYTES < header_size <= len(view):
        raise too_complex("a very long header")
    if header_size < 40:
        return
    (width,) = struct.unpack_from("<I", view, 18)
    (compression,) = struct.unpack_from("<I", view, 30)
    if compression in _RLE and width * MAX_RLE_ROWS_SKIPPED > max(max_pixels, 1 << 24):
        raise too_complex("run-length coded rows of too many pixels")
