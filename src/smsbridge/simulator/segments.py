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
    """At least 1."""
    return len(split_text(text))


def split_text(text: str) -> list[str]:
    """What each SMS carries. A character of two units (an escape, a surrogate pair) is never cut in half."""
    if is_gsm7(text):
        units, single, several = [2 if char in _EXTENDED else 1 for char in text], 160, 153
    else:
        units, single, several = [2 if ord(char) > 0xFFFF else 1 for char in text], 70, 67
    if sum(units) <= single:
        return [text]
    starts, room = [0], several
    for at, size in enumerate(units):
        if size > room:
            starts.append(at)
            room = several
        room -= size
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
