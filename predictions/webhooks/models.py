"""Where users want to hear of their predictions, and what became of each message."""

import base64
import secrets
import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from predictions.models import Prediction


class Event(models.TextChoices):
    """What a message tells, by the word that receivers read."""

    SUCCEEDED = "prediction.succeeded"
    FAILED = "prediction.failed"
    CANCELED = "prediction.canceled"
    TEST = "test"


class Failure(models.TextChoices):
    """Why a message did not arrive, or why an address is none for a webhook."""

    INVALID_URL = (
        "invalid_url",
        _("Enter a complete address that begins with https://, such as https://example.org/hook."),
    )
    CREDENTIALS = "credentials_in_url", _("The address must not hold a name or a password.")
    INSECURE = "insecure_url", _("The address must begin with https://.")
    PRIVATE = "private_address", _("The address lies in a private network; none is called there.")
    UNKNOWN_HOST = "unknown_host", _("The name of the host could not be found.")
    UNREACHABLE = "unreachable", _("There was no connection, or it broke off.")
    TIMED_OUT = "timed_out", _("There was no answer within ten seconds.")
    BAD_CERTIFICATE = "bad_certificate", _("The certificate is not trusted for this name.")
    TLS_FAILED = "tls_failed", _("No secure connection could be agreed on.")
    BAD_RESPONSE = "bad_response", _("The answer was not HTTP.")
    REDIRECTED = "redirected", _("The answer points elsewhere; redirects are not followed.")
    REFUSED = "refused", _("The answer was none of success (2xx).")
    GONE = "gone", _("The answer was 410 Gone, which switches the webhook off.")
    SUPERSEDED = "superseded", _("The photo was queued again, so this news was out of date.")
    UNANSWERED = "unanswered", _("The last attempt has no answer so far.")


class OffReason(models.TextChoices):
    """Why a webhook is off that its owner did not switch off."""

    GONE = "gone", _("It was switched off because its address answered 410 Gone.")
    FAILING = "failing", _("It was switched off because too many messages in a row were given up.")


def new_secret() -> str:
    """Return 32 random bytes in the form of Standard Webhooks: ``whsec_`` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class WebhookQuerySet(models.QuerySet):
    def for_user(self, user) -> "WebhookQuerySet":
        """Return what this user owns. Every page starts from here."""
        return self.filter(owner=user) if user.is_authenticated else self.none()


class Webhook(models.Model):
    """An address that is called when a prediction of its owner has finished.

    The secret is stored as it is. Signing takes the secret itself, so that a hash would not do;
    and a cipher's key would lie beside the database on most sites, while a new SECRET_KEY would
    silence every webhook. Whoever reads the secret can forge messages to this one receiver, but
    gains nothing on this site. Only its owner is shown it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks"
    )
    url = models.CharField(max_length=500)
    secret = models.CharField(max_length=100, default=new_secret, editable=False)
    is_active = models.BooleanField("active", default=True)
    off_reason = models.CharField(max_length=20, blank=True, editable=False)
    given_up = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Messages in a row that were given up."
    )
    busy_until = models.DateTimeField(
        default=timezone.now,
        editable=False,
        help_text="When the next message may go out; in the past: when the last one was done.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"Webhook {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("webhook-detail", args=[self.pk])

    @property
    def why_off(self) -> str:
        """One sentence, or empty where it is on or its owner switched it off."""
        return OffReason(self.off_reason).label if self.off_reason else ""


class Delivery(models.Model):
    """One message to one webhook.

    What it says is read from the prediction at each attempt and never stored, so that a record
    that is deleted leaves no copy here; this row goes with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=30)
    prediction = models.ForeignKey(
        Prediction, on_delete=models.CASCADE, null=True, related_name="deliveries"
    )
    created_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(
        null=True, default=timezone.now, help_text="Empty: delivered or given up."
    )
    last_attempt_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True, help_text="Of the last answer.")
    last_error = models.CharField(max_length=30, blank=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["webhook", "-created_at", "-id"], name="delivery_log"),
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(next_attempt_at__isnull=False),
                name="delivery_waiting",
            ),
            models.Index(fields=["created_at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"

    @property
    def message_id(self) -> str:
        """The same at every attempt, so that a receiver tells a repetition from news."""
        return f"msg_{self.pk.hex}"

    @property
    def why_failed(self) -> str:
        """One sentence, or empty."""
        return Failure(self.last_error).label if self.last_error else ""
