"""Phone numbers: the only place where a `Number` is made, and what a number alone says about itself.

A number is taken when it is *possible*: an existing country code and a length that its plan allows. Whether the plan
lists it as *valid* is only a hint, for plans change faster than libraries (https://github.com/google/libphonenumber,
FALSEHOODS.md): carriers' test numbers and fresh ranges are not in it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType, ValidationResult

from smsbridge.domain.characters import clean_text
from smsbridge.domain.message import Number, SmsCapable

SenderKind = Literal["long_code", "toll_free", "short_code", "alphanumeric"]

MAX_ADDRESS_CHARS: Final = 64
"""The longest thing that is looked at as a number or an address. E.164 itself has a plus and at most 15 digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberFacts:
    """What the numbering plan says. `type` is one of mobile, landline, landline_or_mobile, toll_free, voip, premium,
    shared_cost, personal, pager, uan, voicemail, unknown. `reason` is one sentence for an agent, careful in tone
    because the plan is only a hint."""

    valid: bool
    type: str
    sms_capable: SmsCapable
    reason: str


@lru_cache(maxsize=4096)
def read_number(text: str, region: str | None = None) -> Number:
    """A number as a person or a program wrote it, as E.164.

    Digits may be grouped by blanks, dashes, dots, slashes and brackets. Without `region` (ISO 3166: `GB`) the number
    starts with a plus; with it, national and `00` (or `011`) forms are read as they are dialled there. Letters,
    extensions and short codes are refused. Raises ValueError with one sentence that never quotes the number.
    """
    if _NORTH_AMERICAN.fullmatch(text):
        return Number(text)
    digits = _read_plain(text)
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{region!r} is not a region; write it like US or GB.")
    if region is None and not digits.startswith("+"):
        raise _wrong("The number has no country code.")
    written = _write_e164(digits, region)
    # National prefixes are taken off while reading. What still has one afterwards (+490000000) is no number: it would
    # be another number each time it is read.
    if _write_e164(written, None) != written:
        raise _wrong(_NO_NUMBER)
    return Number(written)


@lru_cache(maxsize=4096)
def read_sender_of_text(text: str) -> Number:
    """Who an inbound text is from, as the carrier wrote it. Never raises: a text is never lost for its sender.

    Some carriers leave the plus out: nine digits and more are an international number, three to eight a short code,
    both of which can be answered. Whatever else it is (a name, `whatsapp:+1...`, nothing) is kept as it is, up to
    `MAX_ADDRESS_CHARS`, and cannot be answered.
    """
    shown = clean_text(text).strip()
    compact = _compact(shown[:MAX_ADDRESS_CHARS])
    if _SHORT_CODE.fullmatch(compact):
        return Number(compact)
    if _DIALLABLE.fullmatch(compact):
        with_plus = "+" + compact.removeprefix("+")
        try:
            return read_number(with_plus)
        except ValueError:
            # The carrier knows better than the plan; a number that nobody can dial at all is refused when we answer.
            return Number(with_plus)
    return Number(shown[:MAX_ADDRESS_CHARS] or "unknown")


@lru_cache(maxsize=1024)
def read_own_sender(text: str) -> str:
    """One of our senders: E.164 (the plus may be missing), a short code, or a name of at most eleven characters.

    Raises ValueError with one sentence that says what a sender can be.
    """
    trimmed = text.strip()
    compact = _compact(trimmed[:MAX_ADDRESS_CHARS])
    if _SHORT_CODE.fullmatch(compact):
        return compact
    if _DIALLABLE.fullmatch(compact):
        return read_number("+" + compact.removeprefix("+"))
    if _ALPHANUMERIC.fullmatch(trimmed):
        return trimmed
    raise ValueError(
        f"A sender is a number {_EXAMPLE}, a short code of 3 to 8 digits, or a name of at most 11 letters, digits and"
        " blanks with one letter at least."
    )


@lru_cache(maxsize=1024)
def sender_kind(sender: str) -> SenderKind:
    """What kind of sender this is. `sender` is one that `read_own_sender` has read."""
    if _SHORT_CODE.fullmatch(sender):
        return "short_code"
    if not sender.startswith("+"):
        return "alphanumeric"
    return "toll_free" if number_facts(Number(sender)).type == "toll_free" else "long_code"


@lru_cache(maxsize=4096)
def number_facts(number: Number) -> NumberFacts:
    """What `number` alone says. A landline is no, a mobile yes; what the plan does not list is unknown, never no."""
    if _SHORT_CODE.fullmatch(number):
        return _unknown("It is a short code, about which nothing more is known.")
    if not _E164.fullmatch(number):
        return NumberFacts(
            valid=False,
            type="unknown",
            sms_capable=SmsCapable.NO,
            reason="It is a name and not a number, so it cannot be answered.",
        )
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return _unknown("Its country code is not known.")
    if not phonenumbers.is_valid_number(parsed):
        return _unknown("It is not in the numbering plan: it may be new, or a digit may be wrong.")
    kind, capable, reason = _TYPES[phonenumbers.number_type(parsed)]
    return NumberFacts(valid=True, type=kind, sms_capable=capable, reason=reason)


def mask_number(number: str) -> str:
    """For logs: the country code and the last two digits, `+1…23`. Of anything else only the last two characters."""
    if len(number) <= 4:
        return "…"
    return f"{_country_prefix(number)}…{number[-2:]}"


# --- reading


