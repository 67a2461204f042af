"""``manage.py maintenance on`` and ``off``: close the site to all but the staff, and open it."""

from django.core.management.base import BaseCommand, CommandError

from predictions import maintenance


class Command(BaseCommand):
    help = (
        "Close the site of this machine for maintenance, or open it again, without a restart. "
        "Staff can still log in and see everything; /healthz, /readyz and static files answer on."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("state", nargs="?", choices=["on", "off"], help="nothing: tell it")
        parser.add_argument("--reason", default="", help="what visitors are told, in plain text")

    def handle(self, *, state: str | None, reason: str, **options) -> None:
        try:
            if state == "on":
                maintenance.close(reason)
            elif state == "off":
                maintenance.reopen()
        except OSError as error:
            raise CommandError(f"{maintenance.flag()} cannot be changed: {error}") from error
        told = maintenance.reason()
        if told is None:
            self.stdout.write("The site is open.")
        else:
            self.stdout.write(f"The site is closed. {told}".strip())
