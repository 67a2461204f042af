"""What the codes and numbers of a prediction are in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from predictions.models import DemoImage, Prediction, Status
from predictions.services import INTERNAL_ERRORS
from predictions.uploads import explain

EMOTIONS = {
    "angry": gettext_lazy("angry"),
    "disgust": gettext_lazy("disgust"),
    "fear": gettext_lazy("fear"),
    "happy": gettext_lazy("happy"),
    "sad": gettext_lazy("sad"),
    "surprise": gettext_lazy("surprise"),
    "neutral": gettext_lazy("neutral"),
}

STATUSES = {
    "queued": gettext_lazy("Queued"),
    "running": gettext_lazy("Looking for faces"),
    "succeeded": gettext_lazy("Done"),
    "failed": gettext_lazy("Failed"),
    "canceled": gettext_lazy("Canceled"),
}

ADVICE = {
    "no_face": gettext_lazy(
        "Faces are found best where they look towards the camera, are well lit and fill a good "
        "part of the photo."
    ),
    "face_small": gettext_lazy(
        "A face in this photo has very few pixels, so its answer is less certain. A closer or "
        "larger photo helps."
    ),
    "faces_left_out": gettext_lazy("This photo shows a crowd: only the largest faces were read."),
    "detector_missing": gettext_lazy(
        "Nothing on this machine can look for faces, so the whole photo was read as one face. "
        "Crop it to the face for a better answer."
    ),
    "photo_turned": gettext_lazy(
        "This photo seems to lie on its side or to stand on its head, and the network reads "
        "upright faces only. Turn it and upload it again."
    ),
    "too_dark": gettext_lazy(
        "This photo is very dark, and in the dark the network is wrong more often. The same face "
        "in more light is read better."
    ),
    "face_turned": gettext_lazy(
        "The largest face is turned aside. The network has seen few such faces: it read "
        "only half of those in its test correctly. A face seen from the front is read better."
    ),
    "looks_drawn": gettext_lazy(
        "The largest face looks drawn. The network has learned from photographs only, so its "
        "answer to a drawing means little."
    ),
}

REMEDIES = {
    "unreadable_image": gettext_lazy("Save or export the photo once more and upload the new file."),
    "unsupported_format": gettext_lazy("Save the photo as JPEG or PNG and upload that."),
    "too_many_pixels": gettext_lazy("Make the photo smaller and upload it again."),
    "photo_missing": gettext_lazy("Upload the photo once more."),
    "too_complex": gettext_lazy("Save or export the photo as JPEG and upload the new file."),
    "model_unavailable": gettext_lazy("Nothing is wrong with your photo. Try again later."),
    "model_mismatch": gettext_lazy("Nothing is wrong with your photo. Try again later."),
}

SURENESS = ((0.9, gettext_lazy("very sure")), (0.7, gettext_lazy("fairly sure")))


def remedy(prediction: Prediction) -> str:
    """Return what the owner can do about a failure."""
    if known := REMEDIES.get(prediction.error_code):
        return str(known)
    if not prediction.photo.source:
        return str(REMEDIES["photo_missing"])
    return _("Analyse it again; often that is enough.")


def failure(prediction: Prediction) -> str:
    """Return why an analysis failed, in the reader's language; the record has it in English."""
    if prediction.error_code in INTERNAL_ERRORS and prediction.error_detail:
        return _(prediction.error_detail)
    try:
        return explain(prediction.error_code)
    except KeyError:
        return _(prediction.error_detail) if prediction.error_detail else ""


def advise(codes: list[str]) -> list[str]:
    """Return the sentences of the advice codes, without those that this version doesn't know."""
    return [str(ADVICE[code]) for code in codes if code in ADVICE]


def percent(share: float) -> str:
    """Return a share of 0...1 as a rounded percentage that never claims all or nothing."""
    if 0 < share < 0.01:
        return "< 1%"
    if 0.99 < share < 1:
        return "> 99%"
    return f"{share * 100:.0f}%"


def sureness(confidence: float, unsure: bool) -> str:
    """Return how sure the network is, in words; ``confidence`` in 0...1."""
    if unsure:
        return _("unsure")
    return str(next((words for least, words in SURENESS if confidence >= least), _("leaning")))


FEWEST = 20
"""Fewer test faces than these make no share."""


