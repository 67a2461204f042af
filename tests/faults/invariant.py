"""What holds after every fault, and how a breach of it is found."""

import json
import time
import uuid
from collections import Counter

from tests.faults.clients import Journal
from tests.faults.site import Site

SETTLE_TIMEOUT = 60
"""Seconds after a fault within which every accepted photo has ended."""

ENDED = {"succeeded", "failed", "canceled"}

BAD_FILE_CODES = {
    *("empty_file", "file_too_large", "unsupported_format", "unreadable_image"),
    *("too_many_pixels", "too_small", "too_complex", "timed_out"),
}

REMOVE_ORPHANS = """
from datetime import timedelta
from predictions import files
files.TEMPORARY_AGE = timedelta(0)
files.remove_temporary_files()
now = timedelta(0)
remover = files.OrphanRemover(age=now, confirm_after=now, pass_interval=now)
print(remover.run() + remover.run())
"""
"""What maintenance does within an hour, done at once: with ages of zero instead of minutes."""

PREDICTIONS = """
SELECT prediction.id, prediction.status, prediction.error_code, prediction.owner_id,
       prediction.lease, photo.sha256, photo.is_kept, photo.upload, photo.display, photo.thumbnail,
       (SELECT COUNT(*) FROM predictions_face face WHERE face.prediction_id = prediction.id)
FROM predictions_prediction prediction JOIN predictions_photo photo ON photo.id = photo_id
WHERE prediction.owner_id IS NOT NULL
"""

UNFINISHED = """
SELECT (SELECT COUNT(*) FROM predictions_prediction WHERE status IN ('queued', 'running')),
       (SELECT COUNT(*) FROM predictions_explanationrequest WHERE status IN ('queued', 'running'))
"""

FILES = "SELECT upload, display, thumbnail FROM predictions_photo"


class Breach(Exception):
    """The invariant does not hold; the message says where."""


def settle(site: Site) -> float:
    """Wait until the site is healthy and nothing waits; return the seconds that it took.

    Raises Breach after SETTLE_TIMEOUT.
    """
    started = time.monotonic()
    while True:
        missing = site.missing()
        photos, explanations = ("?", "?") if missing else site.database.rows(UNFINISHED)[0]
        seconds = time.monotonic() - started
        if not (missing or photos or explanations):
            return seconds
        if seconds > SETTLE_TIMEOUT:
            raise Breach(
                f"after {SETTLE_TIMEOUT} s: {photos} photos and {explanations} explanations have "
                f"not ended{'; ' if missing else ''}{missing}"
            )
        time.sleep(0.3)


def check(
    site: Site,
    journal: Journal,
    *,
    leaves_files: bool = False,
    may_fail: frozenset[str] = frozenset(),
) -> Counter[str]:
    """Compare what was promised with the rows and the files; return how the photos ended.

    ``leaves_files`` says that the fault may have left files that maintenance removes within an
    hour; that is done at once here. ``may_fail`` are the codes with which a good photo may have
    failed. Raises Breach.
    """
    breaches = list(journal.breaches)
    if leaves_files:
        site.shell(REMOVE_ORPHANS)
    rows = {str(uuid.UUID(str(row[0]))): row[1:] for row in site.database.rows(PREDICTIONS)}
    ends: Counter[str] = Counter()
    for accepted in list(journal.accepted.values()):
        row = rows.get(accepted.id)
        if row is None:
            if not accepted.may_be_gone:
                breaches.append(f"{accepted.id} was accepted and is gone")
            continue
        if accepted.is_deleted:
            breaches.append(f"{accepted.id} was deleted and is still there")
        breaches += _check_row(accepted, row, ends, may_fail)
    twice = Counter((row[2], row[4]) for row in rows.values())
    for (owner, sha256), number in twice.items():
        if number > 1:
            breaches.append(f"photo {sha256[:12]} of user {owner} has {number} records")
        if sha256 in journal.refused:
            breaches.append(f"photo {sha256[:12]} of user {owner} was refused and is stored")
    breaches += _check_files(site)
    if breaches:
        more = f"\n… and {len(breaches) - 20} more" if len(breaches) > 20 else ""
        raise Breach("\n".join(breaches[:20]) + more)
    return ends


def _check_row(accepted, row: tuple, ends: Counter[str], may_fail: frozenset[str]) -> list[str]:
    status, code, owner, lease, sha256, is_kept, upload, display, thumbnail, faces = row
    named = f"{accepted.id} ({status} {code})"
    ends[code if status == "failed" else status] += 1
    found = []
    if status not in ENDED:
        found.append(f"{named} has not ended")
    if status == "failed" and not code:
        found.append(f"{named} failed without a code")
    if (owner, sha256) != (accepted.owner, accepted.sha256):
        found.append(f"{named} shows another user's photo")
    if lease:
        found.append(f"{named} has ended and is still leased")
    if status == "succeeded":
        if upload or bool(display) != bool(is_kept) or bool(thumbnail) != bool(is_kept):
            found.append(f"{named} names the wrong files: {upload!r} {display!r} {thumbnail!r}")
        if accepted.faces is not None and faces != accepted.faces:
            found.append(f"{named} has {faces} faces and not {accepted.faces}")
    elif status == "failed" and accepted.faces is not None and code not in may_fail:
        found.append(f"{named}: a good photo failed")
    elif status == "failed" and accepted.faces is None and code not in BAD_FILE_CODES | may_fail:
        found.append(f"{named}: a bad photo failed with another code")
    return found


def _check_files(site: Site) -> list[str]:
    """Compare the files with the rows, twice if need be: a record may just be going."""
    for attempt in range(2):
        named = {name for row in site.database.rows(FILES) for name in row if name}
        stored = site.stored()
        found = [f"no row for the file {name}" for name in sorted(stored - named)]
        found += [f"no file {name}" for name in sorted(named - stored)]
        found += [f"a temporary file: {path.name}" for path in site.temporary()]
        media = site.data_dir / "media"
        for name in sorted(named & stored):
            if "/upload" not in name and not (media / name).read_bytes().endswith(b"\xff\xd9"):
                found.append(f"the file {name} breaks off")
        if not found or attempt:
            return found
        time.sleep(1)
    return []


def report(journal: Journal, ends: Counter[str]) -> str:
    """Return one line about what clients have seen, for people."""
    return f"{len(journal.accepted)} accepted, {json.dumps(dict(ends))}, answers " + json.dumps(
        dict(sorted(journal.statuses.items()))
    )
