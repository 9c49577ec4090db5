"""Texts as phones count them: segments, parts for one send each, opt-out keywords, characters that make a text dear.

A text that has only characters of the GSM 03.38 alphabet travels in 7-bit units, 160 to a segment; one other
character turns the whole text into UCS-2, 70 to a segment. Once a text needs several segments, each gives up some
room to say which one it is: 153 and 67. (3GPP TS 23.038 section 6.2.1, TS 23.040 section 9.2.3.24.1)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Literal

from smsbridge.domain.events import OptOutKind

Encoding = Literal["GSM-7", "UCS-2"]

GSM7_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""One unit each. The escape of the extension table is not a character and is therefore not here."""

GSM7_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""Two units each: an escape and a letter, which always stay in the same segment."""

GSM7: Final = GSM7_BASIC | GSM7_EXTENSION


@dataclass(frozen=True, kw_only=True, slots=True)
class Segments:
    """What a text costs. `units` are septets of GSM-7 or UTF-16 code units; the empty text has no segment."""

    count: int
    encoding: Encoding
    units: int
    units_left: int
    """How many more units go into the last segment; for the empty text, into the first."""
    forced_by: str
    """The first character that GSM-7 does not have, or empty."""


def fold(text: str) -> str:
    """The form in which texts are searched: neither case nor the way an accent was typed makes a difference."""
    if text.isascii():  # most texts
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def count_segments(text: str) -> Segments:
    """How many segments a phone network makes of `text`. Neither an escaped pair nor a surrogate pair is divided."""
    if len(text) <= _ONE_SEGMENT and _ALL_BASIC.fullmatch(text):  # most texts
        return Segments(
            count=min(len(text), 1),
            encoding="GSM-7",
            units=len(text),
            units_left=_ONE_SEGMENT - len(text),
            forced_by="",
        )
    forced_by = next((character for character in text if character not in GSM7), "")
    if forced_by:
        return _count(text, "UCS-2", _utf16_units, single=70, several=67, forced_by=forced_by)
    return _count(text, "GSM-7", _gsm7_units, single=160, several=153, forced_by="")


def split_text(text: str, max_chars: int) -> tuple[str, ...]:
    """The parts in which `text` goes out through a carrier whose one send holds `max_chars` characters.

    What is counted are UTF-16 code units: never fewer than a carrier counts, whether it counts code points or units.
    A part ends after a line or after a word where one ends within its last tenth, else between two characters as a
    reader sees them (an accent, a skin tone or a joined emoji stays with its base); one that is alone longer than a
    part is cut all the same. Nothing is dropped: the parts joined are the text, and the white space at a break ends
    the earlier part. The empty text is one empty part, for a picture may need no words.

    A caller strips the text first: carriers refuse a part of nothing but white space.
    Raises ValueError if `max_chars` is less than 2, which is what an emoji takes.
    """
    if max_chars < 2:
        raise ValueError("A part must have room for two characters at least.")
    parts: list[str] = []
    start = 0
    while (end := _fill(text, start, max_chars)) < len(text):
        cut = _best_cut(text, start, end)
        parts.append(text[start:cut])
        start = cut
    parts.append(text[start:])
    return tuple(parts)


def plain_quotes(text: str) -> str:
    """`text` with typographic signs replaced by what GSM-7 has for them: quotes, dashes, dots, bullets, blanks.

    Invisible marks that word processors leave behind go. Emoji, accented letters and anything else that says
    something of its own stay, so the text may be UCS-2 all the same. The desk does it (web/desk/lib/sms.js), and is
    tested against this, which is what its own rules are tested on.
    """
    return text.translate(_PLAIN)


def read_keyword(text: str, *, opted_out: bool = False) -> OptOutKind | None:
    """The opt-out keyword that the *whole* text is; case, white space around it and a final `.` or `!` do not matter.

    The words are those of 47 CFR 64.1200(a)(10) (https://www.ecfr.gov/current/title-47/section-64.1200) and the
    carriers' usual ones (https://help.twilio.com/articles/223134027). YES is a word to start with only for a contact
    who has opted out of this sender (`opted_out`); from everyone else it is an answer to a question.
    """
    stripped = text.strip()
    if len(stripped) > _MAX_KEYWORD_CHARS:
        return None
    word = " ".join(unicodedata.normalize("NFC", stripped).upper().split()).rstrip(".! ")
    if word in _STOP:
        return OptOutKind.STOP
    if word in _START or (opted_out and word == "YES"):
        return OptOutKind.START
    if word in _HELP:
        return OptOutKind.HELP
    return None


# --- counting

_ONE_SEGMENT: Final = 160
_ALL_BASIC: Final = re.compile(r"[A-Za-z0-9 \n\r.,!?'\"/:;()*#%&+=<>@$_-]*")
"""Characters that are one septet each, and that most texts are made of."""


def _count(
    text: str, encoding: Encoding, units_of: Callable[[str], int], *, single: int, several: int, forced_by: str
) -> Segments:
    sizes = [units_of(character) for character in text]
    units = sum(sizes)
    if units <= single:
        count, left = min(units, 1), single - units
    else:
        count, left = 1, several
        for size in sizes:
            if size > left:
                count, left = count + 1, several
            left -= size
    return Segments(count=count, encoding=encoding, units=units, units_left=left, forced_by=forced_by)


def _gsm7_units(character: str) -> int:
    return 2 if character in GSM7_EXTENSION else 1


def _utf16_units(character: str) -> int:
    return 2 if character > "\uffff" else 1


# --- splitting


def _fill(text: str, start: int, max_units: int) -> int:
    """The end of the longest piece from `start` that has at most `max_units`."""
    end = min(start + max_units, len(text))
    piece = text[start:end]
    if piece.isascii():
        return end
    units = 0
    for index, character in enumerate(piece, start):
        units += _utf16_units(character)
        if units > max_units:
            return index
    return end


def _best_cut(text: str, start: int, end: int) -> int:
    """Where to cut between `start` (excluded) and `end`: after a line, a word, a character as readers see it."""
    near = range(end, end - (end - start) // 10, -1)
    for is_break in (_after_line, _after_word):
        for cut in near:
            if is_break(text, cut) and not _joined(text, cut):
                return cut
    return next((cut for cut in range(end, start, -1) if not _joined(text, cut)), end)


def _after_line(text: str, cut: int) -> bool:
    return text[cut - 1] == "\n"


def _after_word(text: str, cut: int) -> bool:
    return text[cut - 1].isspace() and text[cut - 1] not in _NO_BREAK_SPACES


def _joined(text: str, cut: int) -> bool:
    """Whether the characters on both sides of `cut` make one for the reader.

    The cases of Unicode's grapheme clusters that occur in texts (https://www.unicode.org/reports/tr29/): a mark, an
    emoji's skin tone or tag after its base, anything beside a joiner, CR LF, the letters of one flag, the jamo of
    one Hangul syllable.
    """
    before, after = text[cut - 1], text[cut]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    if before == _ZERO_WIDTH_JOINER or after in _EXTENDERS or unicodedata.category(after) in {"Mn", "Mc", "Me"}:
        return True
    if _is_flag_letter(before) and _is_flag_letter(after):
        return sum(1 for _ in takewhile(_is_flag_letter, reversed(text[:cut]))) % 2 == 1
    return "\u1160" <= after <= "\u11ff" and ("\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3")


def _is_flag_letter(character: str) -> bool:
    return "\N{REGIONAL INDICATOR SYMBOL LETTER A}" <= character <= "\N{REGIONAL INDICATOR SYMBOL LETTER Z}"


_ZERO_WIDTH_JOINER: Final = "\N{ZERO WIDTH JOINER}"
_EXTENDERS: Final = frozenset(
    {_ZERO_WIDTH_JOINER, "\N{ZERO WIDTH NON-JOINER}"}
    | {chr(point) for point in range(0x1F3FB, 0x1F400)}  # skin tones
    | {chr(point) for point in range(0xE0020, 0xE0080)}  # tags, as in the flag of Scotland
)
_NO_BREAK_SPACES: Final = frozenset("\N{NO-BREAK SPACE}\N{FIGURE SPACE}\N{NARROW NO-BREAK SPACE}")


# --- words and signs

_STOP: Final = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE"}
    | {"OPTOUT", "OPT OUT", "OPT-OUT"}
    | {"ARRET", "ARRÊT"}  # Canada
)
_START: Final = frozenset({"START", "UNSTOP"})
_HELP: Final = frozenset({"HELP", "INFO"})
_MAX_KEYWORD_CHARS: Final = 40
"""The longest keyword, with room for a row of exclamation marks."""

_PLAIN: Final = str.maketrans(
    dict.fromkeys("‘’‚‛‹›′‵ʹʻʼʽˈˊˋ´`＇❛❜", "'")
    | dict.fromkeys("“”„‟«»″‶ʺ〝〞〟＂❝❞", '"')
    | dict.fromkeys("‐‑‒–—―−⁃﹘﹣－", "-")
    | dict.fromkeys("•‣∙", "*")
    | dict.fromkeys("⁄∕", "/")
    | {"…": "...", "‥": ".."}
    | dict.fromkeys(
        "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
    )
    | dict.fromkeys("\u2028\u2029", "\n")
    | dict.fromkeys("\u00ad\u200b\u2060\ufeff", "")
)
