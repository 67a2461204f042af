"""All faults, one after the other, in a running site: ``make faults``.

Rounds alternate between SQLite and PostgreSQL, each with its faults in another order, and end at
the first breach. ``ROUNDS=1`` runs so many, ``SEED=7`` begins with that order, ``DATABASE=sqlite``
takes one database only, ``FAULT='redis|disk'`` takes the faults whose names match.
"""

import os
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from tests.faults import invariant
from tests.faults.clients import Client, Journal, Load
from tests.faults.database import postgresql
from tests.faults.registry import FAULTS, Fault, Stage
from tests.faults.site import Site, SiteFailed, running

USERS = ("ada", "bob", "cleo")
ROUND_LIMIT = 600
"""Seconds that a round may take."""


def run_round(
    site: Site,
    faults: Sequence[Fault],
    seed: int,
    say: Callable[[str], None] = print,
    pause: float = 1.0,
) -> Journal:
    """Let every fault happen to the site in an order of the seed's; return what clients have seen.

    Raises Breach, which names the fault, where the invariant does not hold after one.
    """
    journal = Journal()
    chance = random.Random(seed)  # noqa: S311
    clients = [
        Client(site, journal, name, owner, token)
        for name, (owner, token) in site.accounts(*USERS).items()
    ]
    for fault in chance.sample(faults, len(faults)):
        if why := fault.skipped(site):
            say(f"  {fault.name}: skipped, {why}")
            continue
        started = time.monotonic()
        try:
            with Load(clients, pause):
                fault.run(Stage(site, clients, chance))
            lasted = time.monotonic() - started
            settled = invariant.settle(site)
            ends = invariant.check(
                site, journal, leaves_files=fault.leaves_files, may_fail=fault.may_fail
            )
        except (invariant.Breach, SiteFailed) as breach:
            raise invariant.Breach(f"after the fault “{fault.name}”:\n{breach}") from None
        say(f"  {fault.name}: {lasted:.0f} s, all well {settled:.1f} s later")
    say(f"  {invariant.report(journal, ends)}")
    return journal


def main() -> None:
    rounds = int(os.environ.get("ROUNDS", "5"))
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10_000))
    kinds = [os.environ["DATABASE"]] if os.environ.get("DATABASE") else ["sqlite", "postgresql"]
    pattern = os.environ.get("FAULT", "")
    faults = [fault for fault in FAULTS if re.search(pattern, fault.name)]
    if not faults:
        sys.exit(f"No fault has a name like “{pattern}”.")
    for number in range(rounds):
        kind = kinds[number % len(kinds)]
        print(f"Round {number + 1} of {rounds} on {kind}, SEED={seed + number}", flush=True)
        started = time.monotonic()
        try:
            with (
                postgresql() if kind == "postgresql" else nullcontext() as database,
                running(database) as site,
            ):
                run_round(site, faults, seed + number, lambda line: print(line, flush=True))
        except (invariant.Breach, SiteFailed) as breach:
            sys.exit(
                f"BREACH {breach}\nRepeat it: make faults ROUNDS=1 DATABASE={kind} "
                f"SEED={seed + number}"
            )
        seconds = time.monotonic() - started
        print(f"  no breach in {seconds:.0f} s", flush=True)
        if not pattern and seconds > ROUND_LIMIT:
            sys.exit(f"The round took longer than {ROUND_LIMIT} s.")


if __name__ == "__main__":
    main()
