"""Answers as they look, for the API's description."""

from mlcore.labels import EMOJI, LABELS
from predictions.uploads import explain

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
    "queue_position": 7,
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
    "queue_position": None,
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
        "version": "2026.11.22",
        "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    },
}

CANCELED = QUEUED | {"status": "canceled", "queue_position": None}
NOT_KEPT = SUCCEEDED | {"photo": QUEUED["photo"]}
CORRECTED = SUCCEEDED["faces"][0] | {"correction": "surprise"}
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
TAKEN = {"index": 0, "name": "holiday.jpg", "status": 202, "prediction": QUEUED, "error": None}
REFUSED = {
    "index": 1,
    "name": "notes.txt",
    "status": 415,
    "prediction": None,
    "error": {
        "type": "about:blank",
        "title": "Unsupported Media Type",
        "status": 415,
        "detail": explain("unsupported_format"),
        "code": "unsupported_format",
        "request_id": "4e1fb1d2a9c14a0f8f2c0f4d6a1b7c55",
    },
}
DEMO_IMAGE = {
    "slug": "astronaut",
    "title": "An astronaut",
    "caption": "A broad smile is what the network knows best.",
    "expected": "happy",
    "credit": "NASA",
    "licence": "Public domain",
    "photo": SUCCEEDED["photo"]
    | {
        "image_url": "https://example.org/api/v1/demo-images/astronaut/image/",
        "thumbnail_url": "https://example.org/api/v1/demo-images/astronaut/thumbnail/",
    },
    "source": "https://images.nasa.gov/",
    **{name: SUCCEEDED[name] for name in ("faces", "advice", "model")},
}
MODEL = {
    **SUCCEEDED["model"],
    "labels": list(LABELS),
    "temperature": 0.88,
    "unsure_threshold": 0.63,
    "dataset": "FER2013 training split, with FER+ votes as soft targets",
    "code_revision": "9885504",
    "metrics": {"PrivateTest": {"count": 3589, "accuracy": 0.637}},
}
