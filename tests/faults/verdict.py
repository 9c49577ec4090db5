"""What a run came to, in the words of the checker (checker.py), for runs that count less than it does."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Wrongs:
    """Every list must be empty."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and never seen again."""
    doubled: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    """Seen, and never tried."""
    out_of_order: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.unexpected or self.out_of_order)

    def __str__(self) -> str:
        return (
            f"lost {len(self.lost)}, duplicated {len(self.doubled)}, unexpected {len(self.unexpected)}, "
            f"out of order {len(self.out_of_order)}"
        )
