# /// script
# requires-python = ">=3.11"
# dependencies = ["requests>=2.32,<3", "tqdm>=4.67,<5"]
# ///
"""Send folders of photos to a site and collect what it says of them: ``emotionsite-client``.

This file needs nothing else of the project: copied elsewhere, ``uv run client.py upload --help``
fetches the two packages named above and runs it.

Every upload carries a key made of run, path and content, and the site knows the bytes of a photo
again: a request whose answer was lost may be sent again. What the site has said of a photo is
kept in a journal, so that a run which was stopped, or killed, is gone on with.
"""

import argparse
import csv
import errno
import getpass
import hashlib
import io
import json
import os
import queue
import random
import re
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
from tqdm import tqdm

SUFFIX = re.compile(r"\.(jpe?g|png|webp|hei[cf]|avif|gif|bmp|tiff?)", re.IGNORECASE)
LARGEST = 512 * 1024 * 1024
"""Bytes. No site takes a larger photo, and every worker holds one in memory."""
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
BOX = ("x", "y", "width", "height")
COLUMNS = ("path", "sha256", "id", "status", "face_index", *BOX, "label", "confidence", "unsure")
COLUMNS += (*LABELS, "model_version", "error_code")
FINISHED = ("succeeded", "failed", "canceled")
UNFINISHED = ("queued", "running")

TIMEOUTS = (30, 120)
"""Seconds to connect, or to get rid of one block of a photo; and to wait for an answer."""
LONGEST_PAUSE = 60
TRIES = 10
"""After so many failures a photo is left out, if others got through meanwhile."""
PAUSE_WHEN_THROTTLED = 5
"""Seconds, where a site that is too busy does not say how long."""
PACE = 0.5
"""Seconds for each request for results: a tenth of what a site allows to one user."""
TICK = timedelta(milliseconds=1)
SHOWN = 20
"""How many photos without a result the report names."""


class Stop(Exception):
    """The run cannot go on; the message says why in one line."""


class Stopped(Exception):
    """Another thread has ended the run."""


class NoAnswer(Exception):
    """A photo failed again and again while others got through; carries the last problem."""


