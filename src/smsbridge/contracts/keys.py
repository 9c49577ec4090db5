"""Public keys of carriers that name in each request the address of the key it is signed with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from smsbridge.contracts.network import Network
from smsbridge.wire.http import Request

Use = TypeVar("Use")


class Keys(Protocol):
    async def fetch(self, network: Network, request: Request, now_ms: int, use: Callable[[bytes], Use]) -> Use:
        """What `use` makes of the key at the address of `request`, which is asked for once and then remembered.

        Whose addresses may be asked at all is the adapter's to see to. `use` raises wire.encoding.Unreadable for what
        is no key: that is never remembered. Raises Unavailable where the key cannot be had now; the carrier will
        repeat what it posted.
        """
        ...
