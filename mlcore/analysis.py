"""Photo -> faces with their emotions."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mlcore.classification import EmotionClassifier
from mlcore.detection import (
    Box,
    Detection,
    detect_faces,
    detector_available,
    is_photo_turned,
)
from mlcore.explanation import draw_map, occlusion_map
from mlcore.framing import crop_face, whole_picture
from mlcore.images import MAX_PIXELS, Photo, Source, load_photo
from mlcore.labels import LABELS
from mlcore.model_info import ModelInfo
from mlcore.preprocessing import FACE_SIZE
from mlcore.quality import is_dark, is_turned, looks_drawn

MAX_FACES = 64
"""Of a crowd, the largest faces are analysed."""


@dataclass(frozen=True)
class Face:
    """One face and what the network says of it.

    ``box`` is what the detector marked, or the whole picture where nobody looked for faces;
    ``detection_confidence`` is 0...1, and 1 for a face that the caller cropped, 0 where the
    detector is missing; ``probabilities`` maps the seven LABELS to 0...1; ``confidence`` is the
    probability of ``label``; ``unsure`` says that it is below the model's threshold.
    """

    box: Box
    detection_confidence: float
    probabilities: Mapping[str, float]
    label: str
    confidence: float
    unsure: bool


@dataclass(frozen=True)
class Timings:
    """Seconds spent on each step; ``decode`` is 0 for a decoded photo that told no time."""

    decode: float
    detect: float
    classify: float
    total: float


@dataclass(frozen=True)
class Analysis:
    """The faces of one photo, largest first, at most MAX_FACES.

    ``width`` and ``height`` are the pixels of the upright original. ``advice`` holds stable words
    that help to get or to read an answer: ``no_face``; ``detector_missing`` (the whole picture
    counted as one face); ``face_small`` (a face has fewer pixels than those that the network
    learned from); ``faces_left_out`` (there are more than MAX_FACES); ``photo_turned`` (it lies on
    its side or stands on its head; see mlcore.detection); and of the largest face ``too_dark``
    (also of a photo without a face), ``face_turned`` (it shows its side) and ``looks_drawn``;
    mlcore.quality says how these three were measured.
    """

    faces: tuple[Face, ...]
    width: int
    height: int
    model: ModelInfo
    timings: Timings
    advice: tuple[str, ...]


class EmotionAnalyser:
    """Decodes, finds faces and classifies them; one instance may serve many threads.

    The arguments and errors are those of EmotionClassifier; ``max_pixels`` is load_photo's.
    """

    def __init__(
        self,
        model_path: Path | str | None = None,
        threads: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._classifier = EmotionClassifier(model_path, threads)
        self._max_pixels = max_pixels

    @property
    def model(self) -> ModelInfo:
        return self._classifier.model

    def analyse(self, photo: Source | Photo, faces_are_cropped: bool = False) -> Analysis:
        """Analyse a path, bytes, binary file, Pillow image, or what load_photo made of one.

        With ``faces_are_cropped`` the whole picture is taken for one face in FER2013's framing.
        A photo without a face is an Analysis with no faces. Raises UnreadableImage.
        """
        started = time.perf_counter()
        decoded = started
        if not isinstance(photo, Photo):
            photo = load_photo(photo, max_pixels=self._max_pixels)
            decoded = time.perf_counter()
        # The decoder's process has measured itself.
        started -= photo.decode_seconds
        advice = []
        whole = Box(0, 0, photo.width, photo.height)
        if faces_are_cropped:
            detections: tuple[Detection, ...] = (Detection(whole, 1.0),)
        elif not detector_available():
            detections = (Detection(whole, 0.0),)
            advice.append("detector_missing")
        else:
            found = detect_faces(photo)
            largest_first = sorted(found, key=lambda face: -face.box.width * face.box.height)
            detections = tuple(largest_first[:MAX_FACES])
            if not detections:
                advice.append("no_face")
            if len(found) > MAX_FACES:
                advice.append("faces_left_out")
            if is_photo_turned(photo, found):
                advice.append("photo_turned")
        detected = time.perf_counter()
        crops = [
            whole_picture(photo) if face.box == whole else crop_face(photo, face.box)
            for face in detections
        ]
        if any(crop.width < FACE_SIZE for crop in crops):
            advice.append("face_small")
        if is_dark(crops[0] if crops else photo.image):
            advice.append("too_dark")
        if detections and is_turned(detections[0].points):
            advice.append("face_turned")
        if detections and detections[0].box != whole and looks_drawn(crops[0]):
            advice.append("looks_drawn")
        rows = self._classifier.predict(crops)
        faces = tuple(
            self._face(detection, row) for detection, row in zip(detections, rows, strict=True)
        )
        finished = time.perf_counter()
        timings = Timings(
            decoded - started, detected - decoded, finished - detected, finished - started
        )
        return Analysis(faces, photo.width, photo.height, self.model, timings, tuple(advice))

    def explain(self, photo: Source | Photo, box: Box, label: str) -> Image.Image:
        """Return a 384 x 384 RGB picture of the face in ``box``: where ``label`` comes from.

        ``box`` is one that ``analyse`` returned for this photo, and ``label`` one of LABELS; see
        mlcore.explanation. Raises UnreadableImage.
        """
        if not isinstance(photo, Photo):
            photo = load_photo(photo, max_pixels=self._max_pixels)
        whole = box == Box(0, 0, photo.width, photo.height)
        face = whole_picture(photo) if whole else crop_face(photo, box)
        return draw_map(face, occlusion_map(self._classifier, face, label))

    def _face(self, detection: Detection, row: np.ndarray) -> Face:
        probabilities = {label: float(value) for label, value in zip(LABELS, row, strict=True)}
        label = max(probabilities, key=probabilities.__getitem__)
        return Face(
            box=detection.box,
            detection_confidence=detection.confidence,
            probabilities=probabilities,
            label=label,
            confidence=probabilities[label],
            unsure=probabilities[label] < self.model.unsure_threshold,
        )
