"""What other networks said of a face, before its photo was analysed again."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from predictions.models import EarlierAnswer, Face, Prediction
from predictions.pages.wording import EMOTIONS, percent

SAME_FACE = 0.5
"""The least overlap of two boxes around one face."""


@dataclass(frozen=True)
class Change:
    """One sentence, and a row (label, emoji, probability before, probability now) an emotion."""

    sentence: str
    rows: list[tuple[str, str, float, float]]


def changes(prediction: Prediction, face: Face | None) -> list[Change]:
    """Return what each other network said of this face, the latest first; a network that did not
    find it is left out."""
    if face is None:
        return []
    found = []
    for answer in prediction.earlier_answers.all():
        faces = [Face(**known) for known in answer.faces]
        before = max(faces, key=face.overlap, default=None)
        if before is not None and face.overlap(before) > SAME_FACE:
            found.append(Change(_sentence(answer, before, face), _rows(before, face)))
    return found


def _sentence(answer: EarlierAnswer, before: Face, now: Face) -> str:
    facts = {
        "version": answer.model_version,
        "before": EMOTIONS[before.label],
        "before_share": percent(before.confidence),
        "now": EMOTIONS[now.label],
        "now_share": percent(now.confidence),
    }
    if before.label == now.label:
        return (
            _(
                "Network %(version)s called this face %(before)s, too (%(before_share)s then, "
                "%(now_share)s now)."
            )
            % facts
        )
    return (
        _(
            "Network %(version)s called this face %(before)s (%(before_share)s); now it is %(now)s "
            "(%(now_share)s)."
        )
        % facts
    )


def _rows(before: Face, now: Face) -> list[tuple[str, str, float, float]]:
    return [
        (label, emoji, share, now.probabilities[label]) for label, emoji, share in before.ranked
    ]
