"""The public gallery: pictures that an admin curates, and those that a new site starts with."""

import tomllib
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db import transaction
from django.utils.text import slugify

from predictions import services
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
    services.delete(old)


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