def find_photos(paths: Sequence[Path], recursive: bool = False) -> list[Path]:
    """Return the photos in folders, by suffix, and the given files, whatever their suffix.

    A folder gives its own photos in the order of their names, then, if ``recursive``, those of its
    folders. What begins with a dot is left out; links to files are followed, to folders not.
    Raises Stop for a path that does not exist, OSError for a folder that cannot be read.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise Stop(f"There is no photo or folder {path}.")
        for photo in _walk(path, recursive) if path.is_dir() else [path]:
            found.setdefault(os.path.abspath(photo), photo)  # noqa: PTH100, a link is no copy.
    return list(found.values())


def _walk(folder: Path, recursive: bool) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and SUFFIX.fullmatch(path.suffix) and path.is_file():
                yield path


def _raise(error: OSError) -> None:
    raise error


class Journal:
    """What the site has said of the bytes of each photo: JSON lines, added by one write each.

    ``records``: SHA-256 -> the site's record, or ``{"status", "error": {"code", "detail"}}`` with
    the status ``refused``, ``deleted`` or, remembered only for this run, ``unsent``.
    """

    def __init__(self, path: Path, site: str, *, resume: bool, restart: bool) -> None:
        """Read or begin it. Raises Stop where it must not be used, OSError where it cannot be."""
        self.records: dict[str, dict] = {}
        self._path = path
        self._claimed: set[str] = set()
        self._lock = threading.Lock()
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        begin, *lines = text.split("\n")
        try:
            header = json.loads(begin) if text else {"site": site}
            if header["site"] != site:
                raise Stop(f"{path} is about {header['site']}, not {site}.")
        except (ValueError, TypeError, KeyError) as error:
            raise Stop(f"{path} is not a journal of uploads.") from error
        if any(lines) and not (resume or restart):
            raise Stop(f"Sent before (see {path}): --resume goes on, --restart sends all again.")
        if restart or not text:
            header, lines = {"site": site, "run": uuid.uuid4().hex}, []
            path.write_text(json.dumps(header) + "\n")
        self.run = header["run"]
        for line in lines:
            with suppress(ValueError, TypeError):  # One may have been cut off.
                self.records |= json.loads(line)
        if not text.endswith("\n"):
            self._add("")

    def claim(self, sha256: str) -> bool:
        """Tell whether nothing is known of these bytes and the caller is the one to send them."""
        with self._lock:
            if sha256 in self.records or sha256 in self._claimed:
                return False
            self._claimed.add(sha256)
            return True

    def keep(self, sha256: str, record: dict) -> None:
        with self._lock:
            self._add(json.dumps({sha256: record}))
            self.records[sha256] = record

    def leave(self, name: str, problem: dict) -> None:
        """Remember for this run only that a photo, by SHA-256 or path, could not be sent."""
        with self._lock:
            self.records[name] = {"status": "unsent", "error": problem}

    def _add(self, line: str) -> None:
        with self._path.open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())

    def pending(self) -> dict[str, tuple[datetime, str]]:
        """Return what has no result yet: id -> (creation, SHA-256)."""
        with self._lock:
            return {
                record["id"]: (datetime.fromisoformat(record["created_at"]), sha256)
                for sha256, record in self.records.items()
                if record["status"] in UNFINISHED
            }


class Site:
    """The API of one site for one user and any number of threads, with the patience it needs."""

    def __init__(
        self, url: str, token: str, give_up_after: float, keep_photos: bool = True
    ) -> None:
        """``url`` is the site's root, ``give_up_after`` the seconds that it may be silent.

        Without ``keep_photos`` it is asked to keep the results only.
        """
        self.keep_photos = keep_photos
        self.url = url
        self.stop = threading.Event()
        self._predictions = f"{url}/api/v1/predictions/"
        self._authorization = f"Token {token}"
        self._give_up_after = give_up_after
        self._answered_at = self._open_at = 0.0
        self._local = threading.local()

    @property
    def pausing(self) -> float:
        """Seconds for which the site wants to be left alone."""
        return max(0.0, self._open_at - time.monotonic())

    def check(self) -> None:
        """Raise Stop unless the API answers and takes the token."""
        status, page = self.call("GET", params={"page_size": 1}, patience=0)
        if status != 200 or "results" not in page:
            raise Stop(f"{self.url} does not answer as an Emotionsite does.")

    def upload(self, name: str, content: bytes, key: str) -> tuple[int, dict]:
        """Send one photo; return status and record, or status and problem of a refusal."""
        name = name.encode(errors="replace").decode()
        fields = {} if self.keep_photos else {"keep_photo": "false"}
        form = requests.Request(
            "POST", self._predictions, data=fields, files={"image": (name, content)}
        ).prepare()
        headers = {"Content-Type": form.headers["Content-Type"], "Idempotency-Key": key}
        return self.call("POST", body=form.body, headers=headers)

    def call(self, method, path="", *, body=b"", patience=None, **options) -> tuple[int, dict]:
        """Return status and JSON of an answer below 500, trying until there is one.

        Raises Stop where the token is refused or nobody gets an answer for too long, and NoAnswer
        where others do and this request does not.
        """
        patience = self._give_up_after if patience is None else patience
        failures, since = 0, 0.0
        while True:
            while self.pausing:
                self._sleep(self.pausing + 0.2 * random.random())  # noqa: S311, spreads threads.
            status, headers, answer = self._ask(method, path, body, options)
            now = time.monotonic()
            retry_after = seconds_to_wait(headers.get("Retry-After", ""))
            if status == 403 and answer["code"] == "quota_exceeded":
                raise Stop(f"{answer['detail']} Then go on with --resume.")
            if status in (401, 403):
                raise Stop(f"{self.url} does not allow this: {answer['detail']}")
            if 300 <= status < 400:
                raise Stop(f"{self.url} redirects to {headers.get('Location')}: name that as URL.")
            if status == 429 or (status == 503 and retry_after is not None):
                wait = PAUSE_WHEN_THROTTLED if retry_after is None else retry_after
                if wait > self._give_up_after:
                    raise Stop(f"{self.url} wants to be left alone for {wait:.0f} seconds.")
                self._answered_at = now
                self._open_at = max(self._open_at, now + wait)
                continue
            if 0 < status < 500:
                self._answered_at = now
                # The last: an earlier try, whose answer was lost, is still being worked on.
                if status not in (408, 425) and answer.get("code") != "idempotency_key_in_use":
                    return status, answer
            failures += 1
            since = since or now
            if self._answered_at > since:
                if failures >= TRIES:
                    raise NoAnswer(answer)
            elif now - since >= patience:
                raise Stop(f"No answer from {self.url}: {answer['detail']}")
            pause = min(2 ** (failures - 1), LONGEST_PAUSE)
            self._sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    def _ask(self, method, path, body, options) -> tuple[int, Mapping[str, str], dict]:
        """Return status, headers and JSON; status 0 with a problem where no answer came."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            # Not a header of the session: an entry in ~/.netrc would take its place.
            self._local.session.auth = self._authorize
        try:
            # A stream goes out in blocks with a timeout each, bytes with a single one for all.
            response = self._local.session.request(
                method,
                self._predictions + path,
                data=io.BytesIO(body) if body else None,
                timeout=TIMEOUTS,
                allow_redirects=False,
                **options,
            )
            if response.status_code < 300:
                return response.status_code, response.headers, response.json()
        except requests.RequestException as error:
            return 0, {}, {"code": "no_answer", "detail": _reason(error)}
        problem = {"code": f"http_{response.status_code}", "detail": response.reason}
        with suppress(ValueError, TypeError):
            problem |= response.json()
        return response.status_code, response.headers, problem

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._authorization
        return request

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Stopped


