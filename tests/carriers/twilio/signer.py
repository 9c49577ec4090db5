"""What the conformance suite must know of Twilio's signatures. They are made by the twilio package, not by us."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from smsbridge.wire.http import Request

HEADERS = ("X-Twilio-Signature",)


class MultiDict(dict[str, list[str]]):
    """A form as the package wants it where a name may come twice."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getlist(self, name: str) -> list[str]:
        return self[name]


def fields(request: Request) -> list[tuple[str, str]]:
    if request.method != "POST" or "form" not in request.content_type:
        return []
    return parse_qsl(request.body.decode(), keep_blank_values=True)


def sign(request: Request, secret: str) -> Request:
    signature = RequestValidator(secret).compute_signature(request.url, MultiDict(fields(request)))
    return replace(request, headers=request.headers.replace("X-Twilio-Signature", signature))


def same_meaning(one: Request, other: Request) -> bool:
    """Names and values are signed decoded, so `%2b` may become `%2B`, and `+` a blank, without anybody's knowing."""
    try:
        return one.url == other.url and one.headers == other.headers and set(fields(one)) == set(fields(other))
    except UnicodeDecodeError:
        return False
