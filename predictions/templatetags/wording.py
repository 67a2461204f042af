"""The wording of the pages as template filters."""

from django import template

from mlcore.labels import EMOJI
from predictions.pages import wording

register = template.Library()

register.filter("about", wording.about)
register.filter("percent", wording.percent)
register.filter("advise", wording.advise)
register.filter("remedy", wording.remedy)
register.filter("setback", wording.setback)
register.filter("failure", wording.failure)


@register.filter
def emotion(label: str) -> str:
    return wording.EMOTIONS.get(label, label)


@register.filter
def emoji(label: str) -> str:
    return EMOJI.get(label, "")


@register.filter
def status_word(status: str) -> str:
    return wording.STATUSES.get(status, status)


@register.filter
def sureness(face) -> str:
    """Say how sure the network is of a Face, or of a Prediction's main face."""
    return wording.sureness(face.confidence, face.unsure)


@register.filter
def bar(share: float) -> str:
    """Return the length of a bar of 100 units, in a form that SVG reads in every language."""
    return f"{share * 100:.1f}"


@register.filter
def times(unit: float, factor: int) -> str:
    return f"{unit * factor:.1f}"


@register.filter
def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


@register.filter
def percent_precise(share: float) -> str:
    return f"{share * 100:.1f}%"


register.filter("headline", wording.headline)
register.filter("verdict", wording.verdict)
