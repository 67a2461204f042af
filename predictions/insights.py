"""What a user's records say together: how often which emotion, when, and how often it was right."""

from collections import defaultdict
from datetime import date, datetime, tzinfo
from functools import cache
from itertools import chain

from django.db.models import CharField, Count
from django.db.models.functions import Cast, Substr

from mlcore.labels import LABELS
from predictions.models import PredictionQuerySet, Status


def insights(predictions: PredictionQuerySet, zone: tzinfo) -> dict:
    """Count records by status, and their faces by emotion, by day and by the owner's corrections.

    Days are those of ``zone``. A correction to the same word is an agreement; in ``confusion``,
    the owner's words are the rows and the network's the columns, both in LABELS order.
    """
    predictions = predictions.order_by()
    statuses = dict.fromkeys(Status.values, 0)
    statuses |= dict(predictions.values_list("status").annotate(count=Count("pk")))
    done = predictions.filter(status=Status.SUCCEEDED)
    # A prediction repeats its main face, and an index of the history holds all that is asked here.
    main = done.exclude(label="").values_list(_minute("created_at"), "label", "unsure")
    others = done.filter(faces__index__gt=0)
    others = others.values_list(_minute("created_at"), "faces__label", "faces__unsure")
    emotions = {label: {"faces": 0, "unsure": 0} for label in LABELS}
    days = defaultdict(lambda: dict.fromkeys(LABELS, 0))

    @cache
    def day(minute: str) -> date:
        return datetime.fromisoformat(f"{minute}+00:00").astimezone(zone).date()

    for minute, label, unsure in chain(main.iterator(), others.iterator()):
        days[day(minute)][label] += 1
        emotions[label]["faces"] += 1
        emotions[label]["unsure"] += unsure
    confusion = [[0] * len(LABELS) for _ in LABELS]
    corrected = done.filter(faces__corrected_at__isnull=False)
    corrected = corrected.values_list("faces__correction", "faces__label")
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


def _minute(moment: str) -> Substr:
    """Return a moment in UTC as text, which an index holds; to take a hundred thousand moments
    apart, one by one, would take SQLite seconds."""
    return Substr(Cast(moment, CharField()), 1, 16)
