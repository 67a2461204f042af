"""Sending one message: one request to an address that was checked, within a limit of time.

No redirect is followed and no proxy of the environment is asked: either would lead past the check.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from predictions.webhooks.models import Failure
from predictions.webhooks.targets import Target, TargetRefused, parse, resolve

TIMEOUT = 10.0
"""Seconds for connecting, sending and reading together, however slowly the other side drips. The
look-up of the name comes before, and ends by the resolver's own limit."""
READ_LIMIT = 4096
"""Bytes of an answer's body that are read, to part in peace; nobody looks at them."""

_FAILURES = (
    (TimeoutError, Failure.TIMED_OUT),
    (ssl.SSLCertVerificationError, Failure.BAD_CERTIFICATE),
    (ssl.SSLError, Failure.TLS_FAILED),
    (OSError, Failure.UNREACHABLE),
    (http.client.HTTPException, Failure.BAD_RESPONSE),
)


@dataclass(frozen=True)
class Answer:
    """What came of an attempt: the HTTP status, if any, and a `Failure`, empty for success."""

    status: int | None
    error: str


def post(url: str, headers: dict[str, str], body: bytes) -> Answer:
    """Send JSON to a webhook's URL; whatever goes wrong on the way is an answer, too."""
    try:
        target = parse(url)
        status = _post(target, resolve(target), headers, body)
    except TargetRefused as refusal:
        return Answer(None, refusal.failure)
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, next(code for kind, code in _FAILURES if isinstance(error, kind)))
    return Answer(status, _judge(status))


def _judge(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if status == 410:
        return Failure.GONE
    return Failure.REDIRECTED if 300 <= status < 400 else Failure.REFUSED


def _post(target: Target, addresses: Sequence[str], headers: dict[str, str], body: bytes) -> int:
    deadline = time.monotonic() + TIMEOUT
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Emotionsite-Webhooks/1",
        "Connection": "close",
        **headers,
    }
    connection = _Connection(target, addresses, deadline)
    try:
        connection.request("POST", target.path, body, headers)
        with http.client.HTTPResponse(_Reader(connection.sock, deadline), method="POST") as answer:
            answer.begin()
            with suppress(OSError, http.client.HTTPException):
                answer.read(READ_LIMIT)
            return answer.status
    finally:
        connection.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@cache
def _tls() -> ssl.SSLContext:
    """Trust whom the machine trusts; SSL_CERT_FILE names others, as everywhere with OpenSSL."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Connection(http.client.HTTPConnection):
    """A connection to one of the given addresses, under the target's name."""

    def __init__(self, target: Target, addresses: Sequence[str], deadline: float) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.is_tls else 80  # It is left out of the Host header.
        self._is_tls = target.is_tls
        self._addresses = addresses
        self._deadline = deadline

    def connect(self) -> None:
        self.sock = self._connected()
        self.sock.settimeout(_left(self._deadline))
        if self._is_tls:
            self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host)
            self.sock.settimeout(_left(self._deadline))

    def _connected(self) -> socket.socket:
        for left in range(len(self._addresses), 0, -1):
            try:
                # An address that does not answer leaves the others their share of the time.
                share = _left(self._deadline) / left
                return socket.create_connection((self._addresses[-left], self.port), share)
            except OSError as error:
                failure = error
        raise failure


class _Reader(io.RawIOBase):
    """Reads from a socket until the deadline; a socket's own timeout starts anew at each byte."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """Stand for the socket that http.client asks for a file."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)
