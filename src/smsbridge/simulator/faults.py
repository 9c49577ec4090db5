"""What can be broken on purpose, and how often it strikes."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final


class UnknownFault(ValueError):
    """A key or a value that is none; the message names the right ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultSettings:
    """Chances are per cent, 0 to 100, each drawn anew for every request, callback or download."""

    send_429: float = 0
    """Refused with 20429; nothing is recorded."""
    send_500: float = 0
    """Refused with 20500; nothing is recorded."""
    send_503: float = 0
    """Refused by the gateway with a page of HTML; nothing is recorded."""
    send_timeout_before: float = 0
    """No answer, and the message is not recorded: the carrier does not have it."""
    send_timeout_after: float = 0
    """No answer, and the message is recorded and goes out: the carrier has it."""
    send_garbage: float = 0
    """The message is recorded; the answer is 201 and is no JSON."""
    send_slow: float = 0
    """The answer comes after `send_slow_s`."""
    callback_duplicate: float = 0
    """The receipt is posted twice."""
    callback_late: float = 0
    """The receipt is posted after `callback_late_s`."""
    callback_out_of_order: float = 0
    """The message's `sent` is posted after its final status. Drawn once per message."""
    callback_lost: float = 0
    """The receipt is never posted."""
    callback_before_answer: float = 0
    """`sent` is posted before the send is answered. Drawn once per message."""
    webhook_duplicate: float = 0
    """The inbound text is posted twice."""
    webhook_batched: float = 0
    """The inbound text is posted with the next one, in one request where the carrier does that."""
    webhook_in_parts: float = 0
    """A long text is posted part by part, in any order, where the carrier does that."""
    webhook_lost: float = 0
    """The inbound text is never posted; only the list of messages has it."""
    media_slow: float = 0
    """The download begins after `media_slow_s`."""
    media_404: float = 0
    """The media is not there (yet)."""
    media_broken: float = 0
    """The second half of the file is missing."""
    lookup_500: float = 0
    """The lookup answers 500."""

    retry_after_s: int | None = None
    """The `Retry-After` of a 429; `None`: without that header, as Twilio's classic API answers."""
    send_slow_s: float = 2.0
    callback_late_s: float = 2.0
    media_slow_s: float = 2.0
    hang_s: float = 5.0
    """How long a send that gets no answer is left hanging before the connection is closed; 0 closes it at once."""
    limit: int | None = None
    """How often each fault strikes before it is spent; `None`: for ever."""

    def json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


_VALUES: Final = ("retry_after_s", "send_slow_s", "callback_late_s", "media_slow_s", "hang_s", "limit")
_MAY_BE_NONE: Final = ("retry_after_s", "limit")
_MAX_SECONDS: Final = 600
CHANCES: Final = tuple(field.name for field in fields(FaultSettings) if field.name not in _VALUES)

SHORT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "429": "send_429",
        "500": "send_500",
        "503": "send_503",
        "timeout": "send_timeout_before",
        "drop": "send_timeout_after",
        "garbage": "send_garbage",
        "slow": "send_slow",
        "dup": "callback_duplicate",
        "late": "callback_late",
        "disorder": "callback_out_of_order",
        "lost": "callback_lost",
        "early": "callback_before_answer",
        "pictures": "media_broken",
    }
)
"""How the faults are called on a command line."""


def read_fault_settings(values: object, *, base: FaultSettings | None = None) -> FaultSettings:
    """`{"send_429": 20, "retry_after_s": 2}`, over `base` (else everything off). Raises `UnknownFault`."""
    if not isinstance(values, Mapping):
        raise UnknownFault(f'expected an object of faults, for example {{"send_429": 20}}; known: {_known()}')
    merged = (base or FaultSettings()).json()
    for name, value in values.items():
        if name not in merged:
            raise UnknownFault(f"no fault is called {name!r}; known: {_known()}")
        merged[name] = _read_value(name, value)
    return FaultSettings(**merged)


def read_faults(text: str) -> FaultSettings:
    """`drop=10,dup=20`: short or full names, per cent; also `limit=3`. Raises `UnknownFault`."""
    values: dict[str, object] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, amount = (part.strip() for part in item.partition("="))
        full = SHORT_NAMES.get(name, name)
        try:
            if not equals:
                raise ValueError
            values[full] = int(amount) if full in _MAY_BE_NONE else float(amount.removesuffix("%"))
        except ValueError:
            raise UnknownFault(f"{item!r} is not name=number, for example drop=10") from None
    short = ", ".join(SHORT_NAMES)
    try:
        return read_fault_settings(values)
    except UnknownFault as error:
        raise UnknownFault(f"{error}; or in short: {short}") from None


class Faults:
    """The faults of a running simulator and how often each has struck since they were last set."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._struck: Counter[str] = Counter()
        self.settings = FaultSettings()

    def set(self, settings: FaultSettings) -> None:
        self.settings = settings
        self._struck.clear()

    def strikes(self, name: str) -> bool:
        chance: float = getattr(self.settings, name)
        if not chance or (self.settings.limit is not None and self._struck[name] >= self.settings.limit):
            return False
        if chance < 100 and self._chance.random() * 100 >= chance:
            return False
        self._struck[name] += 1
        return True

    def json(self) -> dict[str, Any]:
        return {"faults": self.settings.json(), "struck": dict(self._struck)}


def _read_value(name: str, value: object) -> object:
    if value is None and name in _MAY_BE_NONE:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnknownFault(f"{name} must be a number, not {type(value).__name__}")
    if name in CHANCES and not 0 <= value <= 100:
        raise UnknownFault(f"{name} is a chance in per cent, from 0 to 100")
    if name in _MAY_BE_NONE and value != int(value):
        raise UnknownFault(f"{name} must be a whole number, or null")
    if value < 0 or (name.endswith("_s") and value > _MAX_SECONDS):
        raise UnknownFault(
            f"{name} must be from 0 to {_MAX_SECONDS} seconds" if name != "limit" else "limit is below 0"
        )
    return int(value) if name in _MAY_BE_NONE else value


def _known() -> str:
    return ", ".join((*CHANCES, *_VALUES))
