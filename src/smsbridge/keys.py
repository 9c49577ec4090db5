"""The keys that carriers sign with and that lie at an address (contracts.keys.Keys), each fetched once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from smsbridge.contracts.network import Network
from smsbridge.domain.errors import Unavailable
from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.http import Answered, Request

KEPT: Final = 32
"""A carrier has one at a time for each region, and changes it once a year."""
FAILURES: Final = 20
FAILURES_WITHIN_MS: Final = 60_000
"""Whoever knows what we take can name addresses that hold no key: beyond this only known ones are believed a while."""
TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 32_768

Use = TypeVar("Use")


class KeyRing:
    """What is remembered is public, and so stays in memory: each daemon fetches for itself."""

    def __init__(self, known: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """`known`, by address, need not be fetched: keys of a carrier that is played on this computer."""
        self._kept = dict(known)
        self._under_way: dict[str, asyncio.Future[bytes | None]] = {}
        self._failed_at_ms: list[int] = []

    async def fetch(self, network: Network, request: Request, now_ms: int, use: Callable[[bytes], Use]) -> Use:
        key = self._kept.get(request.url)
        if key is None and (fetching := self._under_way.get(request.url)) is not None:
            # Many texts come at once after a start, and all of them name the same key.
            key = await asyncio.shield(fetching)
        elif key is None:
            key = await self._fetch_once(network, request, now_ms, use)
        if key is None:
            raise Unavailable("The key that it is signed with could not be had from the carrier.", retry_after_s=10)
        return use(key)

    async def _fetch_once(
        self, network: Network, request: Request, now_ms: int, use: Callable[[bytes], object]
    ) -> bytes | None:
        """The key, now remembered; None where there was none. Whoever else wants it meanwhile waits for this."""
        self._failed_at_ms = [at_ms for at_ms in self._failed_at_ms if abs(now_ms - at_ms) < FAILURES_WITHIN_MS]
        if len(self._failed_at_ms) + len(self._under_way) >= FAILURES:
            raise Unavailable("Too many keys could not be had from the carrier.", retry_after_s=60)
        fetching = self._under_way[request.url] = asyncio.get_running_loop().create_future()
        key = None
        try:
            key = await _read_key(network, request, use)
        finally:
            del self._under_way[request.url]
            fetching.set_result(key)
            if key is None:
                self._failed_at_ms.append(now_ms)
        if key is not None:
            self._remember(request.url, key)
        return key

    def _remember(self, url: str, key: bytes) -> None:
        while len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[url] = key


async def _read_key(network: Network, request: Request, use: Callable[[bytes], object]) -> bytes | None:
    answer = await network.perform(request, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
    if not (isinstance(answer, Answered) and answer.response.ok):
        return None
    try:
        use(answer.response.body)
    except Unreadable:
        return None
    return answer.response.body
