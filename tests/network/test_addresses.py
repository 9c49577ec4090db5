"""Which addresses may be dialled on somebody else's word (SEC-32)."""

from __future__ import annotations

import pytest

from smsbridge.addresses import is_metadata, is_public


def _words(text: str) -> list[str]:
    return text.split()


PUBLIC = _words("""
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.216.34 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0
192.0.3.0 192.31.195.255 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.255 203.0.114.0
223.255.255.255 2001:200::1 2001:4860:4860::8888 2400:cb00::1 2600:1f18::1 2606:4700:4700::1111 2a00:1450::1
""")

NOT_PUBLIC = _words("""
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.192 192.0.2.1
192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255
198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1
100::1 100:0:0:1::1 2001::1 2001:0:7f00:1::1 2001:1::1 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1
2001:1ff:ffff::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1 2620:4f:8000::1 3fff::1 3fff:fff::1 4000::1 5f00::1
fc00::1 fd00:ec2::254 fd12:3456::1 fe80::1 fe80::1%lo fec0::1 ff02::1 ff0e::1
""")

NO_ADDRESS = [
    "",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "①②⑦.0.0.1",
    "[::1]",
    " 8.8.8.8",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_ordinary_host_is_public(address: str) -> None:
    assert is_public(address)
    assert not is_metadata(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_special_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_plain_address_is_allowed_nowhere(text: str) -> None:
    assert not is_public(text)
    assert is_metadata(text)


@pytest.mark.parametrize(
    "address",
    _words("""
    169.254.169.254 169.254.0.1 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192 fe80::a9fe:a9fe fd00:ec2::254
    fd20:ce::254 ::ffff:169.254.169.254 ::a9fe:a9fe 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 ::ffff:0:a9fe:a9fe
    """),
)
def test_where_clouds_hand_out_credentials_nobody_may_call_even_by_configuration(address: str) -> None:
    assert is_metadata(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "fd12::1", "::1", "100.64.0.1", "8.8.8.8"])
def test_a_private_network_may_be_named_by_configuration(address: str) -> None:
    assert not is_metadata(address)
