"""The user of the site, and the tokens by which programs act as this user."""

from datetime import timedelta

import structlog
from django.contrib.auth.models import AbstractUser
from django.db import DatabaseError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken, AuthTokenManager
from knox.settings import knox_settings

log = structlog.get_logger(__name__)

NOTICE_VERSION = "2026-11"
"""Version of the notice that is shown before the first upload; a new text asks everybody again."""

USE_NOTED_EVERY = timedelta(minutes=1)


class User(AbstractUser):
    """A person with an account, and the notice that this person agreed to."""

    notice_version = models.CharField(max_length=20, blank=True, editable=False)
    notice_accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    retention_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Empty: as long as the site keeps everybody's photos."
    )

    @property
    def has_accepted_notice(self) -> bool:
        return self.notice_version == NOTICE_VERSION

    def accept_notice(self) -> None:
        """Record that the user agreed to the notice in its present version."""
        if not self.has_accepted_notice:
            self.notice_version = NOTICE_VERSION
            self.notice_accepted_at = timezone.now()
            self.save(update_fields=["notice_version", "notice_accepted_at"])


class ApiTokenManager(AuthTokenManager):
    def living(self, user: User) -> models.QuerySet:
        """Return the user's tokens that have not expired, newest first."""
        alive = Q(expiry=None) | Q(expiry__gt=timezone.now())
        return self.filter(alive, user=user).order_by("-created")

    def issue(
        self, user: User, *, name: str, scope: str, lifetime: timedelta | None
    ) -> tuple["ApiToken", str]:
        """Make a token; return its row and its text, which is kept nowhere.

        ``lifetime`` None is without end. Expired tokens make room for it; raises
        ``ApiToken.LimitReached`` where the user has as many living ones as one may have.
        """
        with transaction.atomic():
            # Two requests take turns, so that only one of them finds the last free place.
            User.objects.select_for_update().get(pk=user.pk)
            self.filter(user=user, expiry__lte=timezone.now()).delete()
            if self.filter(user=user).count() >= knox_settings.TOKEN_LIMIT_PER_USER:
                raise ApiToken.LimitReached
            name = ApiToken.printable_name(name)
            return self.create(user, expiry=lifetime, name=name, scope=scope)


class ApiToken(AbstractAuthToken):
    """What a program acts as its user by. Only a hash of the token is kept."""

    class Scope(models.TextChoices):
        """What a token allows; ``write`` includes ``read``."""

        READ = "read", _("read only")
        WRITE = "write", _("read and write")

    class LimitReached(Exception):
        """The user has as many living tokens as a user may have."""

    name = models.CharField(max_length=60, blank=True)
    scope = models.CharField(max_length=5, choices=Scope, default=Scope.WRITE)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiTokenManager()

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name or self.start

    @property
    def start(self) -> str:
        """The first characters of the token, by which its user tells it from others."""
        return f"{self.token_key[:8]}…"

    @property
    def can_write(self) -> bool:
        return self.scope == self.Scope.WRITE

    @staticmethod
    def printable_name(name: str) -> str:
        """Return the name without what nobody can see, such as marks that turn text around."""
        return "".join(filter(str.isprintable, name)).strip()

    def note_use(self) -> None:
        """Keep when the token was used last, to the minute: most requests write nothing.

        A database that cannot be written, on a full disk for example, can still be read with it.
        """
        now = timezone.now()
        if self.last_used_at and now - self.last_used_at < USE_NOTED_EVERY:
            return
        # Of several requests at the same time one writes.
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
        try:
            ApiToken.objects.filter(stale, pk=self.pk).update(last_used_at=now)
        except DatabaseError as error:
            log.warning("use of a token not noted", error=str(error))


class StaffAct(models.Model):
    """Something that staff did to a user's log-in, kept for this user to see."""

    class Kind(models.TextChoices):
        PASSWORD = "password", _("The staff of this site changed your password.")
        SECOND_FACTOR = "factor", _("The staff of this site deleted your second factor.")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="staff_acts")
    kind = models.CharField(max_length=10, choices=Kind)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.kind} of user {self.user_id}"
