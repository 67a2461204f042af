"""Forms of the pages."""

from django import forms
from django.utils.translation import gettext_lazy as _

from predictions.models import LABEL_CHOICES, Status
from predictions.pages.wording import EMOTIONS


class NoticeForm(forms.Form):
    """The agreement that is asked for before a user's first upload."""

    notice = forms.BooleanField(
        label=_("I have read this, and the people in my photos know."),
        error_messages={"required": _("Please agree to the notice before you upload photos.")},
    )


class HistoryFilter(forms.Form):
    """What the history shows; a value that makes no sense shows everything."""

    emotion = forms.ChoiceField(
        label=_("Emotion"),
        required=False,
        choices=[("", _("all emotions")), *EMOTIONS.items(), ("none", _("no face"))],
    )
    status = forms.ChoiceField(
        label=_("Status"),
        required=False,
        choices=[
            ("", _("every state")),
            ("unfinished", _("in progress")),
            (Status.SUCCEEDED, _("done")),
            (Status.FAILED, _("failed")),
            (Status.CANCELED, _("canceled")),
        ],
    )


class CorrectionForm(forms.Form):
    """What the owner would call a face; empty takes the correction back."""

    label = forms.ChoiceField(required=False, choices=[("", ""), *LABEL_CHOICES])
