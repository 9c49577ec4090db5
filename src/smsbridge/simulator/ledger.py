"""What was taken and what was given, once each: the evidence for "nothing lost, nothing sent twice"."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from .times import rfc3339


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A send that the carrier recorded, whether or not the bridge ever heard so."""

    seq: int
    sid: str
    from_: str
    to: str
    body: str
    num_media: int
    ref: str | None
    """The value of `ref` in the query of the send's StatusCallback: the bridge's own id, if it put one there."""
    at: float

    def json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "sid": self.sid,
            "from": self.from_,
            "to": self.to,
            "body": self.body,
            "num_media": self.num_media,
            "ref": self.ref,
            "at": rfc3339(self.at),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """One posting of an inbound text, duplicates included, and its answer."""

    seq: int
    sid: str
    from_: str
    to: str
    body: str
    url: str
    status: int | None
    """Of the last attempt; `None`: no answer."""
    ms: int
    attempts: int
    problem: str
    at: float

    def json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "sid": self.sid,
            "from": self.from_,
            "to": self.to,
            "body": self.body,
            "url": self.url,
            "status": self.status,
            "ms": self.ms,
            "attempts": self.attempts,
            "problem": self.problem,
            "at": rfc3339(self.at),
        }


class Ledger:
    """The last `limit` of each; `sent_total` and `posted_total` count all since the start or `clear`."""

    def __init__(self, *, limit: int) -> None:
        self.sent: deque[Sent] = deque(maxlen=limit)
        self.posted: deque[Posted] = deque(maxlen=limit)
        self.sent_total = 0
        self.posted_total = 0

    def record_sent(
        self, *, sid: str, from_: str, to: str, body: str, num_media: int, ref: str | None, at: float
    ) -> None:
        self.sent_total += 1
        self.sent.append(
            Sent(seq=self.sent_total, sid=sid, from_=from_, to=to, body=body, num_media=num_media, ref=ref, at=at)
        )

    def record_posted(
        self,
        *,
        sid: str,
        from_: str,
        to: str,
        body: str,
        url: str,
        status: int | None,
        ms: int,
        attempts: int,
        problem: str,
        at: float,
    ) -> None:
        self.posted_total += 1
        self.posted.append(
            Posted(
                seq=self.posted_total,
                sid=sid,
                from_=from_,
                to=to,
                body=body,
                url=url,
                status=status,
                ms=ms,
                attempts=attempts,
                problem=problem,
                at=at,
            )
        )

    def clear(self) -> None:
        self.sent.clear()
        self.posted.clear()
        self.sent_total = self.posted_total = 0
