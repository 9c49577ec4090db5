"""Which network addresses may be dialled on somebody else's word. Pure: it sees addresses, never names.

The table is written from IANA's registries of special-purpose addresses and not taken from `ipaddress.is_global`, which
calls multicast, NAT64 and 6to4 forms of 127.0.0.1 global in some Python versions:

- https://www.iana.org/assignments/iana-ipv4-special-registry/
- https://www.iana.org/assignments/iana-ipv6-special-registry/
- https://www.iana.org/assignments/ipv6-address-space/ (only 2000::/3 is global unicast)

It is stricter than they are: blocks that are reachable but hold no web server (AS112, AMT, PCP anycast) are out, and so
is every form that carries an IPv4 address inside, because what it reaches is decided elsewhere.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address


def is_public(address: str) -> bool:
    """Whether `address` is an ordinary host of the public Internet. False for anything that is no address at all."""
    match _read(address):
        case IPv4Address() as v4:
            return not any(v4 in block for block in _V4_SPECIAL)
        case IPv6Address() as v6:
            return v6 in _V6_GLOBAL and not any(v6 in block for block in _V6_SPECIAL)
        case None:
            return False


def is_metadata(address: str) -> bool:
    """Whether a cloud's machine may hand out credentials at `address`: link-local and its look-alikes.

    Nobody has business there, whatever the configuration names. True for anything that is no address at all.
    """
    match _read(address):
        case IPv4Address() as v4:
            return any(v4 in block for block in _V4_METADATA)
        case IPv6Address() as v6:
            inner = _inner_v4(v6)
            return any(v6 in block for block in _V6_METADATA) or (
                inner is not None and any(inner in block for block in _V4_METADATA)
            )
        case None:
            return True


def _read(address: str) -> Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None


def _inner_v4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a mapped, compatible, NAT64 or 6to4 address stands for."""
    value = int(address)
    if any(address in block for block in _V6_ENDING_IN_V4):
        return IPv4Address(value & 0xFFFF_FFFF)
    if address in _V6_6TO4:
        return IPv4Address(value >> 80 & 0xFFFF_FFFF)
    return None


_V4_SPECIAL: Final = (
    IPv4Network("0.0.0.0/8"),  # this network
    IPv4Network("10.0.0.0/8"),  # private
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT; 100.100.100.200 is Alibaba's metadata
    IPv4Network("127.0.0.0/8"),  # loopback
    IPv4Network("168.63.129.16/32"),  # Azure's host agent, in ordinary address space
    IPv4Network("169.254.0.0/16"),  # link-local; 169.254.169.254 is most clouds' metadata
    IPv4Network("172.16.0.0/12"),  # private
    IPv4Network("192.0.0.0/24"),  # protocol assignments; 192.0.0.192 is Oracle's metadata
    IPv4Network("192.0.2.0/24"),  # documentation
    IPv4Network("192.31.196.0/24"),  # AS112
    IPv4Network("192.52.193.0/24"),  # AMT
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, deprecated
    IPv4Network("192.168.0.0/16"),  # private
    IPv4Network("192.175.48.0/24"),  # AS112
    IPv4Network("198.18.0.0/15"),  # benchmarks
    IPv4Network("198.51.100.0/24"),  # documentation
    IPv4Network("203.0.113.0/24"),  # documentation
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("240.0.0.0/4"),  # reserved, and broadcast
)

_V6_GLOBAL: Final = IPv6Network("2000::/3")
"""All that lies outside is special: loopback, mapped, NAT64, discard-only, unique local, link-local, multicast ..."""

_V6_6TO4: Final = IPv6Network("2002::/16")
_V6_SPECIAL: Final = (
    IPv6Network("2001::/23"),  # protocol assignments: Teredo, benchmarks, ORCHID, AMT, AS112
    IPv6Network("2001:db8::/32"),  # documentation
    _V6_6TO4,
    IPv6Network("2620:4f:8000::/48"),  # AS112
    IPv6Network("3fff::/20"),  # documentation, RFC 9637
)

_V6_ENDING_IN_V4: Final = (
    IPv6Network("::/96"),  # IPv4-compatible, deprecated
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated, RFC 2765
    IPv6Network("64:ff9b::/96"),  # NAT64
)

_V4_METADATA: Final = (
    IPv4Network("169.254.0.0/16"),
    IPv4Network("100.100.100.200/32"),
    IPv4Network("168.63.129.16/32"),
    IPv4Network("192.0.0.192/32"),
)
_V6_METADATA: Final = (
    IPv6Network("fe80::/10"),
    IPv6Network("fd00:ec2::/32"),  # Amazon's, at fd00:ec2::254
    IPv6Network("fd20:ce::254/128"),  # Google's
)
