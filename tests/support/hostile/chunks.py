"""Pictures in chunks and blocks: PNG, GIF, WebP and BMP, and colour profiles."""

import io
import struct
import zlib

from PIL import Image

from tests.support.hostile.tiff import SHORT, UNDEFINED, tiff, tiff_rest


def picture(format: str = "PNG", size: tuple[int, int] = (64, 64), **options) -> bytes:
    """Return an ordinary picture, which hostile parts can be put into."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(file, format, **options)
    return file.getvalue()


def png_chunk(name: bytes, body: bytes = b"") -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(chunks: bytes, size: tuple[int, int] = (64, 64)) -> bytes:
    """Return an ordinary PNG with further chunks behind its header."""
    ordinary = picture("PNG", size)
    return ordinary[:33] + chunks + ordinary[33:]


def png_of_empty_chunks(chunks: int = 1_600_000, name: bytes = b"prVt") -> bytes:
    """Return a PNG with many chunks that hold nothing."""
    return png_with(png_chunk(name) * chunks)


def png_of_exif_chunks(chunks: int = 20, size: int = 900_000) -> bytes:
    """Return a PNG with many EXIF chunks."""
    block = tiff([(40_000, UNDEFINED, size, tiff_rest(1))], bytes(size))
    return png_with(png_chunk(b"eXIf", block) * chunks)


def png_with_exif(exif: bytes) -> bytes:
    """Return a PNG with one EXIF chunk."""
    return png_with(png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))


def png_with_exif_text(exif: bytes, name: bytes = b"zTXt") -> bytes:
    """Return a PNG whose EXIF data are written as hexadecimal text."""
    text = b"\nexif\n%8d\n" % len(exif) + exif.hex().encode()
    bodies = {
        b"zTXt": b"\0\0" + zlib.compress(text),
        b"tEXt": b"\0" + text,
        b"iTXt": b"\0\0\0\0\0" + text,
    }
    return png_with(png_chunk(name, b"Raw profile type exif" + bodies[name]))


def png_of_bombs(chunks: int = 10_000, name: bytes = b"zTXt") -> bytes:
    """Return a PNG with texts or colour profiles that grow a thousandfold."""
    zeros = zlib.compress(bytes(1_000_000), 9)
    body = {b"zTXt": b"\0\0", b"iCCP": b"p\0\0", b"iTXt": b"\0\1\0\0\0"}[name] + zeros
    return png_with(png_chunk(name, body) * chunks)


def png_of_long_chromaticity(numbers: int = 4_000_000) -> bytes:
    """Return a PNG with millions of numbers where eight belong."""
    return png_with(png_chunk(b"cHRM", bytes(4 * numbers)))


def png_of_huge_canvas(side: int = 60_000) -> bytes:
    """Return an animation of a few bytes, with a canvas of gigapixels to clear."""
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    frame = struct.pack(">IIIIIHHBB", 0, side, side, 0, 0, 1, 1, 1, 0)
    chunks = [(b"IHDR", header), (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", frame)]
    chunks += [(b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def gif_with(blocks: bytes) -> bytes:
    """Return an ordinary GIF with further blocks before its first frame."""
    ordinary = picture("GIF")
    start = 13 + (3 << (ordinary[10] & 7) + 1)
    return ordinary[:start] + blocks + ordinary[start:]


def gif_of_comment(length: int = 5_000_000, block: int = 255) -> bytes:
    """Return a GIF with one long comment, in sub-blocks of ``block`` bytes."""
    return gif_with(b"\x21\xfe" + (bytes([block]) + b"c" * block) * (length // block) + b"\0")


def gif_of_comments(comments: int = 40_000, length: int = 250) -> bytes:
    """Return a GIF with many comments, which are joined one by one."""
    return gif_with((b"\x21\xfe" + bytes([length]) + b"c" * length + b"\0") * comments)


def gif_of_extensions(extensions: int = 5_000_000) -> bytes:
    """Return a GIF with millions of empty extensions."""
    return gif_with(b"\x21\x01\0" * extensions)


def gif_of_sub_blocks(blocks: int = 8_000_000) -> bytes:
    """Return a GIF with one extension in millions of sub-blocks of one byte."""
    return gif_with(b"\x21\x01" + b"\1." * blocks + b"\0")


def gif_of_stray_bytes(count: int = 15_000_000) -> bytes:
    """Return a GIF with millions of bytes between its blocks."""
    return gif_with(bytes(count))


def webp_with(chunks: bytes, size: tuple[int, int] = (64, 64)) -> bytes:
    """Return an extended WebP with further chunks behind its pictures."""
    ordinary = picture("WEBP", exif=b"Exif\0\0" + tiff([(274, SHORT, 1, 1)]))
    flags = ordinary[12:20] + bytes([ordinary[20] | 0x08]) + ordinary[21:24]
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    image = ordinary[30 : ordinary.rindex(b"EXIF")]
    body = b"WEBP" + flags + sides + image + chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunk(name: bytes, body: bytes = b"") -> bytes:
    """Return a RIFF chunk."""
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)


def webp_of_chunks(chunks: int = 2_000_000) -> bytes:
    """Return a WebP with millions of empty chunks."""
    return webp_with(riff_chunk(b"prvt") * chunks)


def webp_with_exif(exif: bytes) -> bytes:
    """Return a WebP with an EXIF block."""
    return webp_with(riff_chunk(b"EXIF", exif))


def bmp(width: int, height: int, compression: int = 1, data: bytes = b"\0\1") -> bytes:
    """Return a BMP of 8 bits per pixel with a grey palette; ``compression`` 1 is run-length."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, 0, 0, 0, 256, 0)
    palette = b"".join(bytes([n, n, n, 0]) for n in range(256))
    body = header + palette + data
    return b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 40 + 1024) + body


