"""``Prefer: wait=N`` (RFC 7240): answer when the work is done, if that takes no longer than N."""

import re
import time
from collections.abc import Sequence

from predictions.models import UNFINISHED, Prediction
from predictions.notices import wait

LONGEST_WAIT = 30
_WAIT = re.compile(r'\s*wait\s*=\s*"?0*(\d+)"?\s*(?:;.*)?', re.IGNORECASE | re.ASCII)


def preferred_wait(header: str) -> int | None:
    """Return the seconds (0...30) that a ``Prefer`` header asks to wait, or None.

    The first ``wait`` counts. What cannot be understood is ignored, as the standard wants it.
    """
    for preference in header.split(","):
        if match := _WAIT.fullmatch(preference):
            digits = match[1]
            return LONGEST_WAIT if len(digits) > 2 else min(int(digits), LONGEST_WAIT)
    return None


def wait_until_finished(predictions: Sequence[Prediction], seconds: float) -> bool:
    """Return when all predictions have finished, or after ``seconds``, and refresh them.

    False says that nobody waited, because too many requests do already. Holds no transaction
    meanwhile. One that is deleted in the meantime ``is_deleted``.
    """
    end = time.monotonic() + seconds
    granted = True
    for prediction in predictions:
        unfinished = Prediction.objects.filter(pk=prediction.pk, status__in=UNFINISHED)
        left = end - time.monotonic()
        if wait(prediction.pk, lambda rows=unfinished: not rows.exists(), left) is None:
            granted = False
        try:
            prediction.refresh_from_db()
        except Prediction.DoesNotExist:
            prediction.is_deleted = True
        else:
            prediction.is_deleted = prediction.removed_at is not None
    return granted