def seconds_to_wait(retry_after: str) -> float | None:
    """Read a ``Retry-After`` header, seconds or a date; None where it cannot be read."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None


def _reason(error: BaseException) -> str:
    """Return what lies at the bottom of an error: its layers repeat each other."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


class Upload:
    """One run: workers send photos while the calling thread asks for results."""

    def __init__(self, site: Site, journal: Journal, photos: Sequence[Path], wait: bool) -> None:
        self.photos = photos
        self._site = site
        self._journal = journal
        self._wait = wait
        self._names: dict[Path, str] = {}
        self._fatal: Exception | None = None
        self._queue: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for photo in photos:
            self._queue.put(photo)

    def result(self, photo: Path) -> tuple[str, dict]:
        """Return the SHA-256 of a photo, "" while it is not read, and its record."""
        name = self._names.get(photo, "")
        return name, self._journal.records.get(name or str(photo), {"status": "unsent"})

    def counts(self) -> Counter[str]:
        return Counter(self.result(photo)[1]["status"] for photo in self.photos)

    def run(self, workers: int) -> None:
        """Return when everything is sent and, where we wait, has a result. Raises Stop."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            with tqdm(total=len(self.photos), unit=" photos", disable=None) as bar:
                ask_at = 0.0
                while self._fatal is None and (
                    any(thread.is_alive() for thread in threads)
                    or (self._wait and self._journal.pending())
                ):
                    is_time = time.monotonic() >= ask_at and not self._site.pausing
                    if self._wait and is_time:
                        with suppress(NoAnswer, Stopped):
                            ask_at = time.monotonic() + PACE * self._collect()
                    self._show(bar)
                    self._site.stop.wait(0.1)
                self._show(bar)
        finally:
            self._site.stop.set()
            deadline = time.monotonic() + 1
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        if self._fatal is not None:
            raise self._fatal

    def _work(self) -> None:
        try:
            while not self._site.stop.is_set():
                self._send(self._queue.get_nowait())
        except (queue.Empty, Stopped):
            pass
        except Exception as error:
            self._fatal = error
            self._site.stop.set()

    def _send(self, photo: Path) -> None:
        try:
            if photo.stat().st_size > LARGEST:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            content = photo.read_bytes()
        except OSError as error:
            self._journal.leave(str(photo), {"code": "unreadable_file", "detail": error.strerror})
            return
        sha256 = self._names[photo] = hashlib.sha256(content).hexdigest()
        if not self._journal.claim(sha256):
            return
        key = f"{self._journal.run} {sha256} {os.path.abspath(photo)}"  # noqa: PTH100
        key += "" if self._site.keep_photos else " discarded"
        key = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
        try:
            status, answer = self._site.upload(photo.name, content, key)
        except NoAnswer as error:
            self._journal.leave(sha256, error.args[0])
            return
        if status >= 300:
            answer = {"status": "refused", "error": answer}
        self._journal.keep(sha256, answer)

    def _collect(self) -> int:
        """Take the results there are, a hundred a request; return how many requests it took.

        A pass that finds nothing asks for the oldest record itself: it may have been deleted.
        """
        pending = self._journal.pending()
        if not pending:
            return 0
        oldest, newest = (order(pending, key=pending.get) for order in (min, max))
        query = {
            "status": FINISHED,
            "created_after": (pending[oldest][0] - TICK).isoformat(),
            "created_before": (pending[newest][0] + TICK).isoformat(),
            "page_size": 100,
        }
        left, asked = set(pending), 0
        while left:
            status, page = self._site.call("GET", params=query)
            asked += 1
            if status != 200:
                raise Stop(f"{self._site.url} does not list results: {page['detail']}")
            for record in page["results"]:
                if record["id"] in left:
                    left.remove(record["id"])
                    self._journal.keep(pending[record["id"]][1], record)
            if not page["next"]:
                break
            # The token goes to no other address, so only the cursor is taken from this one.
            query["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"]
        if len(left) == len(pending):
            status, record = self._site.call("GET", f"{oldest}/")
            asked += 1
            if status != 200:
                record = {"id": oldest, "status": "deleted"}
            if record["status"] not in UNFINISHED:
                self._journal.keep(pending[oldest][1], record)
        return asked

    def _show(self, bar: tqdm) -> None:
        if bar.disable:
            return
        counts = self.counts()
        waiting = sum(counts[status] for status in UNFINISHED) if self._wait else 0
        bar.n = len(self.photos) - counts["unsent"] - waiting
        sent = len(self.photos) - counts["unsent"] - counts["refused"]
        pause = f", the site asks to wait {self._site.pausing:.0f} s" if self._site.pausing else ""
        bar.set_postfix_str(f"{sent} sent, {counts['refused']} refused{pause}")


def write_csv(path: Path, upload: Upload) -> None:
    """Write for every photo one row a face, or one without a face's values."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        for photo in upload.photos:
            sha256, record = upload.result(photo)
            row = {
                "path": spreadsheet_safe(str(photo)),
                "sha256": sha256,
                "id": record.get("id", ""),
                "status": record["status"],
                "model_version": (record.get("model") or {}).get("version", ""),
                "error_code": (record.get("error") or {}).get("code", ""),
            }
            faces = record.get("faces") or []
            table.writerows([row | _face_columns(face) for face in faces] or [row])
    part.replace(path)


