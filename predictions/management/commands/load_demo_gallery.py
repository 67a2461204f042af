"""``manage.py load_demo_gallery``: publish the pictures that a new site starts with."""

from pathlib import Path

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from predictions import gallery


class Command(BaseCommand):
    help = (
        "Publish the pictures of a starting gallery that this site never loaded before. What was "
        "changed or deleted since stays so. A picture that cannot be used is named and left out."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--folder",
            type=Path,
            default=gallery.SEED,
            help="where gallery.toml and its pictures lie",
        )

    def handle(self, *, folder: Path, verbosity: int, **options) -> None:
        try:
            added, refused = gallery.seed(folder)
        except (gallery.BadSeed, DatabaseError) as error:
            # A site without pictures in its gallery works; one that does not start does not.
            self.stderr.write(f"The demo gallery was not loaded: {error}")
            return
        for file, reason in refused.items():
            self.stderr.write(f"{file} was left out of the demo gallery: {reason}")
        if verbosity:
            self.stdout.write(f"{len(added)} pictures were added to the demo gallery.")
