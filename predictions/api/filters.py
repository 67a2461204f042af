"""What a list of predictions can be narrowed to."""

from datetime import UTC, datetime

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from predictions.models import LABEL_CHOICES, Status

BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}


def validate_moment(moment: datetime) -> None:
    """Raise ValidationError where a moment leaves the calendar once it is expressed in UTC."""
    try:
        moment.astimezone(UTC)
    except OverflowError as error:
        raise ValidationError("This moment is out of range.", "invalid") from error


class StrictForm(forms.Form):
    """A filter that is named must say something; an empty one is no wish for everything."""

    def clean(self) -> dict:
        for name in self.fields:
            if name in self.data and not all(self.data.getlist(name)):
                self.add_error(name, ValidationError("This filter is empty.", "empty"))
        return self.cleaned_data


class PredictionFilter(filters.FilterSet):
    class Meta:
        form = StrictForm

    status = filters.MultipleChoiceFilter(
        choices=Status.choices, distinct=False, help_text="Repeat it for several states."
    )
    label = filters.MultipleChoiceFilter(
        choices=LABEL_CHOICES,
        distinct=False,
        help_text="Emotion of the main face; repeat it for several.",
    )
    min_confidence = extend_schema_field({"type": "number", "minimum": 0, "maximum": 1})(
        filters.NumberFilter(
            "confidence", "gte", min_value=0, max_value=1, help_text="Of the main face, 0 to 1."
        )
    )
    unsure = extend_schema_field(OpenApiTypes.BOOL)(
        filters.TypedChoiceFilter(
            choices=[(text, text) for text in BOOLEANS],
            coerce=BOOLEANS.get,
            help_text="Whether the answer for the main face is unsure.",
        )
    )
    created_after = filters.IsoDateTimeFilter(
        "created_at", "gt", validators=[validate_moment], help_text="ISO 8601, exclusive."
    )
    created_before = filters.IsoDateTimeFilter(
        "created_at", "lt", validators=[validate_moment], help_text="ISO 8601, exclusive."
    )
    model_version = extend_schema_field({"type": "string", "pattern": "^[!-~]{1,60}$"})(
        filters.CharFilter(
            strip=False,
            validators=[RegexValidator(r"\A[!-~]{1,60}\Z", "This is no version.")],
            help_text="Version of the network, as in `model`.",
        )
    )
