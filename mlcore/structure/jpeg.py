"""JPEG: segments, each behind a marker, and scans of coefficients."""

import re
import struct
from dataclasses import dataclass, field

from mlcore.structure.icc import MAX_PROFILE_BYTES, check_icc
from mlcore.structure.refusal import too_complex
from mlcore.structure.tiff import TagBudget, check_directories, check_exif

MAX_SEGMENTS = 10_000
"""Markers before the first scan, each read in Python; 20 MB in segments of 64 kB are 320."""

MAX_FILL_BYTES = 256 * 1024
"""Bytes between those segments, each read on its own; a few pad some files."""

MAX_EXIF_SEGMENTS = 256
MAX_EXIF_BYTES = 8 << 20
"""Every further EXIF segment copies all before it; real EXIF data fits in one, or in a few."""

MAX_QUANTIZATION_BYTES = 64 * 1024
"""Tables are unpacked number by number; a picture needs four, 516 bytes, and may replace them."""

MAX_RESOURCES = 20_000
"""Photoshop's resources are parsed one by one; its own files have up to a few hundred."""

MAX_SCANS = 10_000
"""Each scan prepares its tables anew; an encoder writes about ten, and some tools a hundred."""

MAX_SCAN_MARKERS = 50_000
"""Markers behind the first scan: each scan may bring tables of its own."""

MAX_FRAME_BYTES = 64 * 1024
"""Frame headers, whose components are kept one by one; a picture has one header of 20 bytes."""

MAX_SCAN_WORK = 3_000
"""Steps of all scans together for each pixel of the largest picture. A scan takes SCAN_STEPS, and
one more for each coefficient that it refines: 100 scans of three components take about 2,000."""

SCAN_STEPS = 8
"""What it takes to pass a sample's block, measured in coefficients looked at."""

ARITHMETIC_WEIGHT = 8
"""Arithmetic decoding takes about eight times as long, even where the data have ended."""

_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

_DHP, _SOS, _DQT, _EOI, _SOI, _TEM = 0xDE, 0xDA, 0xDB, 0xD9, 0xD8, 0x01
_APP1, _APP2, _APP13 = 0xE1, 0xE2, 0xED
_FRAMES = {*range(0xC0, 0xD0), _DHP} - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_ALONE = {0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}


@dataclass
class _Frame:
    """A frame header: the picture's size and how densely each component samples it."""

    width: int = 0
    height: int = 0
    arithmetic: bool = False
    factors: dict[int, int] = field(default_factory=dict)
    densest: int = 1

    def work(self, scan: memoryview) -> int:
        """Return about how many steps a scan takes; ``scan`` is its header."""
        if not len(scan):
            return 0
        components = scan[1 : 1 + 2 * scan[0] : 2]
        factors = sum(self.factors.get(component, self.densest) for component in components)
        steps = SCAN_STEPS
        first, last, bits = (*scan[1 + 2 * scan[0] :][:3], 0, 0, 0)[:3]
        if bits >> 4:
            steps += max(0, last - first + 1)
        samples = self.width * self.height * factors // self.densest
        return steps * samples * (ARITHMETIC_WEIGHT if self.arithmetic else 1)


def check_jpeg(view: memoryview, max_pixels: int) -> None:
    head = _Head(view)
    scan = head.walk()
    if scan is None or head.frame.width * head.frame.height > max_pixels:
        return
    _check_scans(view, *scan, head.frame, max_pixels)


