"""What the API sends and takes."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from mlcore.labels import LABELS
from predictions import turns
from predictions.limits import AT_ONCE
from predictions.models import LABEL_CHOICES, DemoImage, Face, Photo, Prediction, Status


class BoxSerializer(serializers.Serializer):
    """Pixels of the upright picture; it may reach beyond the picture's edges."""

    x = serializers.IntegerField()
    y = serializers.IntegerField()
    width = serializers.IntegerField(min_value=0)
    height = serializers.IntegerField(min_value=0)


ProbabilitiesSerializer = type(
    "ProbabilitiesSerializer",
    (serializers.Serializer,),
    {
        "__doc__": "The seven probabilities; they sum to 1.",
        **{label: serializers.FloatField(min_value=0, max_value=1) for label in LABELS},
    },
)


class FaceSerializer(serializers.ModelSerializer):
    """One face, largest first."""

    box = BoxSerializer(source="*")
    emoji = serializers.CharField(help_text="The label as one character.")
    probabilities = ProbabilitiesSerializer()
    unsure = serializers.BooleanField(help_text="No emotion stands out enough to be trusted.")
    correction = serializers.SerializerMethodField(
        help_text="What the owner would call this face, or null."
    )

    class Meta:
        model = Face
        fields = (
            "index",
            "box",
            "detection_confidence",
            "label",
            "emoji",
            "confidence",
            "unsure",
            "probabilities",
            "correction",
        )

    @extend_schema_field(serializers.ChoiceField(LABEL_CHOICES, allow_null=True))
    def get_correction(self, face: Face) -> str | None:
        return face.correction or None


class PhotoSerializer(serializers.ModelSerializer):
    """The upload. The URLs lead to clean copies, upright and without metadata; they are null until
    these exist, and for good where the photo is not kept."""

    image_url = serializers.SerializerMethodField()
    thumbnail_url = serializers.SerializerMethodField()

    class Meta:
        model = Photo
        fields = ("name", "width", "height", "bytes", "sha256", "image_url", "thumbnail_url")

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_image_url(self, photo: Photo) -> str | None:
        return self.url(photo, "image") if photo.display else None

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_thumbnail_url(self, photo: Photo) -> str | None:
        return self.url(photo, "thumbnail") if photo.thumbnail else None

    def url(self, photo: Photo, kind: str) -> str:
        return reverse(
            f"api:prediction-{kind}", [photo.prediction.pk], request=self.context["request"]
        )


class DemoPhotoSerializer(PhotoSerializer):
    def url(self, photo: Photo, kind: str) -> str:
        slug = photo.prediction.demo_image.slug
        return reverse(f"api:demo-image-{kind}", [slug], request=self.context["request"])


class NetworkSerializer(serializers.Serializer):
    """The network that answered."""

    name = serializers.CharField(source="model_name")
    version = serializers.CharField(source="model_version")
    sha256 = serializers.CharField(source="model_sha256")


class FailureSerializer(serializers.Serializer):
    """Why it failed: a stable word and one sentence."""

    code = serializers.CharField(source="error_code")
    detail = serializers.CharField(source="error_detail")


class PredictionListSerializer(serializers.ListSerializer):
    """Finds the positions of all queued records at once."""

    def to_representation(self, data):
        predictions = list(data)
        self.context["positions"] = turns.positions(predictions)
        return super().to_representation(predictions)


class PredictionSerializer(serializers.ModelSerializer):
    """One analysis of one photo, from the moment it is accepted.

    ``positions`` in the context are those of ``turns.positions``; where they are missing, a record
    asks for its own.
    """

    queue_position = serializers.SerializerMethodField(
        help_text="How many photos are analysed before this one, 0 for the next; they may be other "
        "users'. Null unless it is queued."
    )
    photo = PhotoSerializer()
    faces = serializers.SerializerMethodField(
        help_text="Largest first; empty until analysed, and where no face was found."
    )
    advice = serializers.SerializerMethodField(
        help_text=(
            "Stable words: `no_face`, `detector_missing`, `face_small`, `faces_left_out`, "
            "`photo_turned`, `too_dark`, `face_turned`, `looks_drawn`; later versions may know "
            "more."
        ),
    )
    model = serializers.SerializerMethodField(help_text="Null until a network has answered.")
    error = serializers.SerializerMethodField(
        help_text="Null unless it failed. Beside an answer: why a new analysis ended without one, "
        "by a failure or `canceled`; the answer is the one from before."
    )

    class Meta:
        model = Prediction
        list_serializer_class = PredictionListSerializer
        fields = (
            "id",
            "status",
            "queue_position",
            "created_at",
            "started_at",
            "finished_at",
            "photo",
            "faces",
            "advice",
            "model",
            "error",
        )

    @extend_schema_field(serializers.IntegerField(min_value=0, allow_null=True))
    def get_queue_position(self, prediction: Prediction) -> int | None:
        positions = self.context.get("positions")
        if positions is None:
            positions = turns.positions([prediction])
        return positions.get(prediction.pk)

    @extend_schema_field(FaceSerializer(many=True))
    def get_faces(self, prediction: Prediction) -> list[dict]:
        if prediction.status != Status.SUCCEEDED:
            return []
        return FaceSerializer(prediction.faces.all(), many=True, context=self.context).data

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_advice(self, prediction: Prediction) -> list[str]:
        return prediction.advice if prediction.status == Status.SUCCEEDED else []

    @extend_schema_field(NetworkSerializer(allow_null=True))
    def get_model(self, prediction: Prediction) -> dict | None:
        return NetworkSerializer(prediction).data if prediction.model_sha256 else None

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_error(self, prediction: Prediction) -> dict | None:
        return FailureSerializer(prediction).data if prediction.error_code else None


