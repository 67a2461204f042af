"""What is an address that the site calls, and what is none."""

from ipaddress import ip_address

import pytest

PUBLIC = [
    "8.8.8.8",
    "93.184.215.14",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - no server listens here.
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2001:0:808:808::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "fc00::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    from predictions.webhooks.targets import is_public

    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address):
    from predictions.webhooks.targets import is_public

    assert not is_public(ip_address(address))


REFUSED = [
    ("", "invalid_url"),
    ("example.org/hook", "invalid_url"),
    ("ftp://example.org/", "invalid_url"),
    ("file:///etc/passwd", "invalid_url"),
    ("https:///hook", "invalid_url"),
    ("https://example.org:0/", "invalid_url"),
    ("https://example.org:99999/", "invalid_url"),
    ("https://example.org:http/", "invalid_url"),
    ("https://example .org/", "invalid_url"),
    ("https://example.org/a\r\nHost: b", "invalid_url"),
    ("https://example.org/\n", "invalid_url"),
    ("https://example.org\\@127.0.0.1/", "invalid_url"),
    ("https://bücher.example/", "invalid_url"),
    ("https://[::1/", "invalid_url"),
    ("https://a..b/", "invalid_url"),
    (f"https://{'a' * 64}.example/", "invalid_url"),
    ("https://ada:secret@example.org/", "credentials_in_url"),
    ("https://@example.org/", "credentials_in_url"),
    ("http://example.org/", "insecure_url"),
    ("https://127.0.0.1/", "private_address"),
    ("https://169.254.169.254/latest/meta-data/", "private_address"),
    ("https://2130706433/", "private_address"),
    ("https://[::1]:8443/", "private_address"),
    ("https://[::ffff:10.0.0.1]/", "private_address"),
    ("https://localhost/", "private_address"),
    ("https://LOCALHOST./", "private_address"),
    ("https://site.localhost/", "private_address"),
    ("https://printer.local/", "private_address"),
]


@pytest.mark.parametrize(("url", "code"), REFUSED)
def test_refused_urls(url, code):
    from predictions.webhooks.targets import TargetRefused, parse

    with pytest.raises(TargetRefused) as refusal:
        parse(url)
    assert refusal.value.failure == code


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://example.org", (True, "example.org", 443, "/")),
        ("https://Example.org.:8443/a/b;c?d=e#f", (True, "example.org", 8443, "/a/b;c?d=e")),
        ("https://example.org//a", (True, "example.org", 443, "//a")),
        ("https://8.8.8.8/?q", (True, "8.8.8.8", 443, "/?q")),
        ("https://xn--bcher-kva.example/", (True, "xn--bcher-kva.example", 443, "/")),
    ],
)
def test_what_is_read_from_a_url(url, parts):
    from predictions.webhooks.targets import Target, parse

    assert parse(url) == Target(*parts)


def test_what_the_operator_may_allow(private_allowed):
    from predictions.webhooks.targets import Target, parse

    assert parse("http://localhost:9000/x") == Target(False, "localhost", 9000, "/x")
    assert parse("http://[::1]/") == Target(False, "::1", 80, "/")


@pytest.mark.parametrize(
    ("addresses", "code"),
    [
        ([], "unknown_host"),
        (["127.0.0.1"], "private_address"),
        (["8.8.8.8", "10.0.0.1"], "private_address"),
        (["2606:4700:4700::1111", "::ffff:127.0.0.1"], "private_address"),
        (["fe80::1%1"], "private_address"),
    ],
)
def test_names_that_lead_nowhere_or_inside(names, addresses, code):
    from predictions.webhooks.targets import TargetRefused, parse, resolve

    names["hooks.example.org"] = addresses
    with pytest.raises(TargetRefused) as refusal:
        resolve(parse("https://hooks.example.org/"))
    assert refusal.value.failure == code


def test_names_that_lead_outside(names):
    from predictions.webhooks.targets import parse, resolve

    names["hooks.example.org"] = ["8.8.8.8", "2606:4700:4700::1111", "8.8.8.8"]
    addresses = resolve(parse("https://hooks.example.org/"))
    assert addresses == ["8.8.8.8", "2606:4700:4700::1111"]
