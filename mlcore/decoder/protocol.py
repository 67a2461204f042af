"""What the using process, the launcher and its children tell each other."""

import struct

from mlcore.formats import FORMATS

HEADER, PIXELS = 1, 2
"""What is asked for: format and size only, or the picture itself."""

REQUEST = struct.Struct("!BIQQII")
"""Kind, MAX_SIDE, MAX_PIXELS, memory in bytes, CPU seconds, seconds; beside three descriptors: the
picture, the shared memory for the result, and a socket for the exit."""

RESULT = struct.Struct("!BBBIIII")
"""At the start of the shared memory: OK or an error, an index in CODES and one in FORMATS, width
and height of the upright original, and width and height of the picture that follows."""

EXIT = struct.Struct("!iQd?")
"""From the launcher: status as of waitpid, peak memory in bytes, CPU seconds, whether overdue."""

NOTHING, OK, REFUSED = 0, 1, 2

CODES = (
    "unreadable_image",
    "empty_file",
    "unsupported_format",
    "too_many_pixels",
    "too_complex",
)

PIXELS_OFFSET = 4096
"""Where the pixels begin in the shared memory: RGB, 3 bytes each, row by row."""

__all__ = [
    "CODES",
    "EXIT",
    "FORMATS",
    "HEADER",
    "NOTHING",
    "OK",
    "PIXELS",
    "PIXELS_OFFSET",
    "REFUSED",
    "REQUEST",
    "RESULT",
]
