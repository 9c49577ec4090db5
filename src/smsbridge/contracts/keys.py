"""Public keys of carriers that name in each request the address of the key it is signed with."""

from __future__ import annotations

from typing import Final

from smsbridge.contracts.network import Network
from smsbridge.domain.errors import Unavailable
from smsbridge.wire.http import Answered, Request

KEPT: Final = 32
"""A carrier has one at a time for each region, and changes it once a year."""
FAILURES: Final = 20
FAILURES_WITHIN_MS: Final = 60_000
"""Anybody can name an address that holds no key: beyond this only known ones are believed for a while."""
TIMEOUT_S: Final = 5.0


class KeyRing:
    """Fetches a key once. Whose addresses may be asked at all is the adapter's to see to."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}
        self._failed_at_ms: list[int] = []

    async def fetch(self, network: Network, request: Request, now_ms: int) -> bytes:
        """Raises Unavailable where it cannot be had now; the carrier will repeat what it posted."""
        if (key := self._keys.get(request.url)) is not None:
            return key
        self._failed_at_ms = [at_ms for at_ms in self._failed_at_ms if abs(now_ms - at_ms) < FAILURES_WITHIN_MS]
        if len(self._failed_at_ms) >= FAILURES:
            raise Unavailable("Too many keys could not be fetched from the carrier.", retry_after_s=60)
        answer = await network.perform(request, timeout_s=TIMEOUT_S)
        if not (isinstance(answer, Answered) and answer.response.ok):
            self._failed_at_ms.append(now_ms)
            raise Unavailable("The key that it is signed with could not be fetched from the carrier.", retry_after_s=10)
        while len(self._keys) >= KEPT:
            del self._keys[next(iter(self._keys))]
        self._keys[request.url] = answer.response.body
        return answer.response.body
