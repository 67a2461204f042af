"""Photos, what the network said of them, and the gallery. Only ``services`` changes a status."""

import unicodedata
import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mlcore.labels import EMOJI, LABELS

LABEL_CHOICES = [(label, _(label)) for label in LABELS]


def name_key(name: str) -> str:
    """Return what a file name is searched and sorted by: case and ways to write accents are one."""
    return unicodedata.normalize("NFKC", name).casefold()[:200]


def _photo_path(photo: "Photo", kind: str) -> str:
    return f"photos/{photo.pk.hex[:2]}/{photo.pk.hex}/{kind}"


def _copy_path(photo: "Photo", kind: str) -> str:
    # A worker that lost its lease may still be writing: its files never have another's names.
    return _photo_path(photo, f"{kind}-{uuid.uuid4().hex[:12]}.jpg")


def upload_path(photo: "Photo", name: str) -> str:
    """Where the bytes of an upload wait for the worker; the user's file name is never used."""
    return _photo_path(photo, "upload")


def display_path(photo: "Photo", name: str) -> str:
    return _copy_path(photo, "display")


def thumbnail_path(photo: "Photo", name: str) -> str:
    return _copy_path(photo, "thumbnail")


class Photo(models.Model):
    """One picture. The upload is kept only until the worker has made the two clean copies.

    Of a photo that is not kept there are no copies: only its name, size and numbers stay.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    sha256 = models.CharField(
        max_length=64, db_index=True, help_text="Of the bytes as they were uploaded."
    )
    bytes = models.PositiveBigIntegerField(help_text="As it was uploaded.")
    stored_bytes = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Of all its files that are there now."
    )
    is_kept = models.BooleanField(
        "kept", default=True, help_text="Whether the pixels outlive the analysis."
    )
    width = models.PositiveIntegerField(help_text="Pixels of the upright picture.")
    height = models.PositiveIntegerField(help_text="Pixels of the upright picture.")
    upload = models.FileField(upload_to=upload_path, blank=True)
    display = models.FileField(upload_to=display_path, blank=True)
    thumbnail = models.FileField(upload_to=thumbnail_path, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Photo {self.pk}"

    @property
    def source(self):
        """The best file that is left: the upload while it waits, the display copy afterwards."""
        return self.upload or self.display

    def file_names(self) -> list[str]:
        """Return the storage names of this photo's files."""
        files = (self.upload, self.display, self.thumbnail)
        return [file.name for file in files if file]


