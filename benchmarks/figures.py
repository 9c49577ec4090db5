"""A figure as it is read, wanted and printed: one row of a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`readings` are of one run; their median counts. `reach` is the least of a ratio, the most of everything else
    (`at_most`); None: nobody asked for it, it is there to be compared with."""

    what: str
    readings: Sequence[float]
    reach: float | None = None
    at_most: bool = False
    unit: str = ""
    digits: int = 2
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.readings)

    @property
    def is_reached(self) -> bool:
        if self.reach is None:
            return True
        return self.median <= self.reach if self.at_most else self.median >= self.reach

    def row(self) -> str:
        low, high = min(self.readings), max(self.readings)
        read = f"{self._show(self.median)}{self.unit} ({self._show(low)} to {self._show(high)})"
        wanted = verdict = ""
        if self.reach is not None:
            wanted = f"{'≤' if self.at_most else '≥'} {self.reach:g}{self.unit}"
            verdict = "yes" if self.is_reached else "**no**"
        return f"| {self.what} | {read} | {wanted} | {verdict} | {self.note} |"

    def _show(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


class Table:
    """Prints each figure as soon as it is known, as a row of the table in docs/performance.md."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def begin(self) -> None:
        print("| figure | read: median (lowest to highest) | reach | reached | |\n|---|---|---|---|---|", flush=True)

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        print(figure.row(), flush=True)
