"""A user's own predictions. Everything starts from ``Prediction.objects.for_user``."""

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from predictions import explanations, removal, services, turns, uploads
from predictions.api import examples, schema
from predictions.api.content import FORMS, BatchParser, JPEGRenderer, PhotoParser, WholeBodyMixin
from predictions.api.errors import describe
from predictions.api.filters import PredictionFilter
from predictions.api.idempotency import idempotent
from predictions.api.pagination import NewestFirst
from predictions.api.serializers import (
    BatchSerializer,
    CorrectionSerializer,
    FaceIndexSerializer,
    FaceSerializer,
    OutcomeSerializer,
    PredictionSerializer,
    UploadSerializer,
)
from predictions.api.throttling import AddressThrottle, DrawingThrottle, UserThrottle
from predictions.api.waiting import preferred_wait, wait_until_finished
from predictions.models import Prediction, Status
from predictions.pictures import own_picture, picture_response
from predictions.unavailable import unavailable

RETRY_AFTER = 1
"""Seconds in which a photo is usually done."""

DRAWING_SECONDS = 10
"""How long a request waits for an explanation unless it prefers another time."""

PICTURE = {
    (200, "image/jpeg"): OpenApiTypes.BINARY,
    **schema.problems(*schema.CREDENTIALS, "not_found"),
}


