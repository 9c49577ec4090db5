"""Carriers that list what came to us: how much they tell, what they have, and how they answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from fakes import ANN, OUR_NUMBER, PlainCarrier, World, ok, refused
from smsbridge.contracts.carrier import Abilities
from smsbridge.flows.catch_up import ensure_catch_up
from smsbridge.wire.http import Performed, Request

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ListsIds(PlainCarrier):
    """It pushes for a day, and then tells only that a text came."""

    abilities: ClassVar[Abilities] = replace(PlainCarrier.abilities, listing="ids", pushes_for_ms=24 * HOUR_MS)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListsNothing(PlainCarrier):
    abilities: ClassVar[Abilities] = replace(PlainCarrier.abilities, listing="nothing", pushes_for_ms=5 * MINUTE_MS)


@dataclass
class CarrierList:
    """What the carrier has, and how it answers: pages of three, newest first."""

    world: World
    came: list[dict[str, Any]] = field(default_factory=list)
    media: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: bool = False
    media_broken: bool = False
    unreadable: int = 0

    def __post_init__(self) -> None:
        self.world.network.answer = self.answer

    def add(self, text: str, *, number: str = ANN, at_ms: int | None = None, to: str = OUR_NUMBER, **more: Any) -> str:
        """A text that came and was not pushed; its time is told in whole seconds."""
        at_ms = (self.world.clock.now if at_ms is None else at_ms) // 1000 * 1000
        self.came.append({"id": f"L{len(self.came)}", "from": number, "to": to, "text": text, "at_ms": at_ms, **more})
        return f"L{len(self.came) - 1}"

    def answer(self, request: Request) -> Performed:
        _, what, *rest = request.url.removeprefix("https://").split("/")
        if what == "media-of":
            return refused() if self.media_broken else ok(self.media[rest[0]])  # type: ignore[arg-type] - JSON
        if what != "list":
            return ok({"id": f"C{len(self.world.network.requests)}"})
        self.asked.append(rest[0])
        if self.broken:
            return ok({}, status=500)
        since_ms, until_ms = map(int, rest[1].split("-"))
        start = int(rest[2] or 0)
        listed = [each for each in self.came if each["to"] == rest[0] and since_ms <= each["at_ms"] < until_ms]
        newest_first = sorted(listed, key=lambda each: -int(each["id"][1:]))
        page = newest_first[start : start + 3]
        more = str(start + 3) if start + 3 < len(newest_first) else ""
        return ok({"listed": page, "next": more, "unreadable": self.unreadable})


async def start(world: World) -> None:
    await world.write(lambda tx: ensure_catch_up(tx, world.bridge))
    await world.run_due()
