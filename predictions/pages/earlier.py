"""What other networks said of a face, before its photo was analysed again."""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from predictions.models import EarlierAnswer, Face, Prediction
from predictions.pages.wording import EMOTIONS, percent

SAME_FACE = 0.5
"""The least overlap of two boxes around one face."""


@dataclass(frozen=True)
class Change:
    """What changed, and a row (label, emoji, probability before, probability now) an emotion of a
    face that both networks found."""

    sentence: str
    rows: list[tuple[str, str, float, float]] = field(default_factory=list)


def changes(prediction: Prediction, faces: list[Face], face: Face | None) -> list[Change]:
    """Return what each other network said of this face, the latest first; ``faces`` are those that
    are found now."""
    return [_change(answer, faces, face) for answer in prediction.earlier_answers.all()]


def _change(answer: EarlierAnswer, faces: list[Face], face: Face | None) -> Change:
    known = [Face(**fields) for fields in answer.faces]
    before = max(known, key=face.overlap, default=None) if face else None
    is_same = before is not None and face.overlap(before) > SAME_FACE
    facts = {"version": answer.model_version, "count": len(known)}
    if not known:
        return Change(_("Network %(version)s found no face here.") % facts)
    found = ngettext(
        "Network %(version)s found %(count)s face in this photo.",
        "Network %(version)s found %(count)s faces in this photo.",
        len(known),
    )
    if face is None:
        return Change(found % facts)
    if is_same:
        sentences, rows = [_sentence(answer, before, face)], _rows(before, face)
    else:
        sentences, rows = [_("Network %(version)s did not find this face.") % facts], []
    if len(known) != len(faces):
        sentences.append(found % facts)
    return Change(" ".join(sentences), rows)


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
