"""Which addresses a webhook may call: none inside the operator's own network.

A URL is read once, here, and what was read is what is connected to: a second reading or a second
look-up of the name could come to another host.
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

from predictions.webhooks.models import Failure

_PLAIN = re.compile(r"[!-\[\]-~]+")  # ASCII that is seen, without the backslash.
_PRIVATE_NAMES = (".internal", ".local", ".localhost")
_UNICAST = ip_network("2000::/3")
"""What of IPv6 is given out to the public; the rest is local, reserved or multicast."""
_NAT64 = ip_network("64:ff9b::/96")


class TargetRefused(Exception):
    """This is no address that the site calls; ``failure`` is a `Failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


@dataclass(frozen=True)
class Target:
    """A URL in the parts that a request needs; ``path`` begins with a slash and has the query."""

    is_tls: bool
    host: str
    port: int
    path: str


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether packets to this address leave for the public internet.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is judged by that.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    inner = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if inner is not None:
        return is_public(inner)
    return address in _UNICAST and address.is_global


def parse(url: str) -> Target:
    """Read the URL of a webhook, without asking the network.

    Raises TargetRefused (invalid_url, credentials_in_url, insecure_url, private_address).
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        host.encode("idna")  # Refuses names that no resolver takes.
    except ValueError as error:
        raise TargetRefused(Failure.INVALID_URL) from error
    if not (_PLAIN.fullmatch(url) and parts.scheme in ("http", "https") and host and port != 0):
        raise TargetRefused(Failure.INVALID_URL)
    if "@" in parts.netloc:
        raise TargetRefused(Failure.CREDENTIALS)
    is_tls = parts.scheme == "https"
    if not settings.WEBHOOKS_ALLOW_PRIVATE:
        if not is_tls:
            raise TargetRefused(Failure.INSECURE)
        if _is_surely_private(host):
            raise TargetRefused(Failure.PRIVATE)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_tls, host, port or (443 if is_tls else 80), path)


def _is_surely_private(host: str) -> bool:
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return "." not in host or host.lower().endswith(_PRIVATE_NAMES)


def resolve(target: Target) -> list[str]:
    """Look the host up, this once, and return its addresses.

    Raises TargetRefused: unknown_host, or private_address where any of them is not public.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise TargetRefused(Failure.UNKNOWN_HOST) from error
    addresses = list(dict.fromkeys(sockaddr[0] for *_, sockaddr in found))
    if not settings.WEBHOOKS_ALLOW_PRIVATE and not all(
        is_public(ip_address(address)) for address in addresses
    ):
        raise TargetRefused(Failure.PRIVATE)
    return addresses
