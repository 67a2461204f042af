"""Forms of the pages."""

from django import forms
from django.utils.translation import gettext_lazy as _

from predictions.models import LABEL_CHOICES


class NoticeForm(forms.Form):
    """The agreement that is asked for before a user's first upload."""

    notice = forms.BooleanField(
        label=_("I have read this, and the people in my photos know."),
        error_messages={"required": _("Please agree to the notice before you upload photos.")},
    )


class CorrectionForm(forms.Form):
    """What the owner would call a face; empty takes the correction back."""

    label = forms.ChoiceField(required=False, choices=[("", ""), *LABEL_CHOICES])


def whole_number(text: str) -> int:
    """Return what a page sends as a number; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
