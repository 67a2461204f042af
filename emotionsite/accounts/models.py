"""The user of the site."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

NOTICE_VERSION = "2026-11"
"""Version of the notice that is shown before the first upload; a new text asks everybody again."""


class User(AbstractUser):
    """A person with an account, and the notice that this person agreed to."""

    notice_version = models.CharField(max_length=20, blank=True, editable=False)
    notice_accepted_at = models.DateTimeField(null=True, blank=True, editable=False)

    @property
    def has_accepted_notice(self) -> bool:
        return self.notice_version == NOTICE_VERSION

    def accept_notice(self) -> None:
        """Record that the user agreed to the notice in its present version."""
        if not self.has_accepted_notice:
            self.notice_version = NOTICE_VERSION
            self.notice_accepted_at = timezone.now()
            self.save(update_fields=["notice_version", "notice_accepted_at"])
