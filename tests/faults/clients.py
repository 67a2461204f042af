"""Users who send photos all the time, and remember what they were promised."""

import hashlib
import io
import random
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests
from PIL import Image

from tests.faults.site import Site
from tests.support.pictures import one_face

ANSWER_TIMEOUT = 90
"""Seconds within which every request is answered, or its connection ends."""

POSSIBLE = {200, 201, 202, 204, 207, 404, 409, 429, 503}
"""What a site in trouble may answer to a right request; 404 and 409 where a record was deleted or
is not finished."""


@dataclass
class Accepted:
    """A photo that the site has taken: which one, for whom, and what is in it."""

    id: str
    owner: int
    sha256: str
    faces: int | None
    """None where the answer may be anything that the site documents."""
    at: float = field(default_factory=time.monotonic)
    may_be_gone: bool = False
    """Its owner has asked to delete it, whatever the answer was."""
    is_deleted: bool = False


class Journal:
    """What all clients have seen of a site, in one place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.accepted: dict[str, Accepted] = {}
        self.refused: set[str] = set()
        """SHA-256 of what must not be stored."""
        self.statuses: Counter[str] = Counter()
        self.breaches: list[str] = []

    def accept(self, accepted: Accepted) -> None:
        with self._lock:
            known = self.accepted.setdefault(accepted.id, accepted)
            if known.sha256 != accepted.sha256:
                self.breaches.append(f"{accepted.id} was given to two photos")

    def count(self, what: str) -> None:
        with self._lock:
            self.statuses[what] += 1

    def breach(self, what: str) -> None:
        with self._lock:
            self.breaches.append(what)


class Photos:
    """Small photos, each another file to the site, with known numbers of faces."""

    def __init__(self) -> None:
        from skimage import data

        portrait = io.BytesIO()
        Image.fromarray(data.astronaut()).save(portrait, "PNG")
        self._face = one_face(portrait.getvalue())
        self._empty = Image.linear_gradient("L").resize((320, 240)).convert("RGB")

    def make(self, faces: int) -> bytes:
        """Return a JPEG with one face or none."""
        file = io.BytesIO()
        image = self._face if faces else self._empty
        image.save(file, "JPEG", quality=92, comment=uuid.uuid4().hex)
        return file.getvalue()


class Client:
    """One user's program."""

    def __init__(self, site: Site, journal: Journal, name: str, owner: int, token: str) -> None:
        self.name, self.owner = name, owner
        self._site, self._journal = site, journal
        self._headers = {"Authorization": f"Token {token}"}
        self._session = requests.Session()
        self._photos = Photos()
        self.chance = random.Random(name)  # noqa: S311

    def _request(self, method: str, path: str, **options) -> requests.Response | None:
        """Return the answer, or None where the connection ended first."""
        headers = self._headers | options.pop("headers", {})
        url = f"{self._site.url}/api/v1/{path}"
        started = time.monotonic()
        try:
            answer = self._session.request(
                method, url, headers=headers, timeout=ANSWER_TIMEOUT, **options
            )
        except requests.ReadTimeout:
            self._journal.breach(f"{method} {path}: no answer in {ANSWER_TIMEOUT} s")
            return None
        except requests.RequestException:
            self._journal.count("connection lost")
            time.sleep(0.2)
            return None
        self._journal.count(str(answer.status_code))
        if answer.status_code not in POSSIBLE:
            self._journal.breach(
                f"{method} {path}: {answer.status_code} after {time.monotonic() - started:.1f} s: "
                f"{answer.text[:300]}"
            )
        elif answer.status_code == 503 and "Retry-After" not in answer.headers:
            self._journal.breach(f"{method} {path}: 503 without Retry-After: {answer.text[:300]}")
        return answer

    def send(self, faces: int = 1, **form: str) -> Accepted | None:
        """Send one photo; return it where it was accepted."""
        return self.send_file(self._photos.make(faces), faces, **form)

    def send_file(self, content: bytes, faces: int | None, wait: int = 0, **form: str):
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        answer = self._request(
            "POST", "predictions/", files={"image": content}, data=form, headers=headers
        )
        if answer is None or answer.status_code not in (200, 201, 202):
            return None
        return self._accept(answer.json(), content, faces)

    def _accept(self, record: dict, content: bytes, faces: int | None) -> Accepted:
        sha256 = hashlib.sha256(content).hexdigest()
        accepted = Accepted(record["id"], self.owner, sha256, faces)
        self._journal.accept(accepted)
        return accepted

    def send_bad_file(self, content: bytes) -> None:
        """Send what may be refused for its content, with a code, or fail later."""
        try:
            answer = self._session.post(
                f"{self._site.url}/api/v1/predictions/",
                files={"image": content},
                headers=self._headers,
                timeout=ANSWER_TIMEOUT,
            )
        except requests.RequestException:
            return
        self._journal.count(str(answer.status_code))
        if answer.status_code in (200, 201, 202):
            self._accept(answer.json(), content, None)
        elif answer.status_code >= 500 and answer.status_code != 503:
            self._journal.breach(f"a bad file: {answer.status_code}: {answer.text[:300]}")

    def send_batch(self, count: int) -> None:
        contents = [self._photos.make(index % 2) for index in range(count)]
        files = [("image", (f"{index}.jpg", content)) for index, content in enumerate(contents)]
        answer = self._request("POST", "predictions/batch/", files=files)
        if answer is None or answer.status_code != 207:
            return
        for index, outcome in enumerate(answer.json()):
            if outcome["status"] in (200, 201, 202):
                self._accept(outcome["prediction"], contents[index], index % 2)

    def send_part(self, share: float) -> None:
        """Begin to send a photo, and close the connection after this share of the request."""
        content = self._photos.make(1)
        self._journal.refused.add(hashlib.sha256(content).hexdigest())
        url = f"{self._site.url}/api/v1/predictions/"
        request = requests.Request("POST", url, files={"image": content}, headers=self._headers)
        prepared = request.prepare()
        head = f"POST {prepared.path_url} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in prepared.headers.items())
        address = urlsplit(url)
        with (
            suppress(OSError),
            socket.create_connection((address.hostname, address.port), timeout=20) as connection,
        ):
            part = prepared.body[: int(len(prepared.body) * share)]
            connection.sendall(head.encode() + b"\r\n" + part)

    def status(self, accepted: Accepted) -> dict | None:
        """Return the record as the API shows it."""
        answer = self._request("GET", f"predictions/{accepted.id}/")
        if answer is not None and answer.status_code == 200:
            return answer.json()
        return None

    def delete_one(self) -> None:
        """Delete one of the newest records of one's own, whatever its state."""
        own = [a for a in list(self._journal.accepted.values()) if a.owner == self.owner]
        own = [accepted for accepted in own[-10:] if not accepted.may_be_gone]
        if not own:
            return
        accepted = self.chance.choice(own)
        accepted.may_be_gone = True
        answer = self._request("DELETE", f"predictions/{accepted.id}/")
        if answer is not None and answer.status_code in (204, 404):
            accepted.is_deleted = True

    def explain_one(self) -> None:
        """Ask where the network looked on a face of one's own, and do not wait for it."""
        own = [
            a for a in list(self._journal.accepted.values()) if a.owner == self.owner and a.faces
        ]
        if own:
            accepted = self.chance.choice(own[-10:])
            self._request(
                "GET", f"predictions/{accepted.id}/explanation/", headers={"Prefer": "wait=0"}
            )

    def act(self) -> None:
        """Do one of the things that users do, photos most often."""
        match self.chance.randrange(16):
            case 0:
                self.send_batch(3)
            case 1:
                self.delete_one()
            case 2:
                self.explain_one()
            case 3 | 4:
                self.send(keep_photo="false")
            case 5:
                self.send(wait=5)
            case 6 | 7 | 8:
                self.send(faces=0)
            case _:
                self.send()


class Load:
    """Clients that act all the time, each in a thread of its own, while the block runs."""

    def __init__(self, clients: Iterable[Client], pause: float = 1.0) -> None:
        """``pause`` is the mean number of seconds between two actions of a client."""
        self._clients = list(clients)
        self._pause = pause
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Load":
        for client in self._clients:
            thread = threading.Thread(target=self._run, args=[client], daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_exception) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: Client) -> None:
        while not self._ended.wait(client.chance.uniform(0.2, 1.8) * self._pause):
            with suppress(requests.RequestException):
                client.act()
