"""Requests as bytes on a socket: those that no client library would send."""

import json
import socket
from dataclasses import dataclass

BOUNDARY = "boundary-of-tests"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


def part(name: str, value: bytes, file: str = "") -> bytes:
    """Return one part of a form with the boundary before it."""
    file = f'; filename="{file}"' if file else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def chunked(body: bytes, size: int = 5000) -> bytes:
    """Return a body in chunks, with the last, empty one."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def send(
    address: tuple[str, int],
    path: str,
    body: bytes,
    headers: dict[str, str],
    *,
    method: str = "POST",
    length: int | None = None,
) -> Answer:
    """Send a request of which ``body`` may be a part, say that this was all, and read the answer.

    ``length`` is the Content-Length; without one the body is sent as it is, in chunks or not.
    """
    headers = {"Host": "localhost", "Connection": "close", **headers}
    if length is not None:
        headers["Content-Length"] = str(length)
    head = f"{method} {path} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(head.encode() + b"\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            status = int(file.readline().split()[1])
            received = {}
            while line := file.readline().strip().decode():
                name, _, value = line.partition(":")
                received[name.lower()] = value.strip()
            content = file.read()
    if received.get("transfer-encoding") == "chunked":
        content = content.split(b"\r\n", 1)[1].rsplit(b"\r\n0\r\n", 1)[0]
    return Answer(status, received, content)
