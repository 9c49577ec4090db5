"""Everything that went over the wire, newest last, for people and tests to look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from .bell import Bell
from .times import rfc3339

Direction = Literal["carrier→bridge", "bridge→carrier"]
Kind = Literal["webhook", "send", "callback", "media", "lookup", "list", "account"]

_MAX_VALUE_CHARS: Final = 2_000
_MAX_PAIRS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request and what was answered."""

    seq: int
    at: float
    direction: Direction
    method: str
    path: str
    kind: Kind
    status: int | None
    """`None`: no answer, or none was given."""
    ms: int
    summary: str
    from_: str
    to: str
    form: Sequence[tuple[str, str]]
    signed: bool

    def json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "at": rfc3339(self.at),
            "direction": self.direction,
            "method": self.method,
            "path": self.path,
            "kind": self.kind,
            "status": self.status,
            "ms": self.ms,
            "summary": self.summary,
            "from": self.from_,
            "to": self.to,
            "body": [[name, value[:_MAX_VALUE_CHARS]] for name, value in self.form[:_MAX_PAIRS]],
            "signature": "valid" if self.signed else "none",
        }


class Traffic:
    """The last `limit` exchanges. Sequence numbers go on counting after `clear`, so that readers miss nothing."""

    def __init__(self, *, limit: int, clock: Callable[[], float]) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=limit)
        self._clock = clock
        self._last_seq = 0
        self.bell = Bell()

    @property
    def last_seq(self) -> int:
        return self._last_seq

    def record(
        self,
        *,
        direction: Direction,
        method: str,
        path: str,
        kind: Kind,
        status: int | None,
        ms: int,
        summary: str,
        from_: str = "",
        to: str = "",
        form: Sequence[tuple[str, str]] = (),
        signed: bool = False,
    ) -> None:
        self._last_seq += 1
        self._exchanges.append(
            Exchange(
                seq=self._last_seq,
                at=self._clock(),
                direction=direction,
                method=method,
                path=path,
                kind=kind,
                status=status,
                ms=ms,
                summary=summary,
                from_=from_,
                to=to,
                form=form,
                signed=signed,
            )
        )
        self.bell.ring()

    def after(self, seq: int) -> list[Exchange]:
        if seq >= self._last_seq:
            return []
        return [exchange for exchange in self._exchanges if exchange.seq > seq]

    def missed(self, seq: int) -> bool:
        """Whether a reader who has read up to `seq` can no longer be given everything since."""
        oldest = self._exchanges[0].seq if self._exchanges else self._last_seq + 1
        return seq > self._last_seq or seq + 1 < oldest

    def clear(self) -> None:
        self._exchanges.clear()
