"""``Prefer: wait=N`` (RFC 7240): answer when the work is done, if that takes no longer than N."""

import re
import time

from django.http import Http404

from predictions.models import UNFINISHED, Prediction

LONGEST_WAIT = 30
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.1
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


def wait_until_finished(prediction: Prediction, seconds: float) -> None:
    """Return when the prediction has finished, or after ``seconds``, and refresh it.

    Holds no transaction meanwhile. Raises Http404 where it is deleted in the meantime.
    """
    end = time.monotonic() + seconds
    pause = FIRST_PAUSE
    row = Prediction.objects.filter(pk=prediction.pk)
    while (left := end - time.monotonic()) > 0 and row.filter(status__in=UNFINISHED).exists():
        time.sleep(min(pause, left))
        pause = min(pause * 1.3, LONGEST_PAUSE)
    try:
        prediction.refresh_from_db()
    except Prediction.DoesNotExist as error:
        raise Http404 from error