def _read_plain(text: str) -> str:
    """The plus and the digits of a written number, in ASCII. Raises ValueError for anything that is no number."""
    if len(text) > MAX_ADDRESS_CHARS:
        raise _wrong(_TOO_LONG)
    digits = _compact(text)
    if not digits:
        raise _wrong("The number is empty.")
    if not _PLUS_AND_DIGITS.fullmatch(digits):
        raise _wrong("A phone number has only digits after its plus.")
    return digits


def _write_e164(digits: str, region: str | None) -> str:
    try:
        parsed = phonenumbers.parse(digits, region)
    except NumberParseException as error:
        raise _wrong(_PARSE_PROBLEMS.get(error.error_type, _NO_NUMBER)) from None
    problem = _LENGTH_PROBLEMS.get(phonenumbers.is_possible_number_with_reason(parsed))
    if problem is not None:
        raise _wrong(problem)
    written = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if not _E164.fullmatch(written):
        raise _wrong(_TOO_LONG)
    return written


def _wrong(problem: str) -> ValueError:
    return ValueError(f"{problem} Write it {_EXAMPLE}.")


def _compact(text: str) -> str:
    """`text` without grouping signs and invisible marks (pasted contacts carry them), digits of any script as ASCII."""
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else _SIGNS.get(character, character)
        for character in text
        if character not in _GROUPING
        and not character.isspace()
        and unicodedata.category(character) not in {"Cf", "Pd"}
    )


def _country_prefix(number: str) -> str:
    for length in (1, 2, 3):
        code = number[1 : 1 + length]
        if number.startswith("+") and code.isdecimal() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return f"+{code}"
    return ""


def _unknown(reason: str) -> NumberFacts:
    return NumberFacts(valid=False, type="unknown", sms_capable=SmsCapable.UNKNOWN, reason=reason)


_EXAMPLE: Final = "like +14155550123"

# Of North American numbers the shape alone says that they are possible and already canonical; of others it does not:
# +4402079460018 has the shape of E.164 and a zero too many.
_NORTH_AMERICAN: Final = re.compile(r"\+1[2-9][0-9]{9}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_DIALLABLE: Final = re.compile(r"\+[1-9][0-9]{6,14}|[1-9][0-9]{8,14}")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_ALPHANUMERIC: Final = re.compile(r"(?=[0-9 ]*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_PLUS_AND_DIGITS: Final = re.compile(r"\+?[0-9]+")
_GROUPING: Final = frozenset("-.()[]/\N{MINUS SIGN}\N{MIDDLE DOT}")
_SIGNS: Final[Mapping[str, str]] = {"\N{FULLWIDTH PLUS SIGN}": "+"}

_NO_NUMBER: Final = "This is not a phone number."
_TOO_SHORT: Final = "The number is too short."
_TOO_LONG: Final = "The number is too long."
_NO_SUCH_COUNTRY: Final = "The number starts with a country code that does not exist."
_PARSE_PROBLEMS: Final[Mapping[int, str]] = {
    NumberParseException.INVALID_COUNTRY_CODE: _NO_SUCH_COUNTRY,
    NumberParseException.TOO_SHORT_AFTER_IDD: _TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: _TOO_SHORT,
    NumberParseException.TOO_LONG: _TOO_LONG,
}
_LENGTH_PROBLEMS: Final[Mapping[int, str]] = {
    ValidationResult.INVALID_COUNTRY_CODE: _NO_SUCH_COUNTRY,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "The number has no area code.",
    ValidationResult.TOO_SHORT: _TOO_SHORT,
    ValidationResult.TOO_LONG: _TOO_LONG,
    ValidationResult.INVALID_LENGTH: "The number has too many or too few digits.",
}

_TYPES: Final[Mapping[int, tuple[str, SmsCapable, str]]] = {
    PhoneNumberType.MOBILE: ("mobile", SmsCapable.YES, "It is a mobile number."),
    PhoneNumberType.FIXED_LINE: ("landline", SmsCapable.NO, "It looks like a landline."),
    PhoneNumberType.FIXED_LINE_OR_MOBILE: (
        "landline_or_mobile",
        SmsCapable.UNKNOWN,
        "It may be a mobile or a landline; the number does not tell.",
    ),
    PhoneNumberType.TOLL_FREE: ("toll_free", SmsCapable.UNKNOWN, "It is a toll-free number; few of them take texts."),
    PhoneNumberType.VOIP: ("voip", SmsCapable.UNKNOWN, "It is an internet number; not all of them take texts."),
    PhoneNumberType.PERSONAL_NUMBER: (
        "personal",
        SmsCapable.UNKNOWN,
        "It is a personal number; where it leads is not known.",
    ),
    PhoneNumberType.PREMIUM_RATE: ("premium", SmsCapable.NO, "It looks like a premium-rate number."),
    PhoneNumberType.SHARED_COST: ("shared_cost", SmsCapable.NO, "It looks like a shared-cost service number."),
    PhoneNumberType.PAGER: ("pager", SmsCapable.NO, "It looks like a pager."),
    PhoneNumberType.UAN: ("uan", SmsCapable.NO, "It looks like a company's switchboard number."),
    PhoneNumberType.VOICEMAIL: ("voicemail", SmsCapable.NO, "It looks like a voicemail number."),
    PhoneNumberType.UNKNOWN: (
        "unknown",
        SmsCapable.UNKNOWN,
        "The numbering plan does not say what kind of line it is.",
    ),
}
