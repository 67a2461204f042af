"""Photos, a real site, and one that plays what a real one cannot be made to do at will."""

import hashlib
import io
import json
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

TOKEN = "0123456789abcdef" * 4


@dataclass(frozen=True)
class Post:
    """An upload as it arrived."""

    at: float
    sha256: str
    key: str


class PlayedSite:
    """An API that takes photos and has their results at once, but for what a test scripts.

    ``answer(sha256, times)`` may return, for the bytes that came ``times`` times before, another
    answer as (status, headers[, content]), or "lose" to take the photo and hang up.
    """

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.records: dict[str, dict] = {}
        self.answer: Callable[[str, int], tuple | str | None] = lambda *_: None
        self.check: tuple[int, dict] | None = None
        """What every GET is answered, if something else than its results."""
        self.seconds_per_photo = 0.0
        self.has_results = True
        self.has_records = True
        self.lock = threading.Lock()
        site = self

        class Handler(_Handler):
            played = site

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    played: PlayedSite

    def do_GET(self) -> None:
        site = self.played
        path, _, query = self.path.partition("?")
        identity = path.removeprefix("/api/v1/predictions/").rstrip("/")
        if self.headers["Authorization"] != f"Token {TOKEN}":
            self.reply(401, {})
        elif site.check:
            self.reply(*site.check)
        elif identity:
            record = next(r for r in site.records.values() if r["id"] == identity)
            status = record["status"] if site.has_results else "queued"
            self.reply(*((200, {}, record | {"status": status}) if site.has_records else (404, {})))
        elif "cursor=second" in query:
            results = list(site.records.values()) if site.has_results else []
            self.reply(200, {}, {"next": None, "results": results})
        else:
            # Behind a careless proxy a site does not know its own address.
            following = "http://192.0.2.1/api/v1/predictions/?cursor=second"
            self.reply(200, {}, {"next": following, "results": []})

    def do_POST(self) -> None:
        site = self.played
        body = self.rfile.read(int(self.headers["Content-Length"]))
        photo = body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
        sha256 = hashlib.sha256(photo).hexdigest()
        with site.lock:
            times = sum(post.sha256 == sha256 for post in site.posts)
            key = self.headers["Idempotency-Key"]
            site.posts.append(Post(time.monotonic(), sha256, key))
        time.sleep(site.seconds_per_photo)
        answer = site.answer(sha256, times)
        if isinstance(answer, tuple):
            self.reply(*answer)
            return
        with site.lock:
            is_new = sha256 not in site.records
            record = site.records.setdefault(sha256, _record(sha256))
        if answer != "lose":
            self.reply(202 if is_new else 200, {}, record | {"status": "queued"})

    def reply(self, status: int, headers: dict, content: dict | None = None) -> None:
        if content is None:
            content = {"code": f"code_{status}", "detail": f"This is a {status}."}
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args) -> None:
        pass


def _record(sha256: str) -> dict:
    return {
        "id": str(uuid.uuid4()),
        "status": "succeeded",
        "created_at": datetime.now(UTC).isoformat(),
        "photo": {"sha256": sha256},
        "faces": [],
        "advice": ["no_face"],
        "model": {"name": "played", "version": "1.0.0", "sha256": "0" * 64},
        "error": None,
    }


@pytest.fixture
def played() -> Iterator[PlayedSite]:
    site = PlayedSite()
    yield site
    site.close()


@pytest.fixture
def web(transactional_db, static_files, tmp_path) -> Iterator[tuple[str, Path]]:
    """URL and access log of a gunicorn on the test database."""
    from emotionsite.processes import Processes
    from emotionsite.run import WEB

    processes, log = Processes(), tmp_path / "access.log"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, *WEB, "--bind", f"fd://{listener.fileno()}"]
        command += ["--access-logfile", str(log)]
        processes.start("web", command, pass_fds=[listener.fileno()])
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", log
        processes.stop("web")


@pytest.fixture
def owner(transactional_db):
    from emotionsite.accounts.models import User

    return User.objects.create_user("ada", "ada@example.org")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path) -> Path:
    """The folder that the client keeps its journals in."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("EMOTIONSITE_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("EMOTIONSITE_URL", raising=False)
    return tmp_path / "state" / "emotionsite-client"


@pytest.fixture
def make_photos(tmp_path) -> Callable[[int], Path]:
    """``make_photos(n)`` fills a folder with n different small pictures and returns it."""

    def make(number: int) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir()
        for seed in range(number):
            noise = random.Random(seed).randbytes(48 * 48 * 3)  # noqa: S311
            file = io.BytesIO()
            Image.frombytes("RGB", (48, 48), noise).save(file, "PNG")
            (folder / f"{seed:04}.png").write_bytes(file.getvalue())
        return folder

    return make
