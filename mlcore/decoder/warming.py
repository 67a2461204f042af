"""Loading what decoding may need, while files can still be opened."""

import io

from mlcore.formats import MAX_PIXELS


def load_decoders() -> None:
    """Import the decoders of every format, and read a picture of each, which loads the rest."""
    import numpy as np
    import pillow_heif
    from PIL import AvifImagePlugin, Image, ImageCms

    from mlcore.images import load_photo, read_header
    from mlcore.structure import check_structure

    # A thread for each core would multiply the memory that a picture takes.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.register_heif_opener()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    colours = Image.new("RGB", (32, 24), (90, 120, 60))
    deep = Image.fromarray(np.full((24, 32), 40_000, dtype=np.uint16))
    keyed = colours.quantize(4)
    samples = [
        _encoded(colours, "JPEG", icc_profile=profile, exif=exif),
        _encoded(colours.convert("CMYK"), "JPEG", progressive=True),
        _encoded(colours, "PNG", icc_profile=profile, exif=exif),
        _encoded(deep, "PNG"),
        _encoded(keyed, "PNG", transparency=0),
        _encoded(keyed, "GIF", transparency=0, save_all=True, append_images=[colours]),
        _encoded(colours, "WEBP", exif=exif),
        _encoded(colours, "BMP"),
        _encoded(colours, "TIFF", compression="tiff_lzw", exif=exif),
        _encoded(deep, "TIFF"),
        _encoded(colours, "AVIF"),
        _encoded(colours, "HEIF", exif=exif),
    ]
    for sample in samples:
        check_structure(sample, MAX_PIXELS)
        read_header(sample)
        load_photo(sample)
        load_photo(sample, max_side=16)


def _encoded(image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()
