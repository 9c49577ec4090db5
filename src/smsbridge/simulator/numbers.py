"""What the simulator needs to know of telephone numbers: their shape and their country."""

from __future__ import annotations

import re
from typing import Final

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_SHORT_CODE: Final = re.compile(r"\d{3,6}")
_SPACING: Final = re.compile(r"[\s().-]")

_COUNTRIES: Final = {
    "1": "US", "31": "NL", "32": "BE", "33": "FR", "34": "ES", "39": "IT", "41": "CH", "43": "AT",
    "44": "GB", "45": "DK", "46": "SE", "47": "NO", "48": "PL", "49": "DE", "52": "MX", "55": "BR", "61": "AU",
    "64": "NZ", "65": "SG", "81": "JP", "91": "IN", "351": "PT", "353": "IE", "358": "FI", "420": "CZ",
}  # fmt: skip


def is_e164(number: str) -> bool:
    return _E164.fullmatch(number) is not None


def is_short_code(number: str) -> bool:
    return _SHORT_CODE.fullmatch(number) is not None


def read_number(text: str) -> str | None:
    """A number as people and URLs write it (`15005550142`, `+1 500 555 0142`), as E.164 or a short code."""
    bare = _SPACING.sub("", text)
    if is_e164(bare) or is_short_code(bare):
        return bare
    return f"+{bare}" if is_e164(f"+{bare}") else None


def country_of(number: str) -> tuple[str, str] | None:
    """The calling code and the country: `("44", "GB")`. None for one that is not in the small table above."""
    for length in (1, 2, 3):
        code = number[1 : 1 + length]
        if number.startswith("+") and code in _COUNTRIES:
            return code, _COUNTRIES[code]
    return None


def as_number(text: str) -> str:
    """E.164 or a short code, if that is what it is; else as it came, to be refused for it."""
    return read_number(text) or text


def without_plus(number: str | None) -> str:
    return (number or "").removeprefix("+")