class Status(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELED = "canceled", _("Canceled")


UNFINISHED = (Status.QUEUED, Status.RUNNING)

NARROWED_BY = ("status", "label", "unsure")
"""What the indexes of a history hold beside its orders."""


class QueueEntry(models.Model):
    """What waits for a worker, and whose turn it is; ``predictions.turns`` has the rules.

    ``turn`` is the place in the queue, and null in every state but queued, so that the indexes
    hold only what waits. ``lease`` names the attempt that holds a running entry, and the holder
    increments ``lease_count`` for as long as it works.
    """

    turn = models.BigIntegerField(null=True, editable=False)
    is_urgent = models.BooleanField(
        default=False, editable=False, help_text="A person is waiting for it."
    )
    queued_at = models.DateTimeField(default=timezone.now, editable=False)
    not_before = models.DateTimeField(
        null=True, editable=False, help_text="When a failed attempt is repeated."
    )
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    lease = models.CharField(max_length=60, blank=True, editable=False)
    lease_count = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        abstract = True
        indexes = [
            models.Index(
                fields=["turn", "queued_at"],
                condition=models.Q(turn__isnull=False),
                name="%(class)s_turn",
            ),
            models.Index(
                fields=["owner", "turn"],
                condition=models.Q(turn__isnull=False),
                name="%(class)s_owner_turn",
            ),
            models.Index(
                fields=["owner", "-is_urgent", "queued_at"],
                condition=models.Q(turn__isnull=False),
                name="%(class)s_owner_next",
            ),
        ]


class PredictionQuerySet(models.QuerySet):
    def for_user(self, user) -> "PredictionQuerySet":
        """Return what this user owns. Every page, endpoint and file starts from here."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(owner=user, removed_at=None).select_related("photo")


class Prediction(QueueEntry):
    """One analysis of one photo, from the moment it is accepted.

    ``label``, ``confidence`` and ``unsure`` repeat the main face (index 0), and ``name_key`` the
    name of the photo, so that one index filters and sorts a long history. Predictions of the
    gallery have no owner.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="predictions",
    )
    photo = models.OneToOneField(Photo, on_delete=models.CASCADE, related_name="prediction")
    name_key = models.CharField(max_length=200, blank=True, editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    removed_at = models.DateTimeField(
        null=True, editable=False, help_text="When its owner deleted it; soon it is gone."
    )
    label = models.CharField(max_length=10, choices=LABEL_CHOICES, blank=True)
    confidence = models.FloatField(null=True)
    unsure = models.BooleanField(null=True)
    advice = models.JSONField(default=list)
    timings = models.JSONField(default=dict)
    model_name = models.CharField(max_length=60, blank=True)
    model_version = models.CharField(max_length=60, blank=True)
    model_sha256 = models.CharField(max_length=64, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=300, blank=True)

    is_deleted = False
    """Set on an instance whose row was found to be gone."""

    place = None
    """Set by the pages on an instance that is queued."""

    objects = PredictionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            *QueueEntry.Meta.indexes,
            # One index for each order of a history. All hold everything that it is filtered by,
            # so that of a hundred thousand records only those on the page are read.
            models.Index(
                fields=["owner", "removed_at", "-created_at", "-id", *NARROWED_BY, "name_key"],
                name="prediction_history",
            ),
            models.Index(
                fields=[
                    "owner",
                    "removed_at",
                    "confidence",
                    "created_at",
                    "id",
                    *NARROWED_BY,
                    "name_key",
                ],
                name="prediction_sureness",
            ),
            models.Index(
                fields=["owner", "removed_at", "name_key", "-created_at", "-id", *NARROWED_BY],
                name="prediction_name",
            ),
            models.Index(fields=["-created_at", "-id"], name="prediction_newest"),
            # Not only of what has not finished: SQLite would never use such an index.
            models.Index(fields=["status", "created_at"], name="prediction_status"),
            models.Index(
                fields=["-finished_at"],
                condition=models.Q(finished_at__isnull=False),
                name="prediction_finished",
            ),
            models.Index(
                fields=["removed_at"],
                condition=models.Q(removed_at__isnull=False),
                name="prediction_removed",
            ),
        ]

    def __str__(self) -> str:
        return f"Prediction {self.pk} ({self.status})"

    def get_absolute_url(self) -> str:
        return reverse("prediction-detail", args=[self.pk])

    @property
    def is_finished(self) -> bool:
        return self.status not in UNFINISHED

    @property
    def emoji(self) -> str:
        return EMOJI.get(self.label, "")