class ExportedSerializer(PredictionSerializer):
    """A record in a file, which outlives every position in the queue."""

    class Meta(PredictionSerializer.Meta):
        fields = tuple(
            name for name in PredictionSerializer.Meta.fields if name != "queue_position"
        )


class KeepPhotoField(serializers.BooleanField):
    """Whether the pixels of what is sent outlive the analysis; they do unless it says otherwise."""

    def __init__(self) -> None:
        super().__init__(
            default=True,
            help_text="`false`: the picture goes as soon as it is analysed, and only the numbers "
            "stay. It can neither be shown, explained nor analysed again.",
        )


class UploadSerializer(serializers.Serializer):
    image = serializers.FileField(
        allow_empty_file=True,
        help_text="JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF, told by content.",
    )
    force = serializers.BooleanField(
        default=False, help_text="Analyse a photo anew that you have sent before."
    )
    keep_photo = KeepPhotoField()


class BatchSerializer(serializers.Serializer):
    image = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True),
        min_length=1,
        max_length=AT_ONCE,
        help_text=f"Up to {AT_ONCE} files, together at most as large as ten of the largest may be.",
    )
    force = serializers.BooleanField(
        default=False, help_text="Analyse photos anew that you have sent before."
    )
    keep_photo = KeepPhotoField()


class CorrectionSerializer(serializers.Serializer):
    label = serializers.ChoiceField(
        LABEL_CHOICES, allow_null=True, help_text="Null takes the correction back."
    )


class ExportSerializer(serializers.Serializer):
    """The parameter ``as``, whose name is a word of the language."""

    def get_fields(self):
        return {"as": serializers.ChoiceField(["csv", "jsonl", "zip"], default="csv")}


class EmotionCountSerializer(serializers.Serializer):
    faces = serializers.IntegerField()
    unsure = serializers.IntegerField(help_text="Of these faces.")


class DaySerializer(serializers.Serializer):
    date = serializers.DateField()
    emotions = serializers.DictField(
        child=serializers.IntegerField(), help_text="Faces by emotion."
    )


class CorrectionsSerializer(serializers.Serializer):
    count = serializers.IntegerField()
    agreed = serializers.IntegerField(help_text="Where your word is the network's.")
    confusion = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Rows are your words, columns the network's, in the order of the labels.",
    )


class InsightsSerializer(serializers.Serializer):
    """A user's records, counted."""

    predictions = serializers.DictField(
        child=serializers.IntegerField(), help_text="Records by status."
    )
    without_face = serializers.IntegerField(help_text="Photos on which no face was found.")
    faces = serializers.IntegerField()
    emotions = serializers.DictField(child=EmotionCountSerializer())
    days = DaySerializer(many=True)
    corrections = CorrectionsSerializer()


class FaceIndexSerializer(serializers.Serializer):
    face = serializers.IntegerField(default=0, min_value=0, max_value=32_767)


class DemoImageSerializer(serializers.ModelSerializer):
    """A picture of the public gallery with what the network says of it."""

    expected = serializers.SerializerMethodField(
        help_text="What most people would say; null where they would not agree."
    )
    photo = DemoPhotoSerializer(source="prediction.photo")
    faces = FaceSerializer(source="prediction.faces", many=True)
    advice = serializers.ListField(source="prediction.advice", child=serializers.CharField())
    model = NetworkSerializer(source="prediction")

    class Meta:
        model = DemoImage
        fields = (
            "slug",
            "title",
            "caption",
            "expected",
            "credit",
            "licence",
            "source",
            "photo",
            "faces",
            "advice",
            "model",
        )

    @extend_schema_field(serializers.ChoiceField(LABEL_CHOICES, allow_null=True))
    def get_expected(self, image: DemoImage) -> str | None:
        return image.expected or None


class ModelSerializer(serializers.Serializer):
    """The network that analyses photos at present."""

    name = serializers.CharField()
    version = serializers.CharField()
    sha256 = serializers.CharField(help_text="Of the ONNX file.")
    labels = serializers.ListField(child=serializers.ChoiceField(LABEL_CHOICES))
    temperature = serializers.FloatField(
        help_text="Divides the logits, the mean of those of several views of a face, before the "
        "softmax."
    )
    unsure_threshold = serializers.FloatField(
        help_text="An answer of a lower confidence is unsure."
    )
    dataset = serializers.CharField()
    code_revision = serializers.CharField()
    metrics = serializers.DictField(help_text="Measured on the exported file, by name.")


class FieldErrorSerializer(serializers.Serializer):
    code = serializers.CharField()
    detail = serializers.CharField()


class QuotaSerializer(serializers.Serializer):
    """What is used up of what one user may occupy."""

    name = serializers.ChoiceField(["waiting", "stored", "exports"])
    used = serializers.IntegerField(help_text="Photos, bytes or files.")
    limit = serializers.IntegerField()


class ProblemSerializer(serializers.Serializer):
    """An error as RFC 9457 has it."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="One sentence for people.")
    code = serializers.CharField(help_text="A stable word for programs.")
    request_id = serializers.CharField(help_text="Also in the header X-Request-ID and in our log.")
    errors = serializers.DictField(
        child=FieldErrorSerializer(many=True),
        required=False,
        help_text="Of single fields, by name.",
    )
    quota = QuotaSerializer(required=False, help_text="Beside `quota_exceeded`.")


class OutcomeSerializer(serializers.Serializer):
    """What became of one file of several: a record or an error."""

    index = serializers.IntegerField(help_text="Of the file in the request, from 0.")
    name = serializers.CharField()
    status = serializers.IntegerField(help_text="The status that the file alone would have got.")
    prediction = PredictionSerializer(allow_null=True)
    error = ProblemSerializer(allow_null=True)
