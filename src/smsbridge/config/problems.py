"""What can be wrong with a configuration, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong. `source` is a file or a variable's name; `line` is 0 where it is about no line of a file."""

    key: str
    problem: str
    cure: str = ""
    line: int = 0
    source: str = ""

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}: " if self.line else (f"{self.source}: " if self.source else "")
        return f"{where}{self.key}: {self.problem}" + (f" {self.cure}" if self.cure else "")


class ConfigProblems(Exception):
    """Everything that is wrong, in the order of the file; then what stands in no line. `warnings` may say why: what
    looks missing can stand in a variable that nobody reads."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.warnings = tuple(warnings)
        self.problems = tuple(sorted(problems, key=lambda each: (each.line == 0, each.line, each.key)))
        super().__init__("\n".join(str(each) for each in self.problems))