class Face(models.Model):
    """One face of a photo, largest first. Box in pixels of the upright picture."""

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="faces")
    index = models.PositiveSmallIntegerField()
    x = models.IntegerField()
    y = models.IntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    detection_confidence = models.FloatField(
        validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    label = models.CharField(max_length=10, choices=LABEL_CHOICES)
    confidence = models.FloatField(validators=[MinValueValidator(0), MaxValueValidator(1)])
    unsure = models.BooleanField()
    probabilities = models.JSONField(help_text="The seven labels with their probabilities.")
    correction = models.CharField(max_length=10, choices=LABEL_CHOICES, blank=True)
    corrected_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["prediction", "index"], name="face_index_once"),
        ]
        indexes = [
            models.Index(
                fields=["prediction"],
                condition=models.Q(corrected_at__isnull=False),
                name="face_corrected",
            ),
            # The main face's label is also that of the prediction; this finds the others.
            models.Index(fields=["label", "index", "prediction"], name="face_other"),
        ]

    def __str__(self) -> str:
        return f"Face {self.index} of {self.prediction_id}"

    @property
    def emoji(self) -> str:
        return EMOJI[self.label]

    def overlap(self, other: "Face") -> float:
        """Return the two boxes' intersection over union, 0...1."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        common = max(across, 0) * max(down, 0)
        union = self.width * self.height + other.width * other.height - common
        return common / union if union else 0.0

    @property
    def ranked(self) -> list[tuple[str, str, float]]:
        """Return (label, emoji, probability) of all seven emotions, in the fixed order."""
        return [(label, EMOJI[label], self.probabilities[label]) for label in LABELS]


class EarlierAnswer(models.Model):
    """What another network said of a photo before it was analysed again: one answer a network."""

    prediction = models.ForeignKey(
        Prediction, on_delete=models.CASCADE, related_name="earlier_answers"
    )
    answered_at = models.DateTimeField()
    model_name = models.CharField(max_length=60)
    model_version = models.CharField(max_length=60)
    model_sha256 = models.CharField(max_length=64)
    faces = models.JSONField(
        help_text="A list of box, label, confidence, unsure and probabilities, as of a Face."
    )

    class Meta:
        ordering = ["-answered_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction", "model_sha256"], name="earlier_answer_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Answer of {self.model_version} to {self.prediction_id}"

    FACE_FIELDS = ("x", "y", "width", "height", "label", "confidence", "unsure", "probabilities")

    @classmethod
    def keep(cls, prediction: Prediction) -> None:
        """Keep the present answer of a prediction, instead of an older one of the same network."""
        faces = [
            {name: getattr(face, name) for name in cls.FACE_FIELDS}
            for face in prediction.faces.all()
        ]
        cls.objects.update_or_create(
            prediction=prediction,
            model_sha256=prediction.model_sha256,
            defaults={
                "answered_at": prediction.finished_at,
                "model_name": prediction.model_name,
                "model_version": prediction.model_version,
                "faces": faces,
            },
        )

    def fields(self) -> dict:
        """Return what a Prediction that has this answer says of it."""
        main = self.faces[0] if self.faces else {"label": "", "confidence": None, "unsure": None}
        return {
            "finished_at": self.answered_at,
            "label": main["label"],
            "confidence": main["confidence"],
            "unsure": main["unsure"],
            "model_name": self.model_name,
            "model_version": self.model_version,
            "model_sha256": self.model_sha256,
        }


class Explanation(models.Model):
    """Where the network looked on one face; made on demand, and gone with the answer.

    A few kilobytes that follow their row everywhere: as a file they would need care of their own.
    """

    prediction = models.ForeignKey(
        Prediction, on_delete=models.CASCADE, related_name="explanations"
    )
    index = models.PositiveSmallIntegerField(help_text="Of the face.")
    picture = models.BinaryField(help_text="JPEG.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prediction", "index"], name="explanation_once"),
        ]

    def __str__(self) -> str:
        return f"Explanation of face {self.index} of {self.prediction_id}"


class ExplanationRequest(QueueEntry):
    """Somebody asked where the network looked on a face. The row goes when that is drawn.

    queued -> running -> drawn (an Explanation replaces this row), or failed for a while.
    """

    prediction = models.ForeignKey(
        Prediction, on_delete=models.CASCADE, related_name="explanation_requests"
    )
    index = models.PositiveSmallIntegerField(help_text="Of the face.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = QueueEntry.Meta.indexes
        constraints = [
            models.UniqueConstraint(
                fields=["prediction", "index"], name="explanation_requested_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Request for face {self.index} of {self.prediction_id}"


class RunningExport(models.Model):
    """A file that a user is being sent. The web process that sends it renews ``seen_at``."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Export {self.pk} of user {self.owner_id}"


class IdempotencyKey(models.Model):
    """The answer to a request that may be sent again, under a key that its sender chose."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of what was sent.")
    created_at = models.DateTimeField(default=timezone.now)
    status = models.PositiveSmallIntegerField(null=True, help_text="Empty: not answered yet.")
    headers = models.JSONField(default=dict)
    body = models.JSONField(null=True)
    predictions = models.ManyToManyField(Prediction, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="idempotency_key_once"),
        ]

    def __str__(self) -> str:
        return f"Key {self.key} of user {self.owner_id}"


class DemoImageQuerySet(models.QuerySet):
    def published(self) -> "DemoImageQuerySet":
        """Return what a visitor may see: published and analysed."""
        return self.filter(is_published=True, prediction__status=Status.SUCCEEDED).select_related(
            "prediction__photo"
        )


class DemoImage(models.Model):
    """A picture of the public gallery, curated in the admin."""

    prediction = models.OneToOneField(
        Prediction, on_delete=models.CASCADE, related_name="demo_image", editable=False
    )
    slug = models.SlugField(max_length=80, unique=True)
    title = models.CharField(_("title"), max_length=120)
    caption = models.TextField(_("caption"), blank=True, help_text=_("What this picture teaches."))
    expected = models.CharField(
        _("expected"),
        max_length=10,
        choices=LABEL_CHOICES,
        blank=True,
        help_text=_("What most people would say; empty where they would not agree."),
    )
    credit = models.CharField(_("credit"), max_length=200)
    licence = models.CharField(_("licence"), max_length=80)
    source = models.CharField(_("source"), max_length=300, blank=True)
    position = models.PositiveIntegerField(_("position"), default=0, db_index=True)
    is_published = models.BooleanField(_("published"), default=False)

    objects = DemoImageQuerySet.as_manager()

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.title


class SeededDemoImage(models.Model):
    """A picture of the starting gallery that was loaded once, and is never loaded again."""

    slug = models.SlugField(max_length=80, unique=True)

    def __str__(self) -> str:
        return self.slug


class Heartbeat(models.Model):
    """Counts up for as long as a process of this name works; see emotionsite.heartbeats."""

    name = models.CharField(max_length=40, unique=True)
    counter = models.PositiveBigIntegerField(default=0)
    beaten_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
