"""Memory, files and disk of a daemon over time, and whether they grow."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    at_s: float
    pid: int
    rss_mb: float
    open_files: int
    threads: int
    children: int
    wal_mb: float
    database_mb: float


class Gauges:
    """Reads /proc and the files of the store. Every sample goes into a CSV file; what is kept is one for each look."""

    def __init__(self, file: Path, database: Path) -> None:
        self._file = file.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file)
        self._csv.writerow([field.name for field in fields(Sample)])
        self._database = database
        self.samples: list[Sample] = []

    def look(self, at_s: float, pid: int) -> None:
        """Nothing when the process is gone."""
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
                open_files=len(os.listdir(f"/proc/{pid}/fd")),
                threads=int(status["Threads"]),
                children=len(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()),
                wal_mb=_size_mb(Path(f"{self._database}-wal")),
                database_mb=_size_mb(self._database),
            )
            self.samples.append(sample)
            self._csv.writerow(asdict(sample).values())

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
    """One figure after the warm-up: first, last, most, and the slope of a straight line with its standard error."""

    first: float
    last: float
    most: float
    per_hour: float
    error_per_hour: float

    def certainly_above(self, per_hour: float) -> bool:
        return self.per_hour - 2 * self.error_per_hour > per_hour


def trend(samples: Sequence[Sample], figure: Callable[[Sample], float]) -> Trend:
    """Of at least one sample."""
    xs = [sample.at_s / 3600 for sample in samples]
    ys = [figure(sample) for sample in samples]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    error = math.sqrt(rest / (len(xs) - 2) / spread) if len(xs) > 2 and spread else math.inf
    return Trend(first=ys[0], last=ys[-1], most=max(ys), per_hour=slope, error_per_hour=error)


def _size_mb(file: Path) -> float:
    return round(file.stat().st_size / 1024**2, 2) if file.exists() else 0.0
