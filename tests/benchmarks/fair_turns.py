"""How long others wait while one user's 5,000 photos are queued: ``make bench``.

``python -m tests.benchmarks.fair_turns 500 postgresql`` queues so many on the other database. In a
whole site with its real worker, another user sends single small photos, first while nothing else
is to be done and then behind the batch, and then deletes one. Fails where the median wait behind
the batch is more than MAX_RATIO times the idle one, or where maintenance takes too long.
"""

import statistics
import sys
import time
from contextlib import nullcontext

from tests.faults.clients import Client, Journal
from tests.faults.database import postgresql
from tests.faults.site import Site, running
from tests.support.waiting import wait_until

SINGLES = 20
MAX_RATIO = 3.0
MAX_PURGE = 40.0
"""Seconds until a deleted photo is gone; 15 of them are for the undo."""
MAX_RECOVERY = 40.0
"""Seconds until the photo of a worker that died is taken from it; 15 of them are its lease."""

QUEUE = """
import io, uuid
from django.db import transaction
from django.core.files.base import ContentFile
from emotionsite.accounts.models import User
from predictions import turns
from predictions.models import Photo, Prediction
from tests.faults.clients import Photos

owner = User.objects.get(username="ada")
photos, made = Photos(), []
for number in range({count}):
    content = photos.make(number % 2)
    photo = Photo(name=f"{{number}}.jpg", sha256=uuid.uuid4().hex * 2, bytes=len(content),
                  stored_bytes=len(content), width=200, height=200)
    photo.upload.save("upload", ContentFile(content), save=False)
    made.append(photo)
place = turns.place(Prediction, owner.pk)
Photo.objects.bulk_create(made)
Prediction.objects.bulk_create(
    Prediction(owner=owner, photo=photo, **{{**place, "turn": place["turn"] + number}})
    for number, photo in enumerate(made)
)
"""

DELETE = """
from predictions import removal
from predictions.models import Prediction
removal.remove(Prediction.objects.filter(owner__username="bob"))
"""

LOSE = """
from predictions.models import Prediction
lost = Prediction.objects.filter(owner__username="ada", status="queued").order_by("-turn").first()
Prediction.objects.filter(pk=lost.pk).update(status="running", turn=None, lease="dead:1")
"""


def waits(client: Client) -> list[float]:
    """Send single photos, one after the other; return the seconds until each answer."""
    seconds = []
    for _number in range(SINGLES):
        started = time.perf_counter()
        accepted = client.send(wait=30)
        record = accepted and client.status(accepted)
        if not record or record["status"] != "succeeded":
            raise SystemExit(f"no answer within the time: {record}")
        seconds.append(time.perf_counter() - started)
        time.sleep(0.2)
    return seconds


def show(name: str, seconds: list[float]) -> float:
    median = statistics.median(seconds)
    print(f"{name}: median {1000 * median:.0f} ms, slowest {1000 * max(seconds):.0f} ms")
    return median


def number(site: Site, condition: str) -> int:
    """Count the predictions that meet an SQL condition."""
    query = f"SELECT COUNT(*) FROM predictions_prediction WHERE {condition}"  # noqa: S608
    return site.database.rows(query)[0][0]


def measure(site: Site, count: int) -> list[str]:
    """Print what was measured, and return what is too slow."""
    users = site.accounts("ada", "bob")
    bob = Client(site, Journal(), "bob", *users["bob"])
    bob.send(wait=30)  # Every process is warm then.
    idle = show("single photo, idle site", waits(bob))
    site.shell(QUEUE.format(count=count))
    before = number(site, "turn IS NOT NULL")
    started = time.monotonic()
    busy = show(f"single photo behind {before} of another user", waits(bob))
    left = number(site, "turn IS NOT NULL")
    rate = (before - left) / (time.monotonic() - started)
    print(f"ratio {busy / idle:.2f}; meanwhile {rate:.1f} photos of the batch a second")
    too_slow = [] if busy <= MAX_RATIO * idle else ["single photos behind a batch"]
    if not left:
        raise SystemExit("The batch was done too early: queue more.")
    site.shell(DELETE)
    site.shell(LOSE)
    owned = f"owner_id = {bob.owner}"
    lost = "lease = 'dead:1'"
    recovery = wait_until(lambda: not number(site, lost), 300)
    purge = recovery + wait_until(lambda: not number(site, owned), 300)
    print(f"deleted photos were gone within {purge:.0f} s, beside {left} that wait")
    print(f"the photo of a dead worker was taken from it after {recovery:.0f} s")
    too_slow += ["deletion"] if purge > MAX_PURGE else []
    return too_slow + (["recovery"] if recovery > MAX_RECOVERY else [])


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    is_postgresql = sys.argv[2:] == ["postgresql"]
    with (
        postgresql() if is_postgresql else nullcontext() as database,
        running(database) as site,
    ):
        if too_slow := measure(site, count):
            raise SystemExit(f"too slow: {', '.join(too_slow)}")


if __name__ == "__main__":
    main()
