"""Time and chance as flows see them: handed in, so that a test can say what both will be."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall clock, milliseconds since 1970 UTC: for what is stored and shown. It may jump either way."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment; it never goes back. For durations, never for what is stored."""
        ...

    def since_boot_ms(self) -> int:
        """Like `monotonic_ms`, with the time in which the machine slept: for how long ago others heard of us."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class Ids(Protocol):
    """The only source of ids and randomness. Safe to call from any thread."""

    def new(self, prefix: str) -> str:
        """`prefix` and 26 characters that sort by the time they were made. Later calls give greater ids."""
        ...

    def token(self, nbytes: int) -> str:
        """An unguessable text for a URL or a header, made of `nbytes` random bytes."""
        ...

    def random(self) -> float:
        """A number in [0, 1), for jitter. Not for secrets."""
        ...
