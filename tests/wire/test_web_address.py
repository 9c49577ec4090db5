"""Which addresses a file can be fetched from: decided once, before anything is promised."""

from __future__ import annotations

import pytest

from smsbridge.network import _read_foreign_url
from smsbridge.wire.http import is_at, is_web_address


@pytest.mark.parametrize(
    "address",
    [
        "https://files.example/a.png",
        "https://files.example:8080/a.png?x=1&y=%20#top",
        "https://192.0.2.7/a",
        "https://[2001:db8::1]:8443/a",
        "https://xn--bcher-kva.example/a@b",
    ],
)
def test_what_is_taken_can_be_asked_for(address: str) -> None:
    assert is_web_address(address)
    _read_foreign_url(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "files.example/a.png",
        "//files.example/a.png",
        "ftp://files.example/a.png",
        "file:///etc/passwd",
        "http://files.example/a.png",
        "HTTPS://files.example/a.png",
        "https://",
        "https:///a",
        "https://:443/a",
        "https://[::1",
        "https://[fe80::1%25eth0]/a",
        "https://files.example:99999999/",
        "https://files.example:0/",
        "https://files.example:x/",
        "https://user@files.example/",
        "https://user:secret@files.example/",
        "https://files.example\\@other.example/",
        "https://files.example/a b",
        "https://files.example/a\n",
        " https://files.example/",
        "https://bücher.example/",
        "https://files.example/ü",
        "https://files,example/",
    ],
)
def test_what_cannot_be_asked_for_is_not_taken(address: str) -> None:
    assert not is_web_address(address)


@pytest.mark.parametrize(
    ("address", "is_there"),
    [
        ("https://a.example/1", True),
        ("https://a.example:443/1", True),
        ("https://A.Example/1", True),
        ("https://a.example:8443/1", False),
        ("https://b.example:8443/1", True),
        ("https://b.example/1", False),
        ("https://x.y.c.example/1", True),
        ("https://c.example/1", False),
        ("https://notc.example/1", False),
        ("https://a.example.net/1", False),
    ],
)
def test_an_address_is_at_a_host_by_its_name_and_its_port(address: str, is_there: bool) -> None:
    assert is_at(address, ["a.example", "b.example:8443", "*.c.example"]) is is_there
