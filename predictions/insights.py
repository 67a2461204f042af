"""What a user's records say together: how often which emotion, when, and how often it was right."""

from collections import defaultdict
from datetime import tzinfo

from django.db.models import Count, Q
from django.db.models.functions import TruncDate

from mlcore.labels import LABELS
from predictions.models import Face, PredictionQuerySet, Status


def insights(predictions: PredictionQuerySet, zone: tzinfo) -> dict:
    """Count records by status, and their faces by emotion, by day and by the owner's corrections.

    Days are those of ``zone``. A correction to the same word is an agreement; in ``confusion``,
    the owner's words are the rows and the network's the columns, both in LABELS order.
    """
    predictions = predictions.order_by()
    statuses = dict.fromkeys(Status.values, 0)
    statuses |= dict(predictions.values_list("status").annotate(count=Count("pk")))
    done = predictions.filter(status=Status.SUCCEEDED)
    faces = Face.objects.filter(prediction__in=done.values("pk")).order_by()
    emotions = {label: {"faces": 0, "unsure": 0} for label in LABELS}
    for label, count, unsure in faces.values_list("label").annotate(
        count=Count("pk"), uncertain=Count("pk", filter=Q(unsure=True))
    ):
        emotions[label] = {"faces": count, "unsure": unsure}
    days = defaultdict(lambda: dict.fromkeys(LABELS, 0))
    day = TruncDate("prediction__created_at", tzinfo=zone)
    for date, label, count in faces.values_list(day, "label").annotate(count=Count("pk")):
        days[date][label] = count
    confusion = [[0] * len(LABELS) for _ in LABELS]
    corrected = faces.exclude(correction="").values_list("correction", "label")
    for said, answered, count in corrected.annotate(count=Count("pk")):
        confusion[LABELS.index(said)][LABELS.index(answered)] = count
    return {
        "predictions": statuses,
        "without_face": done.filter(label="").count(),
        "faces": sum(emotion["faces"] for emotion in emotions.values()),
        "emotions": emotions,
        "days": [{"date": date, "emotions": days[date]} for date in sorted(days)],
        "corrections": {
            "count": sum(map(sum, confusion)),
            "agreed": sum(confusion[index][index] for index in range(len(LABELS))),
            "confusion": confusion,
        },
    }
