"""Which pictures are read, and how large they may be. Importing this costs nothing."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
"""Formats that cameras, phones and web pages make. Pillow's other decoders stay shut."""

MAX_SIDE = 2048
"""Pixels of the long side of a decoded picture."""

MAX_PIXELS = 64_000_000
"""Pixels of a picture that is decoded at all."""
