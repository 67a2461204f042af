"""WebP: RIFF chunks."""

import struct

from mlcore.structure.icc import check_icc
from mlcore.structure.refusal import check_pixels, too_complex
from mlcore.structure.tiff import TagBudget, check_exif

MAX_CHUNKS = 100_000
"""Each chunk takes memory of its own in the decoder; a long animation has thousands."""


def check_webp(view: memoryview, max_pixels: int) -> None:
    pos, chunks = 12, 0
    seen = set()
    while pos + 8 <= len(view):
        name, length = struct.unpack_from("<4sI", view, pos)
        body = view[pos + 8 : pos + 8 + length]
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise too_complex("too many chunks")
        # The decoder hands out the first chunk of each kind.
        if name not in seen:
            seen.add(name)
            if name == b"VP8X" and len(body) >= 10:
                # Two canvases of this size are made before anybody can ask for the size.
                width = 1 + int.from_bytes(body[4:7], "little")
                height = 1 + int.from_bytes(body[7:10], "little")
                check_pixels(width, height, max_pixels)
            elif name == b"ICCP":
                check_icc(body)
            elif name == b"EXIF":
                check_exif(body, TagBudget())
        pos += 8 + length + (length & 1)
