"""What may happen only so often: saying something, and being wrong."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

MAX_SUBJECTS: Final = 1_024


class Seldom:
    """Allows one thing for each subject every so often. Forgets the subjects it has not seen for longest."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._allowed_at: OrderedDict[str, float] = OrderedDict()

    def allows(self, subject: str) -> bool:
        now = time.monotonic()
        if now - self._allowed_at.get(subject, -self._every_s) < self._every_s:
            return False
        self._allowed_at[subject] = now
        self._allowed_at.move_to_end(subject)
        if len(self._allowed_at) > MAX_SUBJECTS:
            self._allowed_at.popitem(last=False)
        return True


class Attempts:
    """Counts the wrong ones of each subject within a window. Forgets the subjects it has not seen for longest."""

    def __init__(self, *, allowed: int, window_ms: int, most_subjects: int = 4_096) -> None:
        self._allowed = allowed
        self._window_ms = window_ms
        self._most_subjects = most_subjects
        self._wrong: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def note(self, subject: str, now_ms: int) -> None:
        since_ms, count = self._of(subject, now_ms)
        self._wrong[subject] = (since_ms, count + 1)
        self._wrong.move_to_end(subject)
        if len(self._wrong) > self._most_subjects:
            self._wrong.popitem(last=False)

    def forget(self, subject: str) -> None:
        self._wrong.pop(subject, None)

    def too_many(self, subject: str, now_ms: int) -> bool:
        return self._of(subject, now_ms)[1] >= self._allowed

    def _of(self, subject: str, now_ms: int) -> tuple[int, int]:
        since_ms, count = self._wrong.get(subject, (now_ms, 0))
        return (now_ms, 0) if now_ms - since_ms > self._window_ms else (since_ms, count)
