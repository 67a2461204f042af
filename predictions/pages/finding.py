"""Finding photos in a history: what it is narrowed to, and its order."""

from datetime import UTC, date, datetime, time

from django import forms
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from predictions.models import UNFINISHED, Face, PredictionQuerySet, Status, name_key
from predictions.pages.wording import EMOTIONS

NEWEST = ("-created_at", "-id")
# Each goes along an index of its own, forwards or backwards.
ORDERS = {
    "": NEWEST,
    "oldest": ("created_at", "id"),
    "sure": (F("confidence").desc(nulls_last=True), *NEWEST),
    "unsure": (F("confidence").asc(nulls_last=True), "created_at", "id"),
    "name": ("name_key", *NEWEST),
}
NO_CHOICE = {"invalid_choice": _("there is no such choice, so it is left out.")}
NO_DAY = {"invalid": _("this is no day of the calendar, so it is left out.")}


def _day(label: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=widget,
        error_messages=NO_DAY,
    )


def _choice(label: str, *choices: tuple[str, str]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, choices=choices, error_messages=NO_CHOICE)


def _moment(day: date, hour: time) -> datetime:
    """Return a moment of the reader's day."""
    try:
        return datetime.combine(day, hour, timezone.get_current_timezone()).astimezone(UTC)
    except OverflowError:  # Within a day of the calendar's first or last.
        return datetime.combine(day, hour, UTC)


class HistoryFilter(forms.Form):
    """What the history shows; a value that makes no sense is left out, and an error says so."""

    name = forms.CharField(
        label=_("File name contains"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search"}),
        error_messages={"max_length": _("no name is as long as this, so it is left out.")},
    )
    sort = _choice(
        _("Order"),
        ("", _("newest first")),
        ("oldest", _("oldest first")),
        ("sure", _("most sure first")),
        ("unsure", _("least sure first")),
        ("name", _("by file name")),
    )
    emotion = _choice(
        _("Emotion"), ("", _("all emotions")), *EMOTIONS.items(), ("none", _("no face"))
    )
    sureness = _choice(
        _("Sureness"),
        ("", _("all answers")),
        ("sure", _("sure of the largest face")),
        ("unsure", _("unsure of the largest face")),
        ("corrected", _("with my own word")),
    )
    status = _choice(
        _("Status"),
        ("", _("every state")),
        ("unfinished", _("in progress")),
        (Status.SUCCEEDED, _("done")),
        (Status.FAILED, _("failed")),
        (Status.CANCELED, _("canceled")),
    )
    since = _day(_("From"))
    until = _day(_("Until"))

    def clean(self) -> dict:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", _("this day is before the first one, so it is left out."))
        return self.cleaned_data

    def problems(self) -> list[tuple[forms.BoundField, str]]:
        """Return the fields that are left out, each with the reason."""
        return [(self[name], errors[0]) for name, errors in self.errors.items()]

    def chosen(self) -> dict[str, str]:
        """Return what narrows the history: names of fields, and their values in words."""
        words = {}
        for name, value in self.cleaned_data.items():
            if name == "sort" or not value:
                continue
            if isinstance(self.fields[name], forms.ChoiceField):
                value = dict(self.fields[name].choices)[value]
            elif isinstance(self.fields[name], forms.DateField):
                value = date_format(value, "j M Y")
            words[name] = f"{self[name].label}: {value}"
        return words

    def narrow(self, predictions: PredictionQuerySet) -> PredictionQuerySet:
        """Return those of the predictions that fit, in the order that was asked for."""
        wish = {name: value for name, value in self.cleaned_data.items() if value}
        emotion, status, sureness = (wish.get(n) for n in ("emotion", "status", "sureness"))
        if emotion == "none":
            predictions = predictions.filter(status=Status.SUCCEEDED, label="")
        elif emotion:
            others = Face.objects.filter(label=emotion, index__gt=0)
            # While a photo is analysed again, the faces of its old answer are still there.
            any_other = Q(pk__in=others.values("prediction"), status=Status.SUCCEEDED)
            predictions = predictions.filter(Q(label=emotion) | any_other)
        if status == "unfinished":
            predictions = predictions.filter(status__in=UNFINISHED)
        elif status:
            predictions = predictions.filter(status=status)
        if sureness == "corrected":
            corrected = Face.objects.filter(prediction=OuterRef("pk"), corrected_at__isnull=False)
            predictions = predictions.filter(Exists(corrected))
        elif sureness:
            predictions = predictions.filter(unsure=sureness == "unsure")
        if "since" in wish:
            predictions = predictions.filter(created_at__gte=_moment(wish["since"], time.min))
        if "until" in wish:
            predictions = predictions.filter(created_at__lte=_moment(wish["until"], time.max))
        if "name" in wish:
            predictions = predictions.filter(name_key__contains=name_key(wish["name"]))
        return predictions.order_by(*ORDERS[wish.get("sort", "")])
