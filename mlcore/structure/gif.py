"""GIF: the blocks up to the first frame, which is as far as its decoder reads."""

import struct

from mlcore.structure.refusal import check_pixels, too_complex

MAX_EXTENSIONS = 50_000
"""Each extension costs the decoder microseconds; rich files have dozens before the first frame."""

MAX_SUB_BLOCKS = 250_000
"""Each is read on its own. XMP looks like sub-blocks of some 80 bytes: 20 MB of it fit in."""

MAX_COMMENT_BYTES_COPIED = 4 << 30
"""A comment is copied whole for every sub-block added to it: 1.4 MB in sub-blocks of 255 bytes."""

_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B
_COMMENT = 0xFE


def check_gif(view: memoryview, max_pixels: int) -> None:
    screen = struct.unpack_from("<HH", view, 6)
    flags = view[10]
    pos = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    extensions = sub_blocks = comment = copied = skipped = 0
    while True:
        kind = view[pos]
        pos += 1
        if kind == _END:
            return
        if kind == _FRAME:
            left, top, width, height = struct.unpack_from("<HHHH", view, pos)
            check_pixels(max(screen[0], left + width), max(screen[1], top + height), max_pixels)
            return
        if kind != _EXTENSION:
            skipped += 1
            if skipped > MAX_SUB_BLOCKS:
                raise too_complex("too many bytes between its blocks")
            continue
        extensions += 1
        if extensions > MAX_EXTENSIONS:
            raise too_complex("too many extension blocks")
        is_comment = view[pos] == _COMMENT
        pos += 1
        size = view[pos]
        while size:
            pos += 1 + size
            sub_blocks += 1
            if is_comment:
                comment += size
                copied += comment
            size = view[pos]
            if sub_blocks > MAX_SUB_BLOCKS:
                raise too_complex("too many blocks before its first frame")
            if copied > MAX_COMMENT_BYTES_COPIED:
                raise too_complex("a comment that is too long")
        pos += 1
