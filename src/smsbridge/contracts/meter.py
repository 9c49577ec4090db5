"""Counting what happens, without knowing who reads it."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Labels are words of the configuration or of a closed list; never a number, an id or a URL."""

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None: ...

    def observe(self, name: str, value: float, /, **labels: str) -> None: ...

    def set(self, name: str, value: float, /, **labels: str) -> None: ...
