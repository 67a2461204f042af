"""A user's own predictions. Everything starts from ``Prediction.objects.for_user``."""

from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.viewsets import GenericViewSet

from predictions import services, uploads
from predictions.api import schema
from predictions.api.content import FORMS, JPEGRenderer, PhotoParser
from predictions.api.filters import PredictionFilter
from predictions.api.pagination import NewestFirst
from predictions.api.serializers import (
    CorrectionSerializer,
    FaceSerializer,
    PredictionSerializer,
    UploadSerializer,
)
from predictions.api.waiting import preferred_wait, wait_until_finished
from predictions.models import Prediction
from predictions.pictures import own_picture

RETRY_AFTER = 1
"""Seconds in which a photo is usually done."""

PICTURE = {(200, "image/jpeg"): OpenApiTypes.BINARY, **schema.problems(401, 404)}


@extend_schema_view(
    list=extend_schema(
        summary="Your predictions, newest first",
        responses={200: PredictionSerializer(many=True), **schema.problems(400, 401)},
    ),
    retrieve=extend_schema(
        summary="One prediction",
        parameters=[schema.IF_NONE_MATCH, schema.ETAG],
        responses={
            200: schema.record("The record.", schema.SUCCEEDED),
            304: schema.NOT_MODIFIED,
            **schema.problems(401, 404),
        },
    ),
)
class PredictionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet):
    serializer_class = PredictionSerializer
    filter_backends = (DjangoFilterBackend,)
    filterset_class = PredictionFilter
    pagination_class = NewestFirst
    parser_classes = (PhotoParser,)
    lookup_value_converter = "uuid"

    def get_queryset(self):
        return Prediction.objects.for_user(self.request.user).prefetch_related("faces")

    @method_decorator(conditional_page)
    def retrieve(self, request, *args, **kwargs):
        response = super().retrieve(request, *args, **kwargs)
        response["Cache-Control"] = "private, no-cache"
        return response

    @extend_schema(
        summary="Send a photo",
        request={"multipart/form-data": UploadSerializer},
        parameters=[
            schema.PREFER,
            schema.PREFERENCE_APPLIED,
            schema.LOCATION,
            schema.RETRY_AFTER,
        ],
        responses={
            200: schema.record("You have sent this very photo before.", schema.SUCCEEDED),
            201: schema.record("Analysed within the time that you wait.", schema.SUCCEEDED),
            202: schema.record("Accepted; ask again at `Location`.", schema.QUEUED),
            **schema.problems(400, 401, 403, 413, 415, 422, 503),
        },
    )
    def create(self, request):
        """The photo is kept without metadata; the original bytes go once it is analysed."""
        images = request.FILES.getlist("image")
        if len(images) > 1:
            raise ValidationError({"image": ["Send one photo a request."]})
        form = UploadSerializer(
            data=dict(request.query_params.items()) | dict(request.data.items())
        )
        form.is_valid(raise_exception=True)
        prediction, is_new = services.submit(
            request.user,
            uploads.validate(form.validated_data["image"]),
            force=form.validated_data["force"],
        )
        headers = {}
        seconds = preferred_wait(request.headers.get("Prefer", ""))
        if seconds is not None:
            wait_until_finished(prediction, seconds)
            headers["Preference-Applied"] = f"wait={seconds}"
        if not is_new:
            return self._record(prediction, status.HTTP_200_OK, headers)
        done = prediction.is_finished
        return self._record(
            prediction, status.HTTP_201_CREATED if done else status.HTTP_202_ACCEPTED, headers
        )

    def _record(self, prediction: Prediction, code: int, headers: dict | None = None) -> Response:
        """Answer with a record, where it is, and if it has not finished when to ask again."""
        location = reverse("api:prediction-detail", [prediction.pk], request=self.request)
        headers = {"Location": location, **(headers or {})}
        if not prediction.is_finished:
            headers["Retry-After"] = str(RETRY_AFTER)
        return Response(self.get_serializer(prediction).data, code, headers=headers)

    @extend_schema(
        summary="Delete a prediction with its photo",
        responses={204: OpenApiResponse(description="Gone."), **schema.problems(401, 403, 404)},
    )
    def destroy(self, request, **kwargs):
        services.delete(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Analyse a photo again",
        request=None,
        parameters=[schema.LOCATION, schema.RETRY_AFTER],
        responses={
            202: schema.record("Queued again.", schema.QUEUED),
            **schema.problems(401, 403, 404, 409),
        },
    )
    @action(detail=True, methods=["post"], parser_classes=FORMS)
    def rerun(self, request, **kwargs):
        prediction = self.get_object()
        services.rerun(prediction)
        return self._record(prediction, status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Cancel what has not finished",
        request=None,
        parameters=[schema.LOCATION],
        responses={
            202: schema.record("Canceled.", schema.QUEUED | {"status": "canceled"}),
            **schema.problems(401, 403, 404, 409),
        },
    )
    @action(detail=True, methods=["post"], parser_classes=FORMS)
    def cancel(self, request, **kwargs):
        prediction = self.get_object()
        services.cancel(prediction)
        return self._record(prediction, status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Say what you would call a face",
        request=CorrectionSerializer,
        responses={200: FaceSerializer, **schema.problems(400, 401, 403, 404, 415)},
    )
    @action(
        detail=True,
        methods=["put"],
        url_path="faces/<int:index>/correction",
        parser_classes=FORMS,
    )
    def correction(self, request, index, **kwargs):
        """Your word stands beside the answer; it changes nothing in it."""
        face = get_object_or_404(self.get_object().faces, index=index)
        form = CorrectionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        services.correct(face, form.validated_data["label"] or "")
        return Response(FaceSerializer(face).data)

    @extend_schema(summary="The photo, upright and without metadata", responses=PICTURE)
    @action(detail=True, renderer_classes=[JPEGRenderer])
    def image(self, request, pk):
        return own_picture(request, pk=pk, kind="image")

    @extend_schema(summary="The photo, small", responses=PICTURE)
    @action(detail=True, renderer_classes=[JPEGRenderer])
    def thumbnail(self, request, pk):
        return own_picture(request, pk=pk, kind="thumbnail")
