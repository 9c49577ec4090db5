"""Memory, files and disk of a daemon over time, and whether they grow.

Memory is looked at from two sides. The system says what is resident: that is a high-water mark, since what is freed
lies between what is still used, and the C library and Python keep its pages. What is in use only they can tell
(`memory_in_use`), and a leak is that which makes it grow.
"""

from __future__ import annotations

import csv
import ctypes
import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    at_s: float
    pid: int
    rss_mb: float
    in_use_mb: float
    python_blocks: int
    open_files: int
    threads: int
    children: int
    wal_mb: float
    database_mb: float


class Mallinfo(ctypes.Structure):
    """malloc.h, `struct mallinfo2`: `hblkhd` is what lies apart from the heap, `uordblks` what is used within it."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def memory_in_use() -> tuple[int, int]:
    """Of this process: the bytes that the C library has given out and not got back, in all its arenas (SQLite's pages
    and Python's objects of more than 512 bytes among them), and the number of Python's smaller objects, which lie in
    arenas of Python's own. Both count what waits for the collector of cycles as used.

    Raises AttributeError where there is no mallinfo2 (glibc before 2.33, musl).
    """
    info = mallinfo()
    return info.uordblks + info.hblkhd, sys.getallocatedblocks()


def mallinfo() -> Mallinfo:
    """Raises AttributeError as above."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Mallinfo
    info: Mallinfo = mallinfo2()
    return info


class Gauges:
    """Reads /proc and the files of the store. Every sample goes into a CSV file; what is kept is one for each look."""

    def __init__(self, file: Path, database: Path) -> None:
        self._file = file.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file)
        self._csv.writerow([field.name for field in fields(Sample)])
        self._database = database
        self.samples: list[Sample] = []

    def look(self, at_s: float, pid: int, in_use: tuple[int, int]) -> None:
        """Nothing when the process is gone. `in_use` is what it said of itself (memory_in_use)."""
        with suppress(OSError):
            status = dict(
                line.split(":", 1)
                for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
                if ":" in line
            )
            sample = Sample(
                at_s=round(at_s, 1),
                pid=pid,
                rss_mb=round(int(status["VmRSS"].split()[0]) / 1024, 2),
                in_use_mb=round(in_use[0] / 1024**2, 3),
                python_blocks=in_use[1],
                open_files=len(os.listdir(f"/proc/{pid}/fd")),
                threads=int(status["Threads"]),
                children=len(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()),
                wal_mb=_size_mb(Path(f"{self._database}-wal")),
                database_mb=_size_mb(self._database),
            )
            self.samples.append(sample)
            self._csv.writerow(asdict(sample).values())
            self._file.flush()

    def close(self) -> None:
        self._file.close()

    def longest_life(self) -> list[Sample]:
        """The samples of the process that lived longest."""
        lives: dict[int, list[Sample]] = {}
        for sample in self.samples:
            lives.setdefault(sample.pid, []).append(sample)
        return max(lives.values(), key=lambda life: life[-1].at_s - life[0].at_s, default=[])


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """One figure over time: first, last, most, and how its floor rises, with the standard error of that.

    The floor is the least of each tenth of the time: a leak raises it, and a burst of connections does not.
    """

    first: float
    last: float
    most: float
    per_hour: float
    error_per_hour: float

    def certainly_above(self, per_hour: float) -> bool:
        return self.per_hour - 2 * self.error_per_hour > per_hour


def trend(samples: Sequence[Sample], figure: Callable[[Sample], float]) -> Trend:
    """Of at least one sample."""
    values = [figure(sample) for sample in samples]
    per_hour, error = _slope(_floor([(sample.at_s / 3600, figure(sample)) for sample in samples]))
    return Trend(first=values[0], last=values[-1], most=max(values), per_hour=per_hour, error_per_hour=error)


def _floor(points: Sequence[tuple[float, float]], parts: int = 10) -> list[tuple[float, float]]:
    start, length = points[0][0], points[-1][0] - points[0][0]
    tenths: dict[int, tuple[float, float]] = {}
    for x, y in points:
        tenth = min(int((x - start) / length * parts), parts - 1) if length else 0
        if tenth not in tenths or y < tenths[tenth][1]:
            tenths[tenth] = (x, y)
    return list(tenths.values())


def _slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of the straight line nearest to the points, and its standard error."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if len(points) < 3 or not spread:
        return 0.0, math.inf
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return slope, math.sqrt(rest / (len(points) - 2) / spread)


def _size_mb(file: Path) -> float:
    return round(file.stat().st_size / 1024**2, 2) if file.exists() else 0.0
