"""What a lookup knows of a number, whatever the carrier."""

from __future__ import annotations

from dataclasses import dataclass

from .numbers import is_e164
from .personas import FIXED_FATES_OF_RECIPIENTS, Persona


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    valid: bool
    kind: str | None
    """`mobile` or `landline`; `None`: the carrier does not know, or there is no such number."""


def line_of(number: str, persona: Persona) -> Line:
    fate = FIXED_FATES_OF_RECIPIENTS.get(number)
    valid = is_e164(number) and persona.valid and fate != 21211
    return Line(valid=valid, kind=("landline" if fate == 21614 else persona.line_type) if valid else None)
