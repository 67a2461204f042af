"""ICC colour profiles: a table of tags, some of which are small programs."""

import struct

from mlcore.structure.refusal import leaves_damage, too_complex

MAX_PROFILE_BYTES = 16 << 20
"""A profile is kept, parsed and prepared whole; those of printers reach 4 MB."""

MAX_TAGS = 1_000
"""A profile has some 10 to 30 tags; the colour library itself reads no more than 100."""

MAX_ELEMENTS = 256
"""Steps of one transform. Their table may name the same step twice, so that a few bytes become
hours of arithmetic; real transforms have up to ten."""

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
