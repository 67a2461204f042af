"""A site under load whose processes are killed at random: ``make soak``.

``MINUTES=5`` runs so long, ``SEED=7`` repeats a run's kills, ``DATABASE=postgresql`` takes the
other database. Exit status 1 says that the invariant was broken.
"""

import os
import random
import statistics
import sys
import threading
import time
from collections import Counter
from contextlib import nullcontext, suppress

import psutil
import requests

from tests.faults import invariant
from tests.faults.clients import Accepted, Client, Journal
from tests.faults.database import postgresql
from tests.faults.site import Site, SiteFailed, running

CLIENTS = 4
KILL_INTERVAL = 20.0
MAX_WAIT = 120.0
"""Seconds that a client waits for one photo before it calls that a breach."""


class Waits:
    """How long clients have waited from a photo's acceptance to its end, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()

    def end(self, accepted: Accepted, record: dict) -> None:
        self.seconds.append(time.monotonic() - accepted.at)
        if record["status"] == "failed":
            self.failures[record["error"]["code"]] += 1


def use(client: Client, journal: Journal, waits: Waits, ended: threading.Event) -> None:
    """Send photos one after the other, and wait for each answer."""
    while not ended.is_set():
        with suppress(requests.RequestException):
            accepted = client.send(faces=client.chance.randrange(2))
            if accepted is None:
                time.sleep(0.5)
                continue
            while True:
                record = client.status(accepted)
                if record and record["status"] not in ("queued", "running"):
                    waits.end(accepted, record)
                    break
                if time.monotonic() - accepted.at > MAX_WAIT:
                    journal.breach(f"{accepted.id} has not ended in {MAX_WAIT:g} s")
                    break
                time.sleep(0.3)


def memory(site: Site) -> dict[str, list[int]]:
    """Return the resident memory of every process in MB, by kind."""
    found: dict[str, list[int]] = {}
    for kind, processes in site.processes().items():
        for process in processes:
            with suppress(psutil.Error):
                found.setdefault(kind, []).append(process.memory_info().rss >> 20)
    return found


def kill_one(site: Site, chance: random.Random) -> str:
    """Kill a random process of a random kind; return the kind."""
    processes = site.processes()
    kind = chance.choice(sorted(processes))
    with suppress(psutil.Error):
        chance.choice(processes[kind]).kill()
    return kind


def soak(site: Site, minutes: float, chance: random.Random) -> None:
    journal, waits, kills = Journal(), Waits(), Counter()
    names = [f"user{number}" for number in range(CLIENTS)]
    clients = [
        Client(site, journal, name, owner, token)
        for name, (owner, token) in site.accounts(*names).items()
    ]
    for client in clients:
        client.send(wait=20)  # Every process has worked before its memory is measured.
    before = memory(site)
    ended = threading.Event()
    threads = [
        threading.Thread(target=use, args=[client, journal, waits, ended], daemon=True)
        for client in clients
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        time.sleep(min(KILL_INTERVAL, max(0.0, end - time.monotonic())))
        if time.monotonic() < end:
            kills[kill_one(site, chance)] += 1
        if journal.breaches:
            break
    ended.set()
    for thread in threads:
        thread.join()
    try:
        settled = invariant.settle(site)
        invariant.check(site, journal, leaves_files=True, may_fail=frozenset({"worker_lost"}))
    finally:
        after = memory(site)
        print(f"kills: {dict(kills)}")
        print(f"uploads accepted: {len(journal.accepted)}, answers {dict(journal.statuses)}")
        print(f"uploads whose end was seen: {len(waits.seconds)}, failed {dict(waits.failures)}")
        if waits.seconds:
            median, longest = statistics.median(waits.seconds), max(waits.seconds)
            print(f"wait: median {median:.1f} s, longest {longest:.1f} s")
        for kind in sorted(before.keys() | after.keys()):
            print(f"memory of {kind}: {before.get(kind, [])} MB -> {after.get(kind, [])} MB")
    print(f"No breach; all was well {settled:.1f} s after the last kill.")


def main() -> None:
    minutes = float(os.environ.get("MINUTES", "30"))
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10_000))
    is_postgresql = os.environ.get("DATABASE") == "postgresql"
    print(f"{minutes:g} minutes, {CLIENTS} clients, a kill every {KILL_INTERVAL:g} s, SEED={seed}")
    try:
        with (
            postgresql() if is_postgresql else nullcontext() as database,
            running(database) as site,
        ):
            soak(site, minutes, random.Random(seed))  # noqa: S311
    except (invariant.Breach, SiteFailed) as breach:
        sys.exit(f"BREACH {breach}")


if __name__ == "__main__":
    main()
