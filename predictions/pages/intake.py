"""Taking photos in: each file of a form ends as a prediction or as one sentence with a code."""

from dataclasses import dataclass

from django.core.files import File

from predictions import services, uploads
from predictions.models import Prediction


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a prediction (new or known), or an error's code and sentence."""

    name: str
    prediction: Prediction | None = None
    is_new: bool = False
    code: str = ""
    detail: str = ""

    @property
    def http_status(self) -> int:
        if self.code == services.QueueFull.code:
            return 503
        if self.code == "file_too_large":
            return 413
        return 422 if self.code else 201 if self.is_new else 200


def take(owner, file: File, name: str | None = None, *, keep_photo: bool = True) -> Outcome:
    """Check and submit one file for ``owner``; a refused file leaves nothing behind.

    Without ``keep_photo`` only the numbers outlive the analysis.
    """
    name = uploads.clean_name(name or file.name or "")
    try:
        prediction, is_new = services.submit(
            owner, uploads.validate(file, name), keep_photo=keep_photo
        )
    except (uploads.UploadError, services.QueueFull, services.NotAllowed) as error:
        return Outcome(name, code=error.code, detail=error.detail)
    return Outcome(name, prediction, is_new)
