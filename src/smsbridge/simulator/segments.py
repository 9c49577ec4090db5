"""How many SMS a text needs: 160 GSM-7 units or 70 UTF-16 units in one, 153 or 67 in each of several.

https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
"""

from __future__ import annotations

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")


def is_gsm7(text: str) -> bool:
    return all(char in _BASIC or char in _EXTENDED for char in text)


def count_segments(text: str) -> int:
    """At least 1. A character of two units (an escape, a surrogate pair) is never cut in half."""
    if is_gsm7(text):
        units, single, several = [2 if char in _EXTENDED else 1 for char in text], 160, 153
    else:
        units, single, several = [2 if ord(char) > 0xFFFF else 1 for char in text], 70, 67
    if sum(units) <= single:
        return 1
    segments, room = 1, several
    for size in units:
        if size > room:
            segments, room = segments + 1, several
        room -= size
    return segments
