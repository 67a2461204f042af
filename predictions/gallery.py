"""The public gallery: pictures that an admin curates, and those that a new site starts with."""

import tomllib
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db import transaction
from django.db.models import Max
from django.utils.text import slugify

from predictions import removal, services
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


@transaction.atomic
def add(image: DemoImage, upload: Upload) -> None:
    """Store a new picture and send it to the workers."""
    image.slug = image.slug or unique_slug(image.title)
    image.prediction, _ = services.submit(None, upload)
    image.save(force_insert=True)


@transaction.atomic
def replace_picture(image: DemoImage, upload: Upload) -> None:
    """Store other pixels under the same title; the old ones are removed with their answer."""
    old = image.prediction
    image.prediction, _ = services.submit(None, upload)
    image.save()
    removal.delete(old)


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
            with (folder / entry["file"]).open("rb") as file, transaction.atomic():
                SeededDemoImage.objects.create(slug=slug)
                if DemoImage.objects.filter(slug=slug).exists():
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
                add(image, validate(File(file, entry["file"])))
        except ValidationError as error:
            refused[entry["file"]] = " ".join(error.messages)
        except (OSError, UploadError) as error:
            refused[entry["file"]] = str(error)
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
