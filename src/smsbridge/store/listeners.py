"""Who is told of commits, the same for every store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from smsbridge.contracts.store import Commit


class Listeners:
    """Told in the event loop, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Commit], None]] = []

    def add(self, listener: Callable[[Commit], None]) -> Callable[[], None]:
        """Returns what takes it away again; calling that twice changes nothing."""
        self._listeners.append(listener)

        def leave() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return leave

    def tell(self, commit: Commit) -> None:
        for listener in tuple(self._listeners):
            listener(commit)