def _face_columns(face: dict) -> dict:
    return {
        "face_index": face["index"],
        **face["box"],
        "label": face["label"],
        "confidence": face["confidence"],
        "unsure": str(face["unsure"]).lower(),
        **face["probabilities"],
    }


def spreadsheet_safe(path: str) -> str:
    """Return the same path in a form that no spreadsheet takes for a formula."""
    return f".{os.sep}{path}" if path.startswith(tuple("=+-@\t\r")) else path


def site_url(text: str) -> str:
    """Return the root of a site from its address, with or without ``/api/v1/``. Raises Stop."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise Stop(f"{text!r} is not the address of a site, such as https://example.org")
    return text.rstrip("/").removesuffix("/api/v1")


def is_overheard(url: str) -> bool:
    """Tell whether token and photos would travel through a network unencrypted."""
    parts = urlsplit(url)
    loopback = re.fullmatch(r"localhost|127(\.\d+){3}|::1", parts.hostname)
    return parts.scheme == "http" and not loopback


def default_journal(site: str, paths: Sequence[Path]) -> Path:
    """Return where the journal of these paths and this site is, in a folder of the user alone.

    It is not among the photos, whose folder may be shared, read-only or under version control.
    """
    home = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.local/state"
    folder = Path(home, "emotionsite-client").expanduser()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = "\n".join([site, *sorted(os.path.abspath(path) for path in paths)])  # noqa: PTH100
    return folder / f"{hashlib.sha256(names.encode(errors='surrogateescape')).hexdigest()}.jsonl"


def read_token(given: str) -> str:
    """Return the token that was given, or ask for it. Raises Stop."""
    token = given.strip() or (getpass.getpass("Token: ") if sys.stdin.isatty() else "")
    if not (token.isascii() and token.isalnum()):
        raise Stop("A token is needed, letters and digits, in EMOTIONSITE_TOKEN or --token.")
    return token


def upload(options: argparse.Namespace) -> int:
    """Do what the command line says; return the exit status. Raises Stop and OSError."""
    table, url = options.csv, site_url(options.url)
    if table and (table.is_dir() or not os.access(table.parent, os.W_OK)):
        raise Stop(f"{table} cannot be written.")
    photos = find_photos(options.paths, options.recursive)
    if not photos:
        raise Stop("No photos there." if options.recursive else "No photos there: --recursive?")
    token = read_token(options.token)
    site = Site(url, token, options.give_up_after, not options.discard_photos)
    if is_overheard(url):
        print(f"Warning: {url} is not encrypted; others may read along.", file=sys.stderr)
    site.check()
    path = options.state or default_journal(url, options.paths)
    journal = Journal(path, url, resume=options.resume, restart=options.restart)
    run = Upload(site, journal, photos, options.wait)
    try:
        run.run(options.workers)
    except KeyboardInterrupt:
        sent = sum("id" in record for record in list(journal.records.values()))
        print(f"Stopped, {sent} sent. The same with --resume goes on.", file=sys.stderr)
        return 130
    if table:
        write_csv(table, run)
    counts = run.counts()
    print(f"{len(photos)} photos:", ", ".join(f"{n} {status}" for status, n in counts.items()))
    errors = [(photo, run.result(photo)[1].get("error")) for photo in photos]
    errors = [f"{path}: {error['code']}: {error['detail']}" for path, error in errors if error]
    print(*errors[:SHOWN], sep="\n", end="\n" if errors else "", file=sys.stderr)
    if len(errors) > SHOWN:
        print(f"… and {len(errors) - SHOWN} more, which --csv lists.", file=sys.stderr)
    good = ("succeeded",) if options.wait else ("succeeded", *UNFINISHED)
    return 0 if counts.keys() <= set(good) else 1


HELP = """\
A journal outside the folder remembers what the site said of each photo:
  --resume   sends what the journal does not know, and asks for the results that
             lack. Without a journal it begins one, so it may always be given.
  --restart  forgets the journal and sends all. For bytes that the site has from
             you already it answers with the result that it has.
