"""Taking photos in: each file of a form ends as a prediction or as one sentence with a code."""

from dataclasses import dataclass

import structlog
from django.core.files import File
from django.utils.translation import gettext as _

from predictions import services, uploads
from predictions.models import Prediction
from predictions.quotas import QuotaExceeded
from predictions.unavailable import (
    DatabaseUnavailable,
    PicturesUnavailable,
    StorageUnavailable,
    unavailable,
)

PASSING = {
    error.code
    for error in (
        services.QueueFull,
        StorageUnavailable,
        DatabaseUnavailable,
        PicturesUnavailable,
    )
}
"""Codes of what may be sent again soon."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a prediction (new or known), or an error's code and sentence."""

    name: str
    prediction: Prediction | None = None
    is_new: bool = False
    was_kept: bool = False
    code: str = ""
    detail: str = ""
    retry_after: int | None = None
    """Seconds after which to send the file again; None where waiting does not help."""

    @property
    def is_known(self) -> bool:
        return self.prediction is not None and not self.is_new

    @property
    def note(self) -> str:
        """What to tell whoever sent a known photo; it was perhaps kept, and should not be now."""
        if not self.is_known:
            return ""
        text = _("You have analysed this very photo before; here is its result.")
        if self.was_kept:
            text += " " + _("The photo was kept then; to change that, delete it first.")
        return text

    @property
    def http_status(self) -> int:
        if self.code in PASSING:
            return 503
        if self.code == QuotaExceeded.code:
            return 429 if self.retry_after else 403
        if self.code == "file_too_large":
            return 413
        return 422 if self.code else 201 if self.is_new else 200


def take(
    owner,
    file: File,
    name: str | None = None,
    *,
    keep_photo: bool = True,
    urgent: bool = False,
) -> Outcome:
    """Check and submit one file for ``owner``; a refused file leaves nothing behind.

    Without ``keep_photo`` only the numbers outlive the analysis. ``urgent`` says that a person
    waits for this one photo.
    """
    name = uploads.clean_name(name or file.name or "")
    try:
        upload = uploads.validate(file, name, owner=owner)
        prediction, is_new = services.submit(owner, upload, keep_photo=keep_photo, urgent=urgent)
    except (uploads.UploadError, *services.REFUSALS) as error:
        return _refused(name, error)
    except Exception as error:
        found = unavailable(error)
        if found is None:
            raise
        log.exception("photo not stored", code=found.code)
        return _refused(name, found)
    was_kept = not is_new and not keep_photo and prediction.photo.is_kept
    return Outcome(name, prediction, is_new, was_kept)


def _refused(name: str, error: Exception) -> Outcome:
    retry_after = getattr(error, "retry_after", None)
    return Outcome(name, code=error.code, detail=str(error.detail), retry_after=retry_after)