def bmp_of_wide_rows(width: int = 60_000_000) -> bytes:
    """Return a BMP of one long row, whose coding then skips 255 rows."""
    return bmp(width, 1, data=b"\0\2\xff\xff\0\1")


def bmp_of_long_header(size: int = 19_000_000) -> bytes:
    """Return a BMP with a header of megabytes."""
    return b"BM" + struct.pack("<IHHI", 14 + size, 0, 0, 54) + struct.pack("<I", size) + bytes(size)


def icc_of_steps(steps: int = 100_000) -> bytes:
    """Return a colour profile whose one transform names the same step again and again."""
    return _icc_of(b"matf" + bytes(4) + struct.pack(">HH", 3, 3) + bytes(48), steps)


def icc_of_segments(segments: int = 1_000, steps: int = 10) -> bytes:
    """Return a colour profile with a transform of curves that have many segments."""
    formula = b"parf" + bytes(4) + struct.pack(">HH4f", 0, 0, 1.0, 1.0, 0.0, 0.0)
    breaks = struct.pack(f">{segments - 1}f", *(n / segments for n in range(1, segments)))
    curve = b"curf" + bytes(4) + struct.pack(">HH", segments, 0) + breaks + formula * segments
    table = struct.pack(">II", 12 + 3 * 8, len(curve)) * 3
    return _icc_of(b"cvst" + bytes(4) + struct.pack(">HH", 3, 3) + table + curve, steps)


def icc_of_channels(channels: int = 13, steps: int = 10) -> bytes:
    """Return a colour profile with a transform whose table has a dimension for each channel."""
    grid = bytes([2] * channels).ljust(16, b"\0")
    head = b"clut" + bytes(4) + struct.pack(">HH", channels, 3)
    return _icc_of(head + grid + bytes(4 * 3 * 2**channels), steps)


def _icc_of(step: bytes, steps: int) -> bytes:
    at = 128 + 4 + 12
    head = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, steps)
    table = struct.pack(">II", 16 + 8 * steps, len(step)) * steps
    element = head + table + step
    tag = struct.pack(">I", 1) + b"D2B0" + struct.pack(">II", at, len(element))
    return bytes(12) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(88) + tag + element


def icc_of_tags(tags: int = 1_000_000) -> bytes:
    """Return a colour profile with a table of many tags."""
    return bytes(128) + struct.pack(">I", tags) + bytes(12 * tags)
