"""The words, examples and errors of the API's description."""

from http import HTTPStatus

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from mlcore.labels import EMOJI
from predictions.api.errors import MEDIA_TYPE, NOT_FOUND
from predictions.api.serializers import PredictionSerializer, ProblemSerializer

PROBLEMS = {
    400: ("invalid_input", "min_confidence: Ensure this value is less than or equal to 1."),
    401: ("not_authenticated", "Authentication credentials were not provided."),
    403: ("insufficient_scope", "This token may only read."),
    404: ("not_found", NOT_FOUND),
    406: ("not_acceptable", "Could not satisfy the request Accept header."),
    409: ("already_finished", "This prediction has already finished."),
    413: ("file_too_large", "This file is larger than 20 MB."),
    415: ("unsupported_format", "This is not a picture we can read."),
    422: ("unreadable_image", "This picture is damaged."),
    429: ("throttled", "Request was throttled."),
    503: ("queue_full", "Too many photos are waiting at the moment."),
}
"""An example of code and sentence for every status of an error."""

PROBABILITIES = {
    "angry": 0.004,
    "disgust": 0.001,
    "fear": 0.006,
    "happy": 0.947,
    "sad": 0.008,
    "surprise": 0.013,
    "neutral": 0.021,
}
QUEUED = {
    "id": "0b0f7c56-6c4f-4f0e-9a0c-3f5a3a6d8f11",
    "status": "queued",
    "created_at": "2026-11-22T10:15:00.120000Z",
    "started_at": None,
    "finished_at": None,
    "photo": {
        "name": "holiday.jpg",
        "width": 1600,
        "height": 1200,
        "bytes": 482113,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "image_url": None,
        "thumbnail_url": None,
    },
    "faces": [],
    "advice": [],
    "model": None,
    "error": None,
}
_URL = f"https://example.org/api/v1/predictions/{QUEUED['id']}"
SUCCEEDED = QUEUED | {
    "status": "succeeded",
    "started_at": "2026-11-22T10:15:00.160000Z",
    "finished_at": "2026-11-22T10:15:00.410000Z",
    "photo": QUEUED["photo"]
    | {"image_url": f"{_URL}/image/", "thumbnail_url": f"{_URL}/thumbnail/"},
    "faces": [
        {
            "index": 0,
            "box": {"x": 612, "y": 240, "width": 318, "height": 318},
            "detection_confidence": 0.99,
            "label": "happy",
            "emoji": EMOJI["happy"],
            "confidence": 0.947,
            "unsure": False,
            "probabilities": PROBABILITIES,
            "correction": None,
        }
    ],
    "model": {
        "name": "vgg19-fer2013",
        "version": "1.0.0",
        "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    },
}


INSIGHTS = {
    "predictions": {"queued": 0, "running": 0, "succeeded": 2, "failed": 0, "canceled": 0},
    "without_face": 1,
    "faces": 1,
    "emotions": {label: {"faces": int(label == "happy"), "unsure": 0} for label in PROBABILITIES},
    "days": [
        {
            "date": "2026-11-22",
            "emotions": {label: int(label == "happy") for label in PROBABILITIES},
        }
    ],
    "corrections": {"count": 0, "agreed": 0, "confusion": [[0] * 7] * 7},
}
OUTCOMES = [
    {"index": 0, "name": "holiday.jpg", "status": 202, "prediction": QUEUED, "error": None},
    {
        "index": 1,
        "name": "notes.txt",
        "status": 415,
        "prediction": None,
        "error": {
            "type": "about:blank",
            "title": "Unsupported Media Type",
            "status": 415,
            "detail": "This is not a picture we can read.",
            "code": "unsupported_format",
            "request_id": "4e1fb1d2a9c14a0f8f2c0f4d6a1b7c55",
        },
    },
]


def record(description: str, example: dict) -> OpenApiResponse:
    """Describe an answer that is one prediction."""
    return OpenApiResponse(
        PredictionSerializer,
        description=description,
        examples=[OpenApiExample(example["status"], example)],
    )


def problems(*statuses: int) -> dict:
    """Describe the errors of a call, by status; 406 and 429 may befall every call."""
    return {(status, MEDIA_TYPE): problem(status) for status in (*statuses, 406, 429)}


def problem(status: int, code: str = "", detail: str = "") -> OpenApiResponse:
    """Describe an error by its usual example, or by this code and sentence."""
    if not code:
        code, detail = PROBLEMS[status]
    title = HTTPStatus(status).phrase
    value = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": "4e1fb1d2a9c14a0f8f2c0f4d6a1b7c55",
    }
    if status == 400:
        field, sentence = detail.split(": ")
        value["errors"] = {field: [{"code": "max_value", "detail": sentence}]}
    return OpenApiResponse(
        ProblemSerializer, description=title, examples=[OpenApiExample(code, value)]
    )


def _response_header(name: str, type: type, description: str, *statuses: int) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        type,
        OpenApiParameter.HEADER,
        description=description,
        response=[str(status) for status in statuses],
    )


PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`wait=N`: answer when the analysis has finished, or after N (0 to 30) seconds.",
    examples=[OpenApiExample("wait", "wait=10")],
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    pattern=r"^[!-~]{1,255}$",
    description="A text of your choice, such as a UUID. The same request with the same key gets "
    "the same answer for a day, and does nothing again.",
    examples=[OpenApiExample("UUID", "5d0a9b0e-6f0e-4b3e-9a53-6c8b1d0c7f42")],
)
IDEMPOTENCY_REPLAYED = _response_header(
    "Idempotency-Replayed", str, "`true` where the answer is one from before.", 200, 201, 202, 207
)
FACE = OpenApiParameter(
    "face",
    {"type": "integer", "minimum": 0, "maximum": 32_767, "default": 0},
    description="Index of the face, largest first.",
)
PREFERENCE_APPLIED = _response_header(
    "Preference-Applied", str, "The `wait` that was granted.", 200, 201, 202, 207
)
LOCATION = _response_header("Location", str, "Where the record is.", 200, 201, 202)
RETRY_AFTER = _response_header(
    "Retry-After", int, "Seconds after which to ask again.", 202, 429, 503
)
ETAG = _response_header("ETag", str, "Send it back as `If-None-Match`.", 200, 304)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="An `ETag` that you know."
)
NOT_MODIFIED = OpenApiResponse(description="Nothing has changed since the `ETag` that you sent.")
