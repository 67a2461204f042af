"""Whose turn it is: photos and explanations wait in the database, and owners take turns.

Every queued entry holds a ``turn``, the start tag of start-time fair queueing (Goyal, Vin & Cheng,
1996): an owner's entries hold consecutive turns that begin at the present head of the queue. So a
batch of 5,000 photos occupies 5,000 turns, and the next owner's photo gets the one at the head.

A turn belongs to the owner rather than to the entry. Which of the owner's entries is served is
decided when the turn comes: the urgent ones first, then in the order in which they were queued.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import TypeVar

from django.db import connection, transaction
from django.db.models import Count, F, Max, Min, Q, QuerySet
from django.utils import timezone

from predictions.models import Prediction, QueueEntry, Status

MAX_DELAY = timedelta(minutes=1)
"""No retry waits longer. A ``not_before`` beyond it was written by a clock that was wrong."""

SAMPLE_SIZE = 50
"""Recent analyses from which the time of one is estimated."""

ORDER = ("turn", "queued_at")
"""Of turns; the second field decides between equal ones."""

SERVED = ("-is_urgent", "queued_at")
"""The order in which an owner's entries are served."""

FREE = {"turn": None, "lease": "", "not_before": None}
"""The fields of an entry that is neither queued nor running."""

Entry = TypeVar("Entry", bound=QueueEntry)


def waiting(model: type[Entry]) -> QuerySet[Entry]:
    """Return all queued entries."""
    return model.objects.filter(turn__isnull=False)


def ready(model: type[Entry]) -> QuerySet[Entry]:
    """Return the queued entries that may be claimed now."""
    now = timezone.now()
    return waiting(model).filter(
        Q(not_before=None) | Q(not_before__lte=now) | Q(not_before__gt=now + MAX_DELAY)
    )


def place(model: type[QueueEntry], owner_id: int | None, *, urgent: bool = False) -> dict:
    """Return the field values that put an entry into the queue, behind its owner's other ones.

    Two calls at the same moment may give out the same turn; that costs nobody more than one place.
    """
    head = waiting(model).aggregate(turn=Min("turn"))["turn"] or 0
    last = waiting(model).filter(owner=owner_id).aggregate(turn=Max("turn"))["turn"]
    return {
        "status": Status.QUEUED,
        "turn": head if last is None else max(head, last + 1),
        "is_urgent": urgent,
        "queued_at": timezone.now(),
        "not_before": None,
        "lease": "",
    }


def claim(model: type[Entry], lease: str) -> Entry | None:
    """Take the entry whose turn it is and give it this ``lease``; None where nothing is ready."""
    if not ready(model).exists():
        return None  # A transaction that only looks would still make SQLite's writers wait.
    with transaction.atomic():
        queued = _locked(ready(model))
        turn = queued.order_by(*ORDER).only("owner_id", "turn").first()
        if turn is None:
            return None
        of_owner = queued.filter(owner=turn.owner_id)
        entry = of_owner.order_by(*SERVED).only("turn").first() or turn
        if entry.pk != turn.pk:
            model.objects.filter(pk=turn.pk).update(turn=entry.turn)
        model.objects.filter(pk=entry.pk).update(
            status=Status.RUNNING,
            turn=None,
            not_before=None,
            lease=lease,
            lease_count=0,
            attempts=F("attempts") + 1,
            started_at=timezone.now(),
            finished_at=None,
        )
        return model.objects.get(pk=entry.pk)


def _locked(entries: QuerySet[Entry]) -> QuerySet[Entry]:
    """Lock what is read, and skip what another worker has locked, where the database can."""
    if not connection.features.has_select_for_update_skip_locked:
        return entries
    return entries.select_for_update(skip_locked=True)


