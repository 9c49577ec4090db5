"""Where authentic webhooks are kept while the store cannot be reached, so that they can be acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Spooled:
    """One request as it came. `seq` gives the order; 0 for one that is not kept yet."""

    account: str
    at_ms: int
    request: bytes = field(repr=False)
    """As flows.inbound.write_request writes it."""
    seq: int = 0


class Spool(Protocol):
    @property
    def depth(self) -> int:
        """How many wait. As long as any does, whatever comes goes behind them: that keeps the order."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether it takes no more."""
        ...

    async def put(self, spooled: Spooled) -> None:
        """Returns once it is on disk. Raises StoreUnavailable when it is full or the disk refuses."""
        ...

    async def oldest(self, limit: int) -> list[Spooled]: ...
    async def drop(self, seqs: Sequence[int]) -> None: ...
    async def close(self) -> None: ...
