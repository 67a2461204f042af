"""What a user's photos say together: by emotion, over time, and against the user's own words."""

from datetime import date, timedelta
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from mlcore.labels import LABELS
from predictions.insights import insights
from predictions.models import Prediction
from predictions.pages.exporting import TEXTS

LONGEST_BY_DAY = 62
"""Days; a longer time is shown by months, or its bars would be hairlines."""

FEWEST_DAYS = 14
"""A single day would be drawn as a wall."""

SHADES = 4


@require_safe
@login_required
def insights_page(request: HttpRequest) -> HttpResponse:
    found = insights(Prediction.objects.for_user(request.user), timezone.get_current_timezone())
    faces, drawn = found["faces"], columns(found["days"])
    most = max((emotion["faces"] for emotion in found["emotions"].values()), default=0)
    context = {
        "found": found,
        "photos": sum(found["predictions"].values()),
        "emotions": [
            {
                "label": label,
                **counts,
                "share": counts["faces"] / faces if faces else 0,
                "length": counts["faces"] / most if most else 0,
            }
            for label, counts in found["emotions"].items()
        ],
        "unsure": sum(emotion["unsure"] for emotion in found["emotions"].values()),
        "columns": drawn,
        "highest": max((column["total"] for column in drawn), default=0),
        "confusion": confusion_rows(found["corrections"]["confusion"]),
        "labels": LABELS,
        "exports": [(kind, text, uuid4()) for kind, text in TEXTS.items()],
    }
    return render(request, "predictions/insights.html", context)


def columns(days: list[dict]) -> list[dict]:
    """Return a column of the diagram for each day or month up to the last face: from the first one
    on, and at least FEWEST_DAYS.

    Each has ``start``, ``is_month``, ``emotions`` and ``total``, and for a drawing of height 100:
    ``x``, ``y`` and ``height``, ten units a column.
    """
    if not days:
        return []
    first, last = days[0]["date"], days[-1]["date"]
    by_month = (last - first).days >= LONGEST_BY_DAY
    first = min(first, last - timedelta(FEWEST_DAYS - 1))
    counts = {start: dict.fromkeys(LABELS, 0) for start in _starts(first, last, by_month)}
    for day in days:
        column = counts[day["date"].replace(day=1) if by_month else day["date"]]
        for label, count in day["emotions"].items():
            column[label] += count
    highest = max(sum(emotions.values()) for emotions in counts.values())
    drawn = []
    for number, (start, emotions) in enumerate(counts.items()):
        total = sum(emotions.values())
        height = 100 * total / highest
        drawn.append(
            {
                "start": start,
                "is_month": by_month,
                "emotions": emotions.items(),
                "total": total,
                "x": 10 * number + 1,
                "y": f"{100 - height:.1f}",
                "height": f"{height:.1f}",
            }
        )
    return drawn


def _starts(first: date, last: date, by_month: bool) -> list[date]:
    if not by_month:
        return [first + timedelta(number) for number in range((last - first).days + 1)]
    months = range(12 * first.year + first.month - 1, 12 * last.year + last.month)
    return [date(month // 12, month % 12 + 1, 1) for month in months]


def confusion_rows(
    confusion: list[list[int]], shades: int = SHADES
) -> list[tuple[str, list[tuple[int, int, bool]]]]:
    """Return for each word of people the counts by answer, as (count, shade, is agreement).

    A shade is 0 for nothing, and ``shades`` for the most in the table.
    """
    most = max(map(max, confusion))
    return [
        (
            label,
            [
                (count, -(-shades * count // most) if most else 0, row == column)
                for column, count in enumerate(counts)
            ],
        )
        for row, (label, counts) in enumerate(zip(LABELS, confusion, strict=True))
    ]