def track_record(metrics: Mapping, label: str, confidence: float) -> str:
    """Return how often such an answer was right on the test faces; empty where nobody measured.

    ``metrics`` are those of the model file. Where too few faces were called so with such a
    confidence, it is told of all that were called so, and then of all faces.
    """
    measured = metrics.get("PrivateTest", {})
    try:
        groups = measured["confidence_groups"][label]
        group = next((g for g in reversed(groups) if confidence >= g["from"]), {"count": 0})
        if int(group["count"]) >= FEWEST:
            return _record_of_group(group, label)
        count = sum(int(g["count"]) for g in groups)
        right = sum(int(g["right"]) for g in groups)
    except (KeyError, TypeError, ValueError, AttributeError):
        count = right = 0
    if count >= FEWEST:
        return _(
            "Too few test faces were called “%(label)s” with such a confidence. Of all %(count)s "
            "that were called so, people had labelled %(share)s “%(label)s”."
        ) % {"label": EMOTIONS[label], "count": count, "share": percent(right / count)}
    try:
        share, count = percent(float(measured["accuracy"])), int(measured["count"])
    except (KeyError, TypeError, ValueError):
        return ""
    return _(
        "Too few test faces were called “%(label)s” to say how often that is right. Of all "
        "%(count)s test faces, it called %(share)s as people had labelled them."
    ) % {"label": EMOTIONS[label], "count": count, "share": share}


def _record_of_group(group: Mapping, label: str) -> str:
    count, right = int(group["count"]), int(group["right"])
    low, high = percent(group["from"]), percent(group["to"])
    if group["from"] == 0:
        how_sure = _("less than %(high)s") % {"high": high}
    elif group["to"] == 1:
        how_sure = _("more than %(low)s") % {"low": low}
    else:
        how_sure = _("%(low)s to %(high)s") % {"low": low, "high": high}
    return _(
        "Of %(count)s test faces that it called “%(label)s” with %(how_sure)s confidence, "
        "people had labelled %(share)s “%(label)s”."
    ) % {
        "count": count,
        "label": EMOTIONS[label],
        "how_sure": how_sure,
        "share": percent(right / count),
    }


def other_network(prediction: Prediction) -> str:
    """Return why there is no record of an answer that the installed network did not give."""
    text = _("How often such an answer is right was measured for another network than this one.")
    if not prediction.photo.source:
        return text
    return f"{text} {_('Analyse the photo again to learn it.')}"


def setback(prediction: Prediction) -> str:
    """Return what became of a new analysis that left the answer from before in its place."""
    if prediction.status != Status.SUCCEEDED or not prediction.error_code:
        return ""
    if prediction.error_code == "canceled":
        return _("The new analysis was canceled. This is the answer from before.")
    return _("The new analysis failed. This is the answer from before.")


def rounded(seconds: float) -> int:
    """Return a wait as exactly as anybody can know it: to 5 s, to a minute or to an hour."""
    for least, step in ((95 * 60, 3600), (57.5, 60), (9.5, 5)):
        if seconds >= least:
            return round(seconds / step) * step
    return max(ceil(seconds), 1)


def about(seconds: float) -> str:
    """Return how long a wait is: about 20 s, about 4 minutes, about 2 hours."""
    whole = rounded(seconds)
    if whole < 60:
        return _("about %(count)s s") % {"count": whole}
    if whole < 7200:
        minutes = whole // 60
        text = ngettext("about %(count)s minute", "about %(count)s minutes", minutes)
        return text % {"count": minutes}
    hours = whole // 3600
    text = ngettext("about %(count)s hour", "about %(count)s hours", hours)
    return text % {"count": hours}


def place(position: int, seconds: float | None) -> str:
    """Return a place in the queue, such as: 7 before yours, about 20 s. Of an unknown wait
    (``seconds`` None) only the number is said."""
    if not position:
        return _("Yours is next")
    number = number_format(position, force_grouping=True)
    text = ngettext("%(number)s before yours", "%(number)s before yours", position)
    text %= {"number": number}
    return text if seconds is None else f"{text}, {about(seconds)}"


def headline(prediction: Prediction) -> str:
    """Return a record in a few words: the title of its page and what a screen reader hears."""
    if prediction.status == Status.FAILED:
        return _("This photo could not be analysed")
    if prediction.status != Status.SUCCEEDED:
        return str(STATUSES[prediction.status])
    if not prediction.label:
        return _("No face found")
    word = EMOTIONS[prediction.label]
    return _("Perhaps %s") % word if prediction.unsure else str(word).capitalize()


@dataclass(frozen=True)
class Verdict:
    """How an answer compares with what most people say; ``kind`` is right, wrong or open."""

    kind: str
    text: str


def verdict(demo: DemoImage) -> Verdict:
    """Judge the network's answer to a picture of the gallery."""
    prediction = demo.prediction
    if not demo.expected:
        return Verdict("open", "" if not prediction.label else _("no agreed answer"))
    if not prediction.label or demo.expected != prediction.label:
        return Verdict("wrong", _("wrong"))
    return Verdict("right", _("right, though unsure") if prediction.unsure else _("right"))
