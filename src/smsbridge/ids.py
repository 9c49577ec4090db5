"""The only source of ids and randomness.

An id is a prefix and 26 characters of Crockford's base 32 (https://www.crockford.com/base32.html), lower case: 10
for the 48 bits of the time in milliseconds, 16 for 80 bits of chance. So ids sort as text by the time they were made,
which keeps the inserts into an index together, and two processes do not meet.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_TEN_BITS: Final = 0x3FF
_STEP_BITS: Final = 40
_TAIL_LIMIT: Final = 1 << 80


class RandomIds:
    """contracts.clock.Ids. Ids of one instance are strictly increasing, also within a millisecond and when the clock
    goes back: then the time of the last id stands still until the clock has caught up."""

    def __init__(self, now_ms: Callable[[], int], source: random.Random | None = None) -> None:
        """`source` makes the ids of a simulation repeatable; the default seeds itself from the operating system."""
        self._now_ms = now_ms
        self._source = source or random.Random()
        self._lock = threading.Lock()
        self._time_ms = -1
        self._time_text = ""
        self._tail = 0

    def new(self, prefix: str) -> str:
        now_ms = self._now_ms()
        with self._lock:
            if now_ms > self._time_ms:
                self._start(now_ms)
            else:
                self._tail += 1 + self._source.getrandbits(_STEP_BITS)
                if self._tail >= _TAIL_LIMIT:
                    self._start(self._time_ms + 1)
            tail = self._tail
            time_text = self._time_text
        pairs = _PAIRS
        return (
            f"{prefix}{time_text}"
            f"{pairs[tail >> 70]}{pairs[tail >> 60 & _TEN_BITS]}"
            f"{pairs[tail >> 50 & _TEN_BITS]}{pairs[tail >> 40 & _TEN_BITS]}"
            f"{pairs[tail >> 30 & _TEN_BITS]}{pairs[tail >> 20 & _TEN_BITS]}"
            f"{pairs[tail >> 10 & _TEN_BITS]}{pairs[tail & _TEN_BITS]}"
        )

    def token(self, nbytes: int) -> str:
        return secrets.token_urlsafe(nbytes)

    def random(self) -> float:
        return self._source.random()

    def _start(self, time_ms: int) -> None:
        self._time_ms = time_ms
        self._time_text = "".join(_PAIRS[time_ms >> shift & _TEN_BITS] for shift in (40, 30, 20, 10, 0))
        # The upper half of the tail stays free, so that some 2^39 ids fit behind this one.
        self._tail = self._source.getrandbits(79)
