"""How much of each photo is stored, beside how large it was when it was uploaded."""

from contextlib import suppress
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import migrations, models
from django.db.models import F

AT_ONCE = 500


def measure(apps, schema_editor) -> None:
    """Take the sizes of files on this machine.

    An object store would be asked twice for each photo: there the size as uploaded stands in for
    photos of before.
    """
    Photo = apps.get_model("predictions", "Photo")
    stored = Photo.objects.exclude(upload="", display="")
    stored.update(stored_bytes=F("bytes"))
    try:
        default_storage.path("")
    except NotImplementedError:
        return
    measured = []
    for photo in stored.only("upload", "display", "thumbnail").iterator(AT_ONCE):
        photo.stored_bytes = 0
        for name in filter(None, (photo.upload.name, photo.display.name, photo.thumbnail.name)):
            with suppress(OSError):
                photo.stored_bytes += Path(default_storage.path(name)).stat().st_size
        measured.append(photo)
    Photo.objects.bulk_update(measured, ["stored_bytes"], AT_ONCE)


class Migration(migrations.Migration):
    dependencies = [("predictions", "0007_other_faces")]

    operations = [
        migrations.AlterField(
            "photo", "bytes", models.PositiveBigIntegerField(help_text="As it was uploaded.")
        ),
        migrations.AddField(
            "photo",
            "stored_bytes",
            models.PositiveBigIntegerField(
                default=0, editable=False, help_text="Of all its files that are there now."
            ),
        ),
        migrations.RunPython(measure, migrations.RunPython.noop, elidable=True),
    ]
