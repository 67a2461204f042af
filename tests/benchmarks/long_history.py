"""How long the history takes for a user with 100,000 records, beside as many of others.

``make bench``, or for 20,000 records ``python -m tests.benchmarks.long_history 20000``. Makes
them in a database of its own and prints how long the server needs for each view, rendering and
all, and for what is done with as many photos as can be selected. Fails where a view takes longer
than LONGEST, or a deed longer than LONGEST_DEED.
"""

import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

LONGEST = 0.2
"""Seconds for one view, at the median."""

LONGEST_DEED = 1.0
"""Seconds for what reads or changes many records, at the median."""

REPEATS = 5
KINDS = ("csv", "jsonl", "zip")
AT_ONCE = 5000
YEARS = timedelta(days=1500)


def face(prediction, index: int, label: str, **fields):
    from mlcore.labels import LABELS
    from predictions.models import Face

    fields |= {"x": 0, "y": 0, "width": 100, "height": 100, "detection_confidence": 0.9}
    fields["probabilities"] = dict.fromkeys(LABELS, 1 / len(LABELS))
    return Face(prediction=prediction, index=index, label=label, **fields)


def make(owner, count: int) -> None:
    """Give ``owner`` records of every kind, spread over YEARS; one in ten has two faces, and one
    in a hundred is corrected."""
    from mlcore.labels import LABELS
    from predictions.models import Face, Photo, Prediction, name_key

    chance = random.Random(count)  # noqa: S311
    start = datetime.now(UTC) - YEARS
    for done in range(0, count, AT_ONCE):
        photos, predictions, faces = [], [], []
        for number in range(done, min(done + AT_ONCE, count)):
            name = f"{chance.choice(('IMG', 'Summer at the lake', 'Ä'))} {number:06}.jpg"
            photo = Photo(
                name=name,
                sha256=f"{number:064}",
                bytes=1,
                width=640,
                height=480,
                display="nowhere/display.jpg",
            )
            fields = {"status": "succeeded", "label": "", "confidence": None, "unsure": None}
            if number % 50 == 0:
                fields["status"] = chance.choice(("failed", "canceled"))
            elif number % 20:
                fields |= {"label": chance.choice(LABELS), "confidence": chance.random()}
                fields["unsure"] = fields["confidence"] < 0.4
            created_at = start + YEARS * number / count
            prediction = Prediction(
                owner=owner,
                photo=photo,
                name_key=name_key(name),
                created_at=created_at,
                finished_at=created_at,
                **fields,
            )
            photos.append(photo)
            predictions.append(prediction)
            answer = {"confidence": prediction.confidence, "unsure": prediction.unsure}
            if number % 100 == 1:
                answer |= {"correction": "sad", "corrected_at": created_at}
            if prediction.label:
                faces.append(face(prediction, 0, prediction.label, **answer))
                if number % 10 == 1:
                    other = chance.choice(LABELS)
                    faces.append(face(prediction, 1, other, confidence=0.5, unsure=False))
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


def deeds(client, owner) -> dict[str, Callable]:
    """Return what else to measure by name; each changes other records every time."""
    from predictions.models import Prediction
    from predictions.pages.history import LARGEST_PAGE

    done = Prediction.objects.for_user(owner).filter(status="succeeded").order_by("created_at")
    pks = list(done.values_list("pk", flat=True)[: 20 * LARGEST_PAGE])
    one = pks[-1]

    def selected(action: str, **data) -> Callable:
        def deed():
            ids, pks[:LARGEST_PAGE] = pks[:LARGEST_PAGE], []
            return client.post("/predictions/selection/", {"action": action, "ids": ids, **data})

        return deed

    return {
        "a result with its neighbours": lambda: client.get(f"/predictions/{one}/"),
        "insights": lambda: client.get("/insights/"),
        "delete many": selected("delete"),
        "analyse many again": selected("rerun"),
        **{f"export many: {kind}": selected("export", **{"as": kind}) for kind in KINDS},
    }


def median(name: str, act: Callable) -> float:
    """Do it several times, print and return how many seconds it takes."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        response = act()
        if response.streaming:
            response.getvalue()
            response.close()
        seconds.append(time.perf_counter() - started)
        if response.status_code not in (200, 302):
            raise SystemExit(f"{name}: {response.status_code}")
    middle = statistics.median(seconds)
    print(f"{name}: {1000 * middle:.0f} ms, slowest {1000 * max(seconds):.0f} ms", flush=True)
    return middle


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    folder = tempfile.mkdtemp()
    # With DEBUG, static files need not be collected first; nothing else of it is wanted.
    os.environ |= {"DATA_DIR": folder, "DEBUG": "true"}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "emotionsite.settings", "REDIS_URL": "memory://"}
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
        address = f"/predictions/?{query}"
        if median(name, lambda a=address, h=headers: client.get(a, headers=h)) > LONGEST:
            slow.append(name)
    for name, deed in deeds(client, owner).items():
        if median(name, deed) > LONGEST_DEED:
            slow.append(name)
    shutil.rmtree(folder)
    if slow:
        raise SystemExit(f"too slow: {', '.join(slow)}")


if __name__ == "__main__":
    main()