class _Head:
    """The segments before the first scan, as Pillow reads them."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.frame = _Frame()
        self.tags = TagBudget()
        self.exif: list[memoryview] = []
        self.icc: list[memoryview] = []
        self.quantization_bytes = self.frame_bytes = self.resources = 0

    def walk(self) -> tuple[int, memoryview] | None:
        """Return the offset behind the first scan's header and the header, if there is one."""
        pos, fill, segments = 2, 0, 0
        while True:
            window = pos + MAX_FILL_BYTES - fill + 2
            match = _MARKER.search(self.view, pos, window)
            if match is None:
                if window < len(self.view):
                    raise too_complex("too many bytes between its markers")
                break
            fill += match.start() - pos
            marker, pos = self.view[match.start() + 1], match.end()
            segments += 1
            if segments > MAX_SEGMENTS:
                raise too_complex("too many markers")
            if marker in _ALONE:
                continue
            if marker < 0xC0:
                break
            (length,) = struct.unpack_from(">H", self.view, pos)
            body = self.view[pos + 2 : pos + length]
            pos += max(2, length)
            if pos > len(self.view):
                break
            if marker == _SOS:
                self.check_exif()
                return pos, body
            self.segment(marker, body)
        self.check_exif()
        return None

    def segment(self, marker: int, body: memoryview) -> None:
        if marker in _FRAMES:
            self.frame_bytes += len(body)
            if self.frame_bytes > MAX_FRAME_BYTES:
                raise too_complex("too many frame headers")
            self.frame = _read_frame(marker, body) or self.frame
            self.check_icc()
        elif marker == _DQT:
            self.quantization_bytes += len(body)
            if self.quantization_bytes > MAX_QUANTIZATION_BYTES:
                raise too_complex("too many quantization tables")
        elif marker == _APP1 and body[:6] == b"Exif\0\0":
            self.exif.append(body[6:] if self.exif else body)
            if len(self.exif) > MAX_EXIF_SEGMENTS or sum(map(len, self.exif)) > MAX_EXIF_BYTES:
                raise too_complex("too much EXIF data")
        elif marker == _APP2 and body[:12] == b"ICC_PROFILE\0":
            self.icc.append(body)
        elif marker == _APP2 and body[:4] == b"MPF\0":
            check_directories(body[4:], self.tags)
        elif marker == _APP13 and body[:14] == b"Photoshop 3.0\0":
            self.count_resources(body)

    def check_exif(self) -> None:
        if self.exif:
            check_exif(memoryview(b"".join(self.exif)), self.tags)

    def check_icc(self) -> None:
        parts, self.icc = self.icc, []
        if sum(map(len, parts)) > MAX_PROFILE_BYTES:
            raise too_complex("a colour profile that is too long")
        if parts:
            parts.sort(key=bytes)
            check_icc(memoryview(b"".join(part[14:] for part in parts)))

    def count_resources(self, body: memoryview) -> None:
        pos = 14
        while pos + 12 <= len(body) and body[pos : pos + 4] == b"8BIM":
            self.resources += 1
            if self.resources > MAX_RESOURCES:
                raise too_complex("too many Photoshop resources")
            pos += 7 + body[pos + 6]
            pos += pos & 1
            if pos + 4 > len(body):
                return
            pos += 4 + struct.unpack_from(">I", body, pos)[0]
            pos += pos & 1


def _read_frame(marker: int, body: memoryview) -> _Frame | None:
    if len(body) < 6:
        return None
    height, width = struct.unpack_from(">HH", body, 1)
    frame = _Frame(width, height, marker in _ARITHMETIC)
    for start in range(6, len(body) - 2, 3):
        sampling = body[start + 1]
        frame.factors[body[start]] = max(1, sampling >> 4) * max(1, sampling & 15)
    frame.densest = max(frame.factors.values(), default=1)
    return frame


def _check_scans(
    view: memoryview, pos: int, scan: memoryview, frame: _Frame, max_pixels: int
) -> None:
    work, scans, markers = frame.work(scan), 1, 0
    while match := _MARKER_IN_SCAN.search(view, pos):
        marker, pos = match[0][1], match.end()
        if marker == _EOI:
            return
        markers += 1
        if markers > MAX_SCAN_MARKERS:
            raise too_complex("too many markers between its scans")
        if marker in (_SOI, _TEM) or marker < 0xC0:
            continue
        (length,) = struct.unpack_from(">H", view, pos)
        if marker == _SOS:
            work += frame.work(view[pos + 2 : pos + length])
            scans += 1
            if scans > MAX_SCANS or work > MAX_SCAN_WORK * max_pixels:
                raise too_complex("too many scans")
        pos += max(2, length)
