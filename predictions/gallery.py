"""The public gallery: pictures that an admin curates, and those that a new site starts with."""

import tomllib
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db import transaction
from django.db.models import Max
from django.utils.text import slugify

from predictions import removal, services
from predictions.files import StorageUnavailable
from predictions.models import DemoImage, SeededDemoImage
from predictions.uploads import Upload, UploadError, validate

SEED = Path(__file__).parent / "demo"


class BadSeed(Exception):
    """The folder of a starting gallery cannot be read; the message says why."""


def unique_slug(title: str) -> str:
    """Return a slug for this title that no picture of the gallery has yet."""
    stem = slugify(title)[:70].strip("-") or "picture"
    slug, number = stem, 1
    while DemoImage.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{stem}-{number}"
    return slug


def add(image: DemoImage, upload: Upload, *, is_seeded: bool = False) -> None:
    """Store a new picture and send it to the workers; ``is_seeded`` notes that it was loaded.

    Call it outside of transactions, which would wait for the storage. Raises StorageUnavailable.
    """

    def save() -> None:
        image.slug = image.slug or unique_slug(image.title)
        image.save(force_insert=True)
        if is_seeded:
            SeededDemoImage.objects.create(slug=image.slug)

    _submit(image, upload, save)


def replace_picture(image: DemoImage, upload: Upload) -> None:
    """Store other pixels under the same title; the old ones are removed with their answer.

    Call it outside of transactions, which would wait for the storage. Raises StorageUnavailable.
    """
    old = image.prediction

    def save() -> None:
        image.save()
        removal.delete(old)

    _submit(image, upload, save)


def _submit(image: DemoImage, upload: Upload, save: Callable[[], None]) -> None:
    """Store the file, and then ``save`` the picture that it belongs to in a transaction.

    Where that fails, the new prediction goes with its file. removal.forget removes those of
    processes that were killed in between.
    """
    image.prediction, _ = services.submit(None, upload)
    try:
        with transaction.atomic():
            save()
    except BaseException:
        removal.delete(image.prediction)
        raise


def last_position() -> int:
    """Return the largest position in the gallery; 0 where there is no picture."""
    return DemoImage.objects.aggregate(last=Max("position", default=0))["last"]


@transaction.atomic
def arrange(ids: list[int]) -> dict[int, int]:
    """Show these pictures in this order, in the places that they hold together.

    Other pictures keep their places, and who is gone is left out, so that a list may be one page,
    or a little old. All positions are numbered anew from 1; returns each picture's by its id.
    """
    # Locked in one order by everybody, and sorted by what they are once they are ours.
    pictures = DemoImage.objects.select_for_update().order_by("pk").only("position")
    present = {image.pk: image for image in sorted(pictures, key=lambda i: (i.position, i.pk))}
    moved = [present[pk] for pk in dict.fromkeys(ids) if pk in present]
    places = {image.pk for image in moved}
    following = iter(moved)
    arranged = [next(following) if pk in places else image for pk, image in present.items()]
    for position, image in enumerate(arranged, start=1):
        image.position = position
    DemoImage.objects.bulk_update(arranged, ["position"])
    return {image.pk: image.position for image in arranged}


def seed(folder: Path = SEED) -> tuple[list[str], dict[str, str]]:
    """Publish those pictures of ``folder`` that this site has never loaded before.

    What an admin changed stays changed, what an admin deleted stays deleted. Returns the slugs
    that were added, and the reason for each file that was refused. Raises BadSeed.
    """
    added, refused = [], {}
    for entry in _entries(folder):
        slug = slugify(Path(entry["file"]).stem)
        if SeededDemoImage.objects.filter(slug=slug).exists():
            continue
        try:
            with (folder / entry["file"]).open("rb") as file:
                if DemoImage.objects.filter(slug=slug).exists():
                    SeededDemoImage.objects.create(slug=slug)
                    continue
                image = DemoImage(
                    slug=slug,
                    title=entry["title"],
                    caption=entry["caption"],
                    expected=entry.get("expected", ""),
                    credit=entry["credit"],
                    licence=entry["licence"],
                    source=entry.get("source", ""),
                    position=entry["order"],
                    is_published=True,
                )
                image.full_clean(exclude=["prediction"])
                add(image, validate(File(file, entry["file"])), is_seeded=True)
        except ValidationError as error:
            refused[entry["file"]] = " ".join(error.messages)
        except (OSError, StorageUnavailable, UploadError) as error:
            refused[entry["file"]] = str(getattr(error, "detail", error))
        else:
            added.append(slug)
    return added, refused


def _entries(folder: Path) -> list[dict]:
    path = folder / "gallery.toml"
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["image"]
        for entry in entries:
            for key in ("file", "title", "caption", "credit", "licence", "order"):
                entry[key]
    except OSError as error:
        raise BadSeed(f"{path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise BadSeed(f"{path} has a picture without {error}") from error
    except (TypeError, ValueError) as error:
        raise BadSeed(f"{path} is no list of pictures: {error}") from error
    return entries
