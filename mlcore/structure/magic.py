"""The name of a file's format, from its first bytes."""

_WEBP_CODECS = (b"VP8 ", b"VP8X", b"VP8L")
_TIFF_PREFIXES = (
    b"II\x2a\x00",
    b"MM\x00\x2a",
    b"II\x00\x2a",
    b"MM\x2a\x00",
    b"II\x2b\x00",
    b"MM\x00\x2b",
)
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_SHARED_BRANDS = (b"mif1", b"msf1")


def sniff(head: bytes) -> str | None:
    """Return the format that a file's first bytes name: JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF or
    HEIF, or None where they name none that can be read.

    ``head`` is the first 32 bytes, or fewer of a shorter file. A container of the brand ``mif1``
    or ``msf1`` may hold either AVIF or HEIF pictures; it counts as AVIF where the other brands in
    ``head`` say so, otherwise as HEIF.
    """
    head = bytes(head[:32])
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP" and head[12:16] in _WEBP_CODECS:
        return "WEBP"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"BM"):
        return "BMP"
    if head.startswith(_TIFF_PREFIXES):
        return "TIFF"
    if head[4:8] == b"ftyp":
        return _container_format(head)
    return None


def _container_format(head: bytes) -> str | None:
    brand = head[8:12]
    if brand in _AVIF_BRANDS:
        return "AVIF"
    if brand in _HEIF_BRANDS:
        return "HEIF"
    if brand in _SHARED_BRANDS:
        others = {head[start : start + 4] for start in range(16, len(head) - 3, 4)}
        return "AVIF" if others.intersection(_AVIF_BRANDS) else "HEIF"
    return None
