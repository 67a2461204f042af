"""One attempt against real servers: the good, the slow, the lying, and those of another's name."""

import ssl
import time

import pytest
import trustme

from emotionsite.processes import free_port
from tests.support.endpoint import RawServer

NAME = "hooks.example.org"


def post(url: str):
    from predictions.webhooks import sending

    return sending.post(url, {"webhook-id": "msg_1"}, b'{"type":"test"}')


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, ""),
        (204, ""),
        (299, ""),
        (301, "redirected"),
        (308, "redirected"),
        (400, "refused"),
        (410, "gone"),
        (500, "refused"),
    ],
)
def test_only_2xx_is_success(endpoint, private_allowed, status, error):
    endpoint.status = status
    answer = post(endpoint.url)
    assert (answer.status, answer.error) == (status, error)


def test_what_arrives(endpoint, private_allowed):
    post(f"{endpoint.url}?a=b#c")
    (request,) = endpoint.requests
    assert (request.path, request.body) == ("/hook?a=b", b'{"type":"test"}')
    assert request.headers["Host"] == f"127.0.0.1:{endpoint.port}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["webhook-id"] == "msg_1"


def test_private_addresses_are_refused_by_default(endpoint):
    assert post(endpoint.url).error == "insecure_url"
    assert post(endpoint.url.replace("http:", "https:")).error == "private_address"
    assert endpoint.requests == []


def test_a_redirect_is_not_followed(start_endpoint, private_allowed):
    first, second = start_endpoint(), start_endpoint()
    first.status, first.headers = 307, {"Location": second.url}
    assert post(first.url).error == "redirected"
    assert len(first.requests) == 1
    assert second.requests == []


def test_no_proxy_is_asked(start_endpoint, private_allowed, monkeypatch):
    receiver, proxy = start_endpoint(), start_endpoint()
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, proxy.url)
    assert post(receiver.url).error == ""
    assert proxy.requests == []


class TestNames:
    def test_a_name_is_looked_up_once_and_the_connection_goes_there(
        self, endpoint, names, private_allowed
    ):
        names[NAME] = ["127.0.0.1"]
        assert post(f"http://{NAME}:{endpoint.port}/").error == ""
        assert names.asked_for == [NAME]
        assert endpoint.requests[0].headers["Host"] == f"{NAME}:{endpoint.port}"

    def test_the_second_address_is_tried_where_the_first_does_not_answer(
        self, endpoint, names, private_allowed
    ):
        names[NAME] = ["127.0.0.2", "127.0.0.1"]
        assert post(f"http://{NAME}:{endpoint.port}/").error == ""

    @pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"]])
    def test_a_name_with_a_private_address_is_not_called(self, endpoint, names, addresses):
        names[NAME] = addresses
        assert post(f"https://{NAME}:{endpoint.port}/").error == "private_address"
        assert endpoint.requests == []

    def test_an_unknown_name(self, names):
        names[NAME] = []
        assert post(f"https://{NAME}/").error == "unknown_host"


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def trusted(self, authority, monkeypatch, tmp_path):
        """The machine trusts the authority."""
        from predictions.webhooks import sending

        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        sending._tls.cache_clear()
        yield
        sending._tls.cache_clear()

    @pytest.fixture
    def start_tls(self, authority, start_endpoint, names, private_allowed):
        """A function that starts a receiver with a certificate for a name; returns it and the
        names that senders asked for."""
        names[NAME] = ["127.0.0.1"]

        def start(name: str):
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert(name).configure_cert(context)
            asked: list[str] = []
            context.sni_callback = lambda _socket, name, _context: asked.append(name)
            return start_endpoint(context), asked

        return start

    def test_the_certificate_is_checked_against_the_name(self, start_tls, trusted):
        endpoint, asked = start_tls(NAME)
        answer = post(f"https://{NAME}:{endpoint.port}/")
        assert (answer.status, answer.error) == (200, "")
        assert asked == [NAME]
        assert endpoint.requests[0].headers["Host"] == f"{NAME}:{endpoint.port}"

    def test_a_certificate_of_another_name(self, start_tls, trusted):
        endpoint, _asked = start_tls("other.example.org")
        assert post(f"https://{NAME}:{endpoint.port}/").error == "bad_certificate"
        assert endpoint.requests == []

    def test_a_certificate_of_nobody(self, start_tls):
        endpoint, _asked = start_tls(NAME)
        assert post(f"https://{NAME}:{endpoint.port}/").error == "bad_certificate"
        assert endpoint.requests == []

    def test_no_tls_where_it_is_expected(self, endpoint, names, private_allowed):
        names[NAME] = ["127.0.0.1"]
        assert post(f"https://{NAME}:{endpoint.port}/").error in ("tls_failed", "unreachable")
        assert endpoint.requests == []


def drip(content: bytes):
    """Send ``content``, then one byte after another for ever."""

    def behave(connection) -> None:
        connection.sendall(content)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    return behave


def flood(connection) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(1 << 20))


class TestBadServers:
    @pytest.fixture
    def start(self, private_allowed, monkeypatch):
        from predictions.webhooks import sending

        monkeypatch.setattr(sending, "TIMEOUT", 0.5)
        servers: list[RawServer] = []

        def start(behave) -> str:
            servers.append(RawServer(behave))
            return servers[-1].url

        yield start
        for server in servers:
            server.close()

    @pytest.mark.parametrize(
        ("behave", "status", "error"),
        [
            (lambda connection: time.sleep(1), None, "timed_out"),
            (drip(b"HTTP/1.1 200 OK\r\nX-Slow: "), None, "timed_out"),
            (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), 200, ""),
            (flood, 200, ""),
            (lambda connection: None, None, "unreachable"),
            (lambda connection: connection.sendall(b"220 mail\r\n"), None, "bad_response"),
            (
                lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000),
                None,
                "bad_response",
            ),
        ],
        ids=[
            "silent",
            "slow head",
            "slow body",
            "endless body",
            "hangs up",
            "no HTTP",
            "huge head",
        ],
    )
    def test_end_in_time_with_a_reason(self, start, behave, status, error):
        url = start(behave)
        started = time.monotonic()
        answer = post(url)
        assert time.monotonic() - started < 5
        assert (answer.status, answer.error) == (status, error)

    def test_nobody_listens(self, start):
        assert post(f"http://127.0.0.1:{free_port()}/").error == "unreachable"
