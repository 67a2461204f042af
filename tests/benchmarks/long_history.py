"""How long the history takes for a user with 100,000 records, beside as many of others.

``make bench``, or for 20,000 records ``python -m tests.benchmarks.long_history 20000``. Makes
them in a database of its own and prints how long the server needs for each view, rendering and
all. Fails where one takes longer than LONGEST.
"""

import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

LONGEST = 0.2
"""Seconds for one view, at the median."""

REPEATS = 5
AT_ONCE = 5000
YEARS = timedelta(days=1500)


def make(owner, count: int) -> None:
    """Give ``owner`` records of every kind, spread over YEARS; one in a hundred is corrected."""
    from mlcore.labels import LABELS
    from predictions.models import Face, Photo, Prediction, name_key

    chance = random.Random(count)  # noqa: S311
    start = datetime.now(UTC) - YEARS
    for done in range(0, count, AT_ONCE):
        photos, predictions, faces = [], [], []
        for number in range(done, min(done + AT_ONCE, count)):
            name = f"{chance.choice(('IMG', 'Summer at the lake', 'Ä'))} {number:06}.jpg"
            photo = Photo(name=name, sha256=f"{number:064}", bytes=1, width=640, height=480)
            fields = {"status": "succeeded", "label": "", "confidence": None, "unsure": None}
            if number % 50 == 0:
                fields["status"] = chance.choice(("failed", "canceled"))
            elif number % 20:
                fields |= {"label": chance.choice(LABELS), "confidence": chance.random()}
                fields["unsure"] = fields["confidence"] < 0.4
            created_at = start + YEARS * number / count
            prediction = Prediction(
                owner=owner, photo=photo, name_key=name_key(name), created_at=created_at, **fields
            )
            photos.append(photo)
            predictions.append(prediction)
            if number % 100 == 1:
                faces.append(
                    Face(
                        prediction=prediction,
                        index=0,
                        x=0,
                        y=0,
                        width=100,
                        height=100,
                        detection_confidence=0.9,
                        label=prediction.label,
                        confidence=prediction.confidence,
                        unsure=prediction.unsure,
                        probabilities={},
                        correction="sad",
                        corrected_at=created_at,
                    )
                )
        Photo.objects.bulk_create(photos)
        Prediction.objects.bulk_create(predictions)
        Face.objects.bulk_create(faces)


def views(count: int) -> dict[str, tuple[str, dict]]:
    """Return the queries to measure by name, each with the headers of its request."""
    deep, deepest = count // 24 // 2, count // 24
    scrolling = {"hx-request": "true", "hx-target": "cards"}
    day = datetime.now(UTC).date() - YEARS / 2
    queries = {
        "first page": {},
        "a page in the middle": {"page": deep},
        "the last page": {"page": deepest},
        "ten pages at once": {"page": deep, "through": deep + 9},
        "emotion": {"emotion": "fear"},
        "no face": {"emotion": "none"},
        "sure": {"sureness": "sure"},
        "unsure": {"sureness": "unsure"},
        "with my own word": {"sureness": "corrected"},
        "failed": {"status": "failed"},
        "in progress (none)": {"status": "unfinished"},
        "one month": {"since": day, "until": day + timedelta(days=30)},
        "name of many": {"name": "summer"},
        "name of one": {"name": f"{count // 2:06}"},
        "name of none": {"name": "nothing like it"},
        "everything together": {
            "name": "lake", "emotion": "sad", "sureness": "unsure", "status": "succeeded",
            "since": day, "sort": "sure",
        },
        **{f"sort: {sort}": {"sort": sort} for sort in ("oldest", "sure", "unsure", "name")},
        "sort: name, in the middle": {"sort": "name", "page": deep},
        "sort: sure, in the middle": {"sort": "sure", "page": deep},
    }  # fmt: skip
    measured = {name: (urlencode(query), {}) for name, query in queries.items()}
    measured["page 2 by scrolling"] = ("page=1&through=2", scrolling)
    measured["a page in the middle by scrolling"] = (
        urlencode({"page": deep, "through": deep + 1}),
        scrolling,
    )
    return measured


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    folder = tempfile.mkdtemp()
    # With DEBUG, static files need not be collected first; nothing else of it is wanted.
    os.environ |= {"DATA_DIR": folder, "DEBUG": "true"}
    os.environ["DJANGO_SETTINGS_MODULE"] = "emotionsite.settings"
    os.environ.pop("DATABASE_URL", None)

    import django
    from django.conf import settings

    django.setup()
    settings.DEBUG = False
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    from predictions.models import Prediction

    call_command("migrate", verbosity=0)
    Prediction._meta.get_field("created_at").auto_now_add = False
    users = get_user_model().objects
    owner = users.create_user("ada")
    for user in (users.create_user("grace"), owner):
        make(user, count)
    client = Client(SERVER_NAME="localhost")
    client.force_login(owner)
    slow = []
    for name, (query, headers) in views(count).items():
        seconds = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            response = client.get(f"/predictions/?{query}", headers=headers)
            seconds.append(time.perf_counter() - started)
            if response.status_code != 200:
                raise SystemExit(f"{name}: {response.status_code}")
        median = statistics.median(seconds)
        print(f"{name}: {1000 * median:.0f} ms, slowest {1000 * max(seconds):.0f} ms")
        if median > LONGEST:
            slow.append(name)
    shutil.rmtree(folder)
    if slow:
        raise SystemExit(f"longer than {1000 * LONGEST:.0f} ms: {', '.join(slow)}")


if __name__ == "__main__":
    main()
