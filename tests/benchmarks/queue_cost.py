"""What it costs to join a long queue and to take the next photo from it: ``make bench``.

``python -m tests.benchmarks.queue_cost 20000`` measures at so many queued photos, on SQLite and on
PostgreSQL, beside a queue of 100. Fails where one step takes longer than MAX_SECONDS.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from tests.faults.database import postgresql

SMALL = 100
MAX_SECONDS = 0.05
"""For one step, at the median."""
REPEATS = 100
OWNERS = 50
CHUNK = 5000


def fill(owners: list, count: int) -> None:
    """Queue photos; the first owner has half of them, the others have equal numbers."""
    from predictions.models import Photo, Prediction

    turns = dict.fromkeys(range(len(owners)), 0)
    for start in range(0, count, CHUNK):
        photos, predictions = [], []
        for number in range(start, min(start + CHUNK, count)):
            index = 0 if number % 2 else number // 2 % len(owners)
            photo = Photo(name=f"{number}.jpg", sha256="0" * 64, bytes=1, width=9, height=9)
            photos.append(photo)
            predictions.append(Prediction(owner=owners[index], photo=photo, turn=turns[index]))
            turns[index] += 1
        Photo.objects.bulk_create(photos)
        Prediction.objects.bulk_create(predictions)


def median(name: str, act: Callable[[], object]) -> float:
    """Do it REPEATS times; print and return its median in seconds."""
    seconds = []
    for _time in range(REPEATS):
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    middle = statistics.median(seconds)
    print(f"  {name}: {1000 * middle:.1f} ms, slowest {1000 * max(seconds):.1f} ms", flush=True)
    return middle


def measure(count: int) -> None:
    """Measure on the database of the environment."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from emotionsite.accounts.models import User
    from predictions import services, turns
    from predictions.models import Prediction

    settings.DEBUG = False  # It would keep every query.
    call_command("migrate", verbosity=0)
    owners = [User.objects.create_user(f"user{number}") for number in range(OWNERS)]
    too_slow = False
    for size in (SMALL, count):
        fill(owners, size - turns.waiting(Prediction).count())
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
        print(f"{size} queued on {connection.vendor}:", flush=True)

        def claim() -> None:
            if services.claim("benchmark") is None:
                raise SystemExit("nothing was claimed")

        last = turns.waiting(Prediction).filter(owner=owners[1]).order_by("-turn").first()
        found = {
            "claim": median("claim the next one", claim),
            "place": median("find a place", lambda: turns.place(Prediction, owners[0].pk)),
            "position": median("tell a position", lambda p=last: turns.positions([p])),
        }
        too_slow = too_slow or found["claim"] > MAX_SECONDS or found["place"] > MAX_SECONDS
    if too_slow:
        raise SystemExit("too slow")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    if os.environ.get("QUEUE_COST_RUNS"):
        measure(count)
        return
    command = [sys.executable, "-m", "tests.benchmarks.queue_cost", str(count)]
    with tempfile.TemporaryDirectory() as folder, postgresql() as database:
        environment = os.environ | {
            "DATA_DIR": folder,
            "DEBUG": "true",
            "DJANGO_SETTINGS_MODULE": "emotionsite.settings",
            "QUEUE_COST_RUNS": "1",
            "REDIS_URL": "memory://",
        }
        environment.pop("DATABASE_URL", None)
        ends = [
            subprocess.run(command, env=environment | more).returncode
            for more in ({}, {"DATABASE_URL": database.url})
        ]
    if any(ends):
        raise SystemExit("A long queue is too slow.")


if __name__ == "__main__":
    main()
