"""Saying something once in a while, however often it happens."""

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
