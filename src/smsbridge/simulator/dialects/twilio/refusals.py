"""How Twilio says no: https://www.twilio.com/docs/api/errors"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

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
