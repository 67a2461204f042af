"""The copies of a photo that are kept hold its pixels, and nothing else."""

import io

import pytest
from PIL import ExifTags, Image, ImageCms

from mlcore.images import load_photo
from predictions.renditions import DISPLAY_SIDE, THUMBNAIL_SIDE, render


def photo_with_secrets() -> bytes:
    """A JPEG on its side, with a place, a camera's owner, a comment, a profile and XMP."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Secretcam"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.CameraOwnerName] = "Secret Owner"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (13.0, 24.0, 18.0),
        }
    )
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(
        file, "JPEG", exif=exif, icc_profile=profile, comment=b"secret comment", xmp=b"<secret/>"
    )
    return file.getvalue()


def test_copies_hold_no_metadata_and_stand_upright():
    content = photo_with_secrets()
    with Image.open(io.BytesIO(content)) as original:
        assert original.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        assert {"exif", "icc_profile", "comment", "xmp"} <= set(original.info)
    renditions = render(load_photo(content).image)
    for copy in (renditions.display, renditions.thumbnail):
        with Image.open(io.BytesIO(copy)) as image:
            assert image.format == "JPEG"
            assert image.size == (200, 300)
            assert not image.getexif()
            # What is left says how to decode it.
            assert set(image.info) <= {
                "jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression",
            }  # fmt: skip
        for secret in (b"ecret", b"Exif", b"ICC_PROFILE", b"xpacket", b"GPS"):
            assert secret not in copy


@pytest.mark.parametrize("size", [(4000, 1000), (100, 80), (2048, 2048), (3000, 24)])
def test_copies_are_reduced_and_never_enlarged(size):
    renditions = render(Image.new("RGB", size, "teal"))
    for copy, side in (
        (renditions.display, DISPLAY_SIDE),
        (renditions.thumbnail, THUMBNAIL_SIDE),
    ):
        width, height = Image.open(io.BytesIO(copy)).size
        assert max(width, height) == min(side, max(size))
        assert width / height == pytest.approx(size[0] / size[1], rel=0.05)