Without either, a run that finds a journal stops.

The CSV has a row for each face, and one for a photo without; it is written when the
run has come to its end. A path that a spreadsheet could take for a formula begins
with ./ there.

Exit status: 0 every photo has its result (with --no-wait: is accepted), 1 some were
refused, failed or could not be sent, 2 wrong usage, token or address, or no answer,
130 Ctrl-C."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emotionsite-client")
    command = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "upload",
        help="send photos and collect the results",
        description="Send photos, or folders of them, and collect the results.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    url, token = (os.environ.get(f"EMOTIONSITE_{name}", "") for name in ("URL", "TOKEN"))
    hidden = "better in EMOTIONSITE_TOKEN: others see a command line; a terminal asks for it"
    silence = "how long the site may give no answer (600)"
    add = command.add_argument
    either = command.add_mutually_exclusive_group().add_argument
    add("paths", nargs="+", type=Path, metavar="DIR|FILE")
    add("--url", default=url, help="address of the site; or in EMOTIONSITE_URL")
    add("--token", default=token, help=hidden)
    add("--recursive", action="store_true", help="folders in folders, too")
    add("--csv", type=Path, metavar="FILE", help="write the results as a table")
    either("--resume", action="store_true", help="go on with an earlier run")
    either("--restart", action="store_true", help="forget an earlier run")
    add("--state", type=Path, metavar="FILE", help="where the journal is kept")
    add("--no-wait", dest="wait", action="store_false", help="send only, do not wait for results")
    add("--discard-photos", action="store_true", help="let the site keep the results only")
    add("--workers", type=int, choices=range(1, 17), default=4, metavar="1…16", help="at once (4)")
    add("--give-up-after", type=float, default=600, metavar="SECONDS", help=silence)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    # A name that the terminal cannot show is no reason to stop.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        return upload(_parser().parse_args(arguments))
    except KeyboardInterrupt:
        return 130
    except (Stop, OSError) as error:
        print(f"emotionsite-client: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
