"""A user with a webhook that leads to a real server on this machine."""

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.pages.conftest import browser_of, make_user
from tests.support.endpoint import Endpoint


@pytest.fixture(autouse=True)
def own_storage(storage) -> None:
    """Keep the files of each of these tests apart."""


@pytest.fixture(autouse=True)
def _quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def owner(db):
    return make_user("ada")


@pytest.fixture
def client(owner):
    """The owner's browser."""
    return browser_of(owner)


@pytest.fixture
def start_endpoint() -> Iterator[Callable[..., Endpoint]]:
    """A function that starts a receiver, of ``tls`` if that is given."""
    endpoints: list[Endpoint] = []

    def start(tls=None) -> Endpoint:
        endpoints.append(Endpoint(tls))
        return endpoints[-1]

    yield start
    for endpoint in endpoints:
        endpoint.close()


@pytest.fixture
def endpoint(start_endpoint) -> Endpoint:
    return start_endpoint()


@pytest.fixture
def private_allowed(settings) -> None:
    """The operator lets webhooks call this machine."""
    settings.WEBHOOKS_ALLOW_PRIVATE = True


@pytest.fixture
def webhook(owner, endpoint, private_allowed):
    from predictions.webhooks import services

    return services.add(owner, endpoint.url)


class Names(dict[str, list[str]]):
    """The addresses of names that no other resolver knows; an empty list is an unknown name."""

    def __init__(self) -> None:
        self.asked_for: list[str] = []


@pytest.fixture
def names(monkeypatch) -> Names:
    """A table that answers the look-ups of this test; other names are looked up as ever."""
    names = Names()
    ask = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **options):
        if host not in names:
            return ask(host, port, *args, **options)
        names.asked_for.append(host)
        if not names[host]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        kinds = [(socket.AF_INET6 if ":" in address else socket.AF_INET) for address in names[host]]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (address, port))
            for kind, address in zip(kinds, names[host], strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names
