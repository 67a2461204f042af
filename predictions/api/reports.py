"""What a user's records say together, and all of them as one file."""

from collections.abc import Iterator
from datetime import UTC

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response

from predictions import export
from predictions.api import examples, schema
from predictions.api.content import CSVRenderer, JSONLinesRenderer, ZIPRenderer
from predictions.api.filters import PredictionFilter
from predictions.api.serializers import (
    ExportedSerializer,
    ExportSerializer,
    InsightsSerializer,
    PredictionSerializer,
)
from predictions.export_slots import Slots
from predictions.insights import insights
from predictions.models import Prediction
from predictions.quotas import QuotaExceeded

SLOTS = Slots(4)
"""Of each web process, beside its WAITING_THREADS."""

MEDIA_TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson", "zip": "application/zip"}


class TooManyExports(APIException):
    status_code = 503
    code = default_code = "too_many_exports"
    default_detail = gettext_lazy("Too many files are on their way at the moment. Try again soon.")


REFUSALS = (TooManyExports, QuotaExceeded)
"""Why a file may not be sent now; each has ``code`` and ``detail``."""


def attachment(
    predictions: QuerySet, kind: str, context: dict, progress=None
) -> StreamingHttpResponse:
    """Send predictions as a file of one of the MEDIA_TYPES while they are read, newest first.

    ``context`` is that of the serializer, with the request; ``progress`` has a method ``note``,
    which hears how many records were read, and ``watched``, through which the chunks go. Raises
    one of REFUSALS.
    """
    note = progress.note if progress else None

    def record(prediction: Prediction) -> dict:
        return ExportedSerializer(prediction, context=context).data

    if kind == "zip":
        chunks = export.zip_chunks(predictions, record, note)
    elif kind == "jsonl":
        chunks = export.json_lines(export.in_chunks(predictions, note), record)
    else:
        chunks = export.csv_lines(export.in_chunks(predictions, note))
    chunks = progress.watched(chunks) if progress else chunks
    return streamed(context["request"].user, chunks, "emotionsite", kind)


def streamed(user, chunks: Iterator, name: str, kind: str) -> StreamingHttpResponse:
    """Send a user chunks as a file of one of the MEDIA_TYPES, with the day in its name.

    Raises one of REFUSALS.
    """
    content = SLOTS.take(user, chunks)
    if content is None:
        raise TooManyExports
    day = timezone.now().strftime("%Y-%m-%d")
    return StreamingHttpResponse(
        content,
        content_type=MEDIA_TYPES[kind],
        headers={
            "Content-Disposition": f'attachment; filename="{name}-{day}.{kind}"',
            "Cache-Control": "private, no-store",
        },
    )


class _OwnRecords(GenericAPIView):
    """The filters of the list of predictions choose which records count."""

    filter_backends = (DjangoFilterBackend,)
    filterset_class = PredictionFilter
    pagination_class = None
    serializer_class = PredictionSerializer

    def get_queryset(self):
        return Prediction.objects.for_user(self.request.user)


class InsightsView(_OwnRecords):
    @extend_schema(
        summary="Counts of your records: by emotion, by day, and against your corrections",
        filters=True,
        responses={
            200: schema.example(InsightsSerializer, "two photos", examples.INSIGHTS),
            **schema.problems("invalid_input", *schema.CREDENTIALS),
        },
    )
    def get(self, request):
        """Days are those of UTC. In `confusion` your words are the rows, the network's the
        columns, both in the order of the labels."""
        found = insights(self.filter_queryset(self.get_queryset()), UTC)
        return Response(InsightsSerializer(found).data)


class ExportView(_OwnRecords):
    renderer_classes = (CSVRenderer, JSONLinesRenderer, ZIPRenderer)

    @extend_schema(
        summary="Your records as one file",
        filters=True,
        parameters=[
            OpenApiParameter(
                "as",
                str,
                enum=["csv", "jsonl", "zip"],
                default="csv",
                description="Lines of CSV (one a face), JSON lines (one a record), or a ZIP with "
                "both and the photos.",
            )
        ],
        responses={
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/x-ndjson"): OpenApiTypes.STR,
            (200, "application/zip"): OpenApiTypes.BINARY,
            **schema.problems(
                *("invalid_input", *schema.CREDENTIALS, "quota_exceeded", "too_many_exports")
            ),
        },
    )
    def get(self, request):
        """Newest first, sent while it is read: it may be as long as your history."""
        form = ExportSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        predictions = self.filter_queryset(self.get_queryset())
        return attachment(predictions, form.validated_data["as"], self.get_serializer_context())
