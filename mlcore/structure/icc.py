"""ICC colour profiles: a table of tags, some of which are small programs."""

import struct

from mlcore.structure.refusal import leaves_damage, too_complex

MAX_PROFILE_BYTES = 16 << 20
"""A profile is kept, parsed and prepared whole; those of printers reach 4 MB."""

MAX_TAGS = 1_000
"""A profile has some 10 to 30 tags; the colour library itself reads no more than 100."""

MAX_ELEMENTS = 16
"""Steps of one transform. Their table may name the same step twice, so that a few bytes become
half a minute of arithmetic; real transforms have up to ten."""

MAX_TABLE_CHANNELS = 4
"""Channels that enter a table of a transform; each one more doubles its cost. CMYK has four."""

MAX_SEGMENTS = 64
"""Segments of a curve, through which the colour library searches for each value; real curves have
up to three."""

MAX_CURVES = 32
"""More channels than the colour library reads."""

_MULTI_PROCESS_ELEMENTS = b"mpet"


@leaves_damage
def check_icc(profile: memoryview) -> None:
    if len(profile) > MAX_PROFILE_BYTES:
        raise too_complex("a colour profile that is too long")
    if len(profile) < 132:
        return
    (tags,) = struct.unpack_from(">I", profile, 128)
    fitting = (len(profile) - 132) // 12
    if MAX_TAGS < tags <= fitting:
        raise too_complex("a colour profile with too many tags")
    for number in range(min(tags, fitting)):
        (offset,) = struct.unpack_from(">I", profile, 132 + 12 * number + 4)
        if offset + 16 > len(profile) or profile[offset : offset + 4] != _MULTI_PROCESS_ELEMENTS:
            continue
        (elements,) = struct.unpack_from(">I", profile, offset + 12)
        if elements > MAX_ELEMENTS:
            raise too_complex("a colour profile with too many steps")
        for element in range(elements):
            (start,) = struct.unpack_from(">I", profile, offset + 16 + 8 * element)
            _check_step(profile, offset + start)


@leaves_damage
def _check_step(profile: memoryview, at: int) -> None:
    """Check one step of a transform, whose data begin at this offset."""
    kind, channels = struct.unpack_from(">4s4xH", profile, at)
    if kind == b"clut" and channels > MAX_TABLE_CHANNELS:
        raise too_complex("a colour profile whose tables have too many channels")
    if kind != b"cvst":
        return
    for curve in range(min(channels, MAX_CURVES)):
        (start,) = struct.unpack_from(">I", profile, at + 12 + 8 * curve)
        (segments,) = struct.unpack_from(">H", profile, at + start + 8)
        if segments > MAX_SEGMENTS:
            raise too_complex("a colour profile whose curves have too many segments")