def positions(entries: Iterable[Entry]) -> dict[object, int]:
    """Return, by primary key, how many other entries are served before each queued one.

    That is the number of turns before the one at which an entry's owner comes to it. One entry is
    counted within the indexes; for several, the turns that wait are read.
    """
    queued = [entry for entry in entries if entry.turn is not None]
    if not queued:
        return {}
    model = type(queued[0])
    if len(queued) == 1:
        position = _position(model, queued[0])
        return {} if position is None else {queued[0].pk: position}
    served_at: dict[object, tuple[int, int, int | None]] = {}
    for owner_id in {entry.owner_id for entry in queued}:
        of_owner = waiting(model).filter(owner=owner_id)
        turns = list(of_owner.order_by(*ORDER).values_list("turn", flat=True))
        served = of_owner.order_by(*SERVED).values_list("pk", flat=True)
        ranks = {pk: rank for rank, pk in enumerate(served)}
        for entry in queued:
            rank = ranks.get(entry.pk, len(turns))
            if entry.owner_id == owner_id and rank < len(turns):
                turn = turns[rank]
                served_at[entry.pk] = (turn, rank - bisect_left(turns, turn), owner_id)
    wanted = {turn for turn, _nth, _owner_id in served_at.values()}
    equal: dict[int, list[int | None]] = {turn: [] for turn in wanted}
    at_wanted = waiting(model).filter(turn__in=wanted).order_by(*ORDER)
    for turn, owner_id in at_wanted.values_list("turn", "owner_id"):
        equal[turn].append(owner_id)
    before = waiting(model).filter(turn__lt=max(wanted, default=0)).order_by("turn")
    counts = list(before.values_list("turn").annotate(Count("pk")))
    earlier = [turn for turn, _count in counts]
    sums = [0, *accumulate(count for _turn, count in counts)]
    found = {}
    for pk, (turn, nth, owner_id) in served_at.items():
        places = [place for place, other in enumerate(equal[turn]) if other == owner_id]
        if nth < len(places):
            found[pk] = sums[bisect_left(earlier, turn)] + places[nth]
    return found


def _position(model: type[QueueEntry], entry: QueueEntry) -> int | None:
    fields = ("owner_id", "is_urgent", "queued_at")
    row = waiting(model).filter(pk=entry.pk).values_list(*fields).first()
    if row is None:
        return None
    owner_id, is_urgent, queued_at = row
    of_owner = waiting(model).filter(owner=owner_id)
    earlier = of_owner.filter(is_urgent=is_urgent, queued_at__lt=queued_at).count()
    rank = earlier + (0 if is_urgent else of_owner.filter(is_urgent=True).count())
    own_turn = of_owner.order_by(*ORDER).values_list(*ORDER)[rank : rank + 1].first()
    if own_turn is None:
        return None
    turn, since = own_turn
    before = waiting(model).filter(turn__lt=turn).count()
    return before + waiting(model).filter(turn=turn, queued_at__lt=since).count()


@dataclass(frozen=True)
class Pace:
    """How fast the queue moves: ``seconds`` for one entry, of which ``workers`` run at once."""

    seconds: float
    workers: int

    def seconds_until(self, position: int) -> float:
        """Estimate how long an entry waits for its answer behind ``position`` others."""
        return (position / self.workers + 1) * self.seconds


def pace() -> Pace | None:
    """Return how fast the last analyses went; None where there was none yet."""
    recent = (
        Prediction.objects.filter(
            finished_at__isnull=False, started_at__isnull=False, status=Status.SUCCEEDED
        )
        .order_by("-finished_at")
        .values_list("started_at", "finished_at")[:SAMPLE_SIZE]
    )
    seconds = [max((end - start).total_seconds(), 0.0) for start, end in recent]
    if not seconds:
        return None
    workers = max(Prediction.objects.filter(status=Status.RUNNING).count(), 1)
    return Pace(sum(seconds) / len(seconds), workers)


def seconds_until(position: int) -> float | None:
    """Estimate how long an entry waits behind ``position`` others; None without experience."""
    found = pace()
    return found.seconds_until(position) if found else None
