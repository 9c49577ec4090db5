"""What the carrier refuses at once, in the order in which it looks, with the codes of
https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from .account import Account
from .numbers import is_e164, is_short_code
from .personas import FIXED_FATES_OF_RECIPIENTS, FIXED_FATES_OF_SENDERS
from .phones import Phones

MAX_BODY_CHARS: Final = 1_600
MAX_MEDIA: Final = 10
MAX_CALLBACK_CHARS: Final = 4_000
MAX_VALIDITY_S: Final = 36_000

_ALPHANUMERIC: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")

_TEXTS: Final[Mapping[int, tuple[int, str]]] = MappingProxyType(
    {
        20003: (401, "Authenticate"),
        20004: (405, "Method not allowed"),
        20007: (400, "Page size must be from 1 to 1000"),
        20404: (404, "The requested resource {about} was not found"),
        20413: (413, "Request body is too large"),
        20422: (400, "Invalid parameter: {about}"),
        20429: (429, "Too Many Requests"),
        20500: (500, "An internal server error has occurred"),
        21211: (400, "Invalid 'To' Phone Number: {to}"),
        21212: (400, "Invalid 'From' Number: {from_}"),
        21265: (400, "'To' number cannot be a Short Code: {to}"),
        21266: (400, "'To' and 'From' number cannot be the same: {to}"),
        21402: (400, "Invalid Url: {about}"),
        21403: (400, "Invalid Method: {about}"),
        21408: (400, "Permission to send an SMS has not been enabled for the region of the 'To' number: {to}"),
        21602: (400, "Message body is required."),
        21603: (400, "A 'From' phone number is required."),
        21604: (400, "A 'To' phone number is required."),
        21606: (
            400,
            "The 'From' phone number {from_} is not an SMS-capable phone number or short code of your account.",
        ),
        21609: (400, "Invalid 'StatusCallback' url: {about}"),
        21610: (400, "Attempt to send to unsubscribed recipient"),
        21611: (429, "SMS queue is full."),
        21612: (400, "Message cannot be sent with this combination of 'To' ({to}) and 'From' ({from_})"),
        21614: (400, "'To' number is not a valid mobile number: {to}"),
        21617: (400, "The concatenated message body exceeds the 1600 character limit"),
        21619: (400, "A text message body or media urls must be specified."),
        21620: (400, "Invalid media URL(s)"),
        21623: (400, "Number of media files exceeds allowed limit (10)"),
        21624: (400, "Invalid validity period value: {about}"),
        21659: (400, "'From' {from_} is not a Twilio phone number or Short Code country mismatch"),
        21701: (400, "The Messaging Service does not exist"),
        30409: (400, "Message cannot be canceled"),
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    code: int
    status: int
    message: str


def refusal(code: int, *, to: str = "", from_: str = "", about: str = "") -> Refusal:
    status, text = _TEXTS[code]
    return Refusal(code=code, status=status, message=text.format(to=to, from_=from_, about=about))


@dataclass(frozen=True, kw_only=True, slots=True)
class SendForm:
    """The parameters of a send that the simulator heeds."""

    to: str
    from_: str
    messaging_service_sid: str
    body: str | None
    media_urls: tuple[str, ...]
    status_callback: str
    validity_period: str
    has_content_sid: bool


def read_send_form(pairs: Sequence[tuple[str, str]]) -> SendForm:
    last = dict(pairs)
    return SendForm(
        to=last.get("To", "").strip(),
        from_=last.get("From", "").strip(),
        messaging_service_sid=last.get("MessagingServiceSid", ""),
        body=last.get("Body"),
        media_urls=tuple(value for name, value in pairs if name == "MediaUrl" and value),
        status_callback=last.get("StatusCallback", ""),
        validity_period=last.get("ValidityPeriod", ""),
        has_content_sid=bool(last.get("ContentSid")),
    )


def refuse_send(form: SendForm, account: Account, phones: Phones) -> Refusal | None:
    """Why this send is refused, or `None`. An opt-out from a Messaging Service is no refusal: it fails later."""
    code, about = _first_code(form, account, phones)
    return refusal(code, to=form.to, from_=form.from_, about=about) if code else None


def _first_code(form: SendForm, account: Account, phones: Phones) -> tuple[int | None, str]:
    if not form.to:
        return 21604, ""
    if not form.from_ and not form.messaging_service_sid:
        return 21603, ""
    code, about = _content_code(form)
    code = code or _sender_code(form, account) or _recipient_code(form) or _persona_code(form, account, phones)
    return code, about


def _content_code(form: SendForm) -> tuple[int | None, str]:
    if not form.body and not form.media_urls and not form.has_content_sid:
        return (21602 if form.body is not None else 21619), ""
    if len(form.body or "") > MAX_BODY_CHARS:
        return 21617, ""
    if len(form.media_urls) > MAX_MEDIA:
        return 21623, ""
    if not all(is_http_url(url) for url in form.media_urls):
        return 21620, ""
    callback = form.status_callback
    if callback and (len(callback) > MAX_CALLBACK_CHARS or not is_http_url(callback)):
        return 21609, callback[:100]
    if form.validity_period and not _is_validity(form.validity_period):
        return 21624, form.validity_period[:20]
    return None, ""


def _sender_code(form: SendForm, account: Account) -> int | None:
    if form.messaging_service_sid and form.messaging_service_sid != account.messaging_service_sid:
        return 21701
    if not form.from_:
        return None
    if form.from_ in FIXED_FATES_OF_SENDERS:
        return FIXED_FATES_OF_SENDERS[form.from_]
    if form.from_ in account.numbers:
        return None
    known_shape = is_e164(form.from_) or is_short_code(form.from_) or _ALPHANUMERIC.fullmatch(form.from_)
    return 21659 if known_shape else 21212


def _recipient_code(form: SendForm) -> int | None:
    if form.to in FIXED_FATES_OF_RECIPIENTS:
        return FIXED_FATES_OF_RECIPIENTS[form.to]
    if form.to == form.from_:
        return 21266
    if is_short_code(form.to):
        return 21265
    return None if is_e164(form.to) else 21211


def _persona_code(form: SendForm, account: Account, phones: Phones) -> int | None:
    code = phones.persona_of(form.to).refusal
    if code is None and account.has_opted_out(sender=form.from_, phone=form.to):
        code = 21610
    return None if code == 21610 and form.messaging_service_sid else code


def is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"[\s\x00-\x1f]", url)


def _is_validity(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_VALIDITY_S
