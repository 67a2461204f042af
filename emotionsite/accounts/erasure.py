"""Erasing what is a user's, a little at a time, with a receipt in the end.

Thousands of photos take a minute: they go one by one, each in a transaction of its own, so that
nobody else waits for them, and a request that has worked long enough leaves the rest to the next.
"""

import time
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from allauth.account.models import EmailAddress
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils import timezone

from emotionsite.accounts.models import ApiToken, User
from predictions import removal
from predictions.models import Face, Prediction, Status

log = structlog.get_logger(__name__)

SECONDS = 8
"""How long one request erases."""
BATCH = 100
"""Records that are read from the database at once."""


class Scope(StrEnum):
    """What is erased."""

    PHOTOS = "photos"
    ACCOUNT = "account"


@dataclass(frozen=True)
class Erasure:
    """What a user asked to be erased. ``erased`` counts what there was when it began."""

    receipt: str
    scope: str
    began_at: str
    erased: dict[str, int]

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.began_at)


def belongings(user: User, scope: Scope, **when) -> dict[str, int]:
    """Count what an erasure takes; ``when`` are conditions on the records' ``created_at``.

    Records that were removed a moment ago and can still be brought back are counted, too. Bytes
    are those of the photos as they were uploaded, where they are kept.
    """
    records = Prediction.objects.filter(owner=user, **when)
    counts = records.aggregate(
        photos=Count("pk"),
        results=Count("pk", filter=Q(status=Status.SUCCEEDED)),
        bytes=Sum("photo__bytes", filter=Q(photo__is_kept=True), default=0),
    )
    corrected = Face.objects.filter(prediction__in=records).exclude(correction="")
    counts["corrections"] = corrected.count()
    if scope == Scope.ACCOUNT:
        counts["tokens"] = ApiToken.objects.filter(user=user).count()
        counts["webhooks"] = user.webhooks.count()
    return counts


def begin(user: User, scope: Scope, broken_off: Erasure | None = None) -> Erasure:
    """Fix what goes: everything up to this moment, with what ``broken_off`` has erased before.

    Of an account its tokens go first, so that programs send nothing more.
    """
    with transaction.atomic():
        # An upload that is under way is waited for, or comes later.
        list(User.objects.select_for_update().filter(pk=user.pk))
        erased = _with_late(user, broken_off) if broken_off else belongings(user, scope)
        if scope == Scope.ACCOUNT:
            ApiToken.objects.filter(user=user).delete()
        receipt = broken_off.receipt if broken_off else str(uuid.uuid4())
        return Erasure(receipt, str(scope), timezone.now().isoformat(), erased)


def _with_late(user: User, erasure: Erasure) -> dict[str, int]:
    """Count what came since an erasure began as well. Webhooks wait for its end, all of them."""
    late = belongings(user, Scope(erasure.scope), created_at__gt=erasure.moment)
    return {
        name: late[name] + (0 if name == "webhooks" else count)
        for name, count in erasure.erased.items()
    }


def go_on(user: User, erasure: Erasure) -> int:
    """Erase records for SECONDS at most, at least one; return how many are left to erase."""
    end = time.monotonic() + SECONDS
    records = Prediction.objects.filter(owner=user, created_at__lte=erasure.moment)
    while batch := list(records[:BATCH]):
        for prediction in batch:
            removal.delete(prediction)
            if time.monotonic() > end:
                return records.count()
    return 0


def finish(user: User, erasure: Erasure) -> dict:
    """Delete the account where that was asked for, and return the receipt.

    A receipt is made of JSON's types: ``receipt`` (a random UUID), ``scope``, ``began_at``,
    ``finished_at`` and ``erased``, the counts. It is kept nowhere but in the log.
    """
    erased = erasure.erased
    if erasure.scope == Scope.ACCOUNT:
        with transaction.atomic():
            # Whoever adds a photo or a token at this moment is waited for, or comes too late.
            account = User.objects.select_for_update().filter(pk=user.pk).first()
            if account is not None:
                erased = _with_late(account, erasure)
                _delete(account)
    receipt = {**asdict(erasure), "erased": erased, "finished_at": timezone.now().isoformat()}
    log.info("erased", **receipt)
    return receipt


def _delete(account: User) -> None:
    """Delete a user; what the admin noted about accounts and addresses names them and goes, too."""
    kind = ContentType.objects.get_for_model
    addresses = [account.email, *account.emailaddress_set.values_list("email", flat=True)]
    about = Q(content_type=kind(User), object_id=str(account.pk))
    about |= Q(content_type=kind(EmailAddress), object_repr__in=addresses)
    LogEntry.objects.filter(about).delete()
    account.delete()


def sign(receipt: dict) -> str:
    """Return the receipt as a text for an address, which nobody else can make."""
    return signing.dumps(receipt, salt=__name__, compress=True)


def read(text: str) -> dict:
    """Return the receipt of a signed text; raises ``signing.BadSignature`` for any other."""
    return signing.loads(text, salt=__name__)