@extend_schema_view(
    list=extend_schema(
        summary="Your predictions, newest first",
        responses={
            200: schema.example(PredictionSerializer(many=True), "a page", examples.SUCCEEDED),
            **schema.problems("invalid_input", *schema.CREDENTIALS),
        },
    ),
    retrieve=extend_schema(
        summary="One prediction",
        parameters=[schema.IF_NONE_MATCH, schema.ETAG],
        responses={
            200: schema.record("The record.", examples.SUCCEEDED),
            304: schema.NOT_MODIFIED,
            **schema.problems(*schema.CREDENTIALS, "not_found"),
        },
    ),
)
class PredictionViewSet(
    WholeBodyMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet
):
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
            schema.IDEMPOTENCY_KEY,
            schema.IDEMPOTENCY_REPLAYED,
            schema.LOCATION,
            schema.RETRY_AFTER,
        ],
        responses={
            200: schema.record("You have sent this very photo before.", examples.SUCCEEDED),
            201: OpenApiResponse(
                PredictionSerializer,
                description="Analysed within the time that you wait.",
                examples=[
                    OpenApiExample("succeeded", examples.SUCCEEDED),
                    OpenApiExample("photo not kept", examples.NOT_KEPT),
                ],
            ),
            202: schema.record("Accepted; ask again at `Location`.", examples.QUEUED),
            **schema.problems(
                *("invalid_input", *schema.WRITING, *schema.ONE_FILE, *schema.KEY),
                *("account_deleted", "file_too_large", "unsupported_media_type", "queue_full"),
                "quota_exceeded",
            ),
        },
    )
    @idempotent
    def create(self, request):
        """The photo is kept without metadata, or with `keep_photo=false` not at all; the original
        bytes go once it is analysed. The people in it should know that you have it analysed, and
        agree: the notice that the upload page shows holds for programs, too."""
        images = request.FILES.getlist("image")
        if len(images) > 1:
            raise ValidationError({"image": ["Send one photo here, or several to batch/."]})
        form = self._form(UploadSerializer)
        prediction, is_new = self._submit(uploads.validate(form["image"], owner=request.user), form)
        headers = self._wait([prediction])
        if prediction.is_deleted:
            raise Http404
        done = status.HTTP_201_CREATED if prediction.is_finished else status.HTTP_202_ACCEPTED
        return self._record(prediction, done if is_new else status.HTTP_200_OK, headers)

    @extend_schema(
        summary="Send several photos",
        request={"multipart/form-data": BatchSerializer},
        parameters=[
            schema.PREFER,
            schema.PREFERENCE_APPLIED,
            schema.IDEMPOTENCY_KEY,
            schema.IDEMPOTENCY_REPLAYED,
        ],
        responses={
            207: OpenApiResponse(
                OutcomeSerializer(many=True),
                description="One outcome a file, in the order in which they were sent.",
                examples=[
                    OpenApiExample("taken", examples.TAKEN),
                    OpenApiExample("refused", examples.REFUSED),
                ],
            ),
            **schema.problems(
                *("invalid_input", *schema.WRITING, *schema.KEY),
                *("request_too_large", "unsupported_media_type"),
            ),
        },
    )
    @action(detail=False, methods=["post"], parser_classes=[BatchParser], pagination_class=None)
    @idempotent
    def batch(self, request):
        """A file that is refused is no hindrance to the others: each has a status of its own."""
        form = self._form(BatchSerializer, image=request.FILES.getlist("image"))
        outcomes, taken = [], []
        for index, image in enumerate(form["image"]):
            outcome = {"index": index, "name": uploads.clean_name(image.name or "")}
            try:
                prediction, is_new = self._submit(uploads.validate(image, owner=request.user), form)
            except (uploads.UploadError, *services.REFUSALS) as error:
                outcome |= self._refused(error)
            except Exception as error:
                if not unavailable(error):
                    raise
                outcome |= self._refused(error)
            else:
                taken.append(prediction)
                code = status.HTTP_202_ACCEPTED if is_new else status.HTTP_200_OK
                outcome |= {"status": code, "prediction": prediction, "error": None}
            outcomes.append(outcome)
        headers = self._wait(taken)
        for outcome in outcomes:
            prediction = outcome["prediction"]
            if prediction and prediction.is_deleted:
                outcome |= self._refused(Http404())
            elif prediction and prediction.is_finished and outcome["status"] == 202:
                outcome["status"] = status.HTTP_201_CREATED
        # What was turned away for now may be sent again, also under the same key.
        statuses = {outcome["status"] for outcome in outcomes}
        if statuses & {404, 429, 503}:
            headers["Retry-After"] = str(services.QueueFull.retry_after)
        is_final = not statuses & {403, 404, 429, 503}
        context = self.get_serializer_context() | {"positions": turns.positions(taken)}
        answer = OutcomeSerializer(outcomes, many=True, context=context)
        response = Response(answer.data, status.HTTP_207_MULTI_STATUS, headers=headers)
        response.predictions = taken if is_final else None
        return response

    def _submit(self, upload: uploads.Upload, form: dict) -> tuple[Prediction, bool]:
        """Submit a photo as the form says, unless a lost request under the same key has done so."""
        key = self.request.idempotency_key
        if key is not None:
            made = key.predictions.select_related("photo").filter(photo__sha256=upload.sha256)
            if prediction := made.first():
                return prediction, True
        return services.submit(
            self.request.user,
            upload,
            force=form["force"],
            keep_photo=form["keep_photo"],
            urgent=bool(preferred_wait(self.request.headers.get("Prefer", ""))),
            key=key,
        )

    def _refused(self, error: Exception) -> dict:
        problem, _headers = describe(error, self.request)
        return {"status": problem["status"], "prediction": None, "error": problem}

    def _form(self, serializer: type[Serializer], **fields) -> dict:
        """Return the checked fields of a form; those of the address count where it has none."""
        given = dict(self.request.query_params.items()) | dict(self.request.data.items()) | fields
        form = serializer(data=given)
        form.is_valid(raise_exception=True)
        return form.validated_data

    def _wait(self, predictions: list[Prediction]) -> dict[str, str]:
        """Wait as the request prefers it, and return the header that says so."""
        seconds = preferred_wait(self.request.headers.get("Prefer", ""))
        if seconds is None or not wait_until_finished(predictions, seconds):
            return {}
        return {"Preference-Applied": f"wait={seconds}"}

    def _record(self, prediction: Prediction, code: int, headers: dict | None = None) -> Response:
        """Answer with a record, where it is, and if it has not finished when to ask again."""
        location = reverse("api:prediction-detail", [prediction.pk], request=self.request)
        headers = {"Location": location, **(headers or {})}
        if not prediction.is_finished:
            headers["Retry-After"] = str(RETRY_AFTER)
        response = Response(self.get_serializer(prediction).data, code, headers=headers)
        response.predictions = [prediction]
        return response

    @extend_schema(
        summary="Delete a prediction with its photo",
        responses={
            204: OpenApiResponse(description="Gone."),
            **schema.problems(*schema.WRITING, "not_found"),
        },
    )
    def destroy(self, request, **kwargs):
        removal.delete(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Analyse a photo again",
        request=None,
        parameters=[schema.LOCATION, schema.RETRY_AFTER],
        responses={
            202: schema.record("Queued again.", examples.QUEUED),
            **schema.problems(
                *(*schema.WRITING, "not_found", "not_finished", "photo_missing", "queue_full"),
                "quota_exceeded",
            ),
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
            202: schema.record(
                "Canceled; `succeeded` where there is an answer from before, which holds on.",
                examples.CANCELED,
            ),
            **schema.problems(*schema.WRITING, "not_found", "already_finished"),
        },
    )
    @action(detail=True, methods=["post"], parser_classes=FORMS)
    def cancel(self, request, **kwargs):
        prediction = self.get_object()
        services.cancel(prediction)
        return self._record(prediction, status.HTTP_202_ACCEPTED)

    @extend_schema(
        summary="Say what you would call a face",
        request={"application/json": CorrectionSerializer},
        responses={
            200: schema.example(FaceSerializer, "corrected", examples.CORRECTED),
            **schema.problems(
                *("invalid_input", "parse_error", *schema.WRITING, "not_found", "not_finished"),
                *("request_too_large", "unsupported_media_type"),
            ),
        },
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

    @extend_schema(
        summary="Where on a face the answer comes from",
        parameters=[schema.FACE, schema.PREFER, schema.RETRY_AFTER],
        responses={
            (200, "image/jpeg"): OpenApiTypes.BINARY,
            202: OpenApiResponse(description="Still being drawn; ask again."),
            **schema.problems(
                *("invalid_input", *schema.CREDENTIALS, "not_found"),
                *("not_finished", "photo_missing", "model_changed", "not_explained"),
                *("model_unavailable",),
            ),
        },
    )
    @action(
        detail=True,
        renderer_classes=[JPEGRenderer],
        throttle_classes=[AddressThrottle, UserThrottle, DrawingThrottle],
    )
    def explanation(self, request, pk):
        """384 x 384 pixels of the face. Warm colour marks what the answer rests on: where a grey
        patch makes it less probable; cold colour what speaks against it. It is drawn when it is
        first asked for, which takes a second or two; without `Prefer` you wait up to 10."""
        prediction = self.get_object()
        if prediction.status != Status.SUCCEEDED:
            raise services.NotAllowed("not_finished", "There is no answer to explain.")
        form = FaceIndexSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        face = get_object_or_404(prediction.faces, index=form.validated_data["face"])
        seconds = preferred_wait(request.headers.get("Prefer", ""))
        jpeg = explanations.picture(face, DRAWING_SECONDS if seconds is None else seconds)
        if jpeg is None:
            return HttpResponse(status=202, headers={"Retry-After": str(RETRY_AFTER)})
        return picture_response(jpeg, "private, no-cache")
