"""What a list of predictions can be narrowed to."""

from datetime import UTC, datetime

from django.core.exceptions import ValidationError
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


class PredictionFilter(filters.FilterSet):
    status = filters.MultipleChoiceFilter(
        choices=Status.choices, help_text="Repeat it for several states."
    )
    label = filters.MultipleChoiceFilter(
        choices=LABEL_CHOICES, help_text="Emotion of the main face; repeat it for several."
    )
    min_confidence = filters.NumberFilter(
        "confidence", "gte", min_value=0, max_value=1, help_text="Of the main face, 0 to 1."
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
    model_version = filters.CharFilter(help_text="Version of the network, as in `model`.")
