"""Twilio's control plane, through the official SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.rest import Client

from smsbridge.carriers.twilio import CODES, STATUSES, Twilio
from smsbridge.domain.status import Status
from smsbridge.provisioning.control import (
    AccountFacts,
    ControlFailed,
    NumberWebhook,
    OwnedNumber,
    TrialText,
    WebhookTaken,
)
from smsbridge.provisioning.twilio_http import HttpxTwilio, open_http

OVERRIDES: Final = "rc=5&rp=ct,rt,5xx&ct=2000&rt=4000"
"""What Twilio does when we do not answer: five more attempts inside its 15 seconds, which covers a restart. Its own
default is a single one, and only if the connection fails. Not for 4xx: what we refuse once we refuse again.
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides"""

NOBODYS_HOST: Final = "demo.twilio.com"
"""Where a number points that nobody has configured yet."""

MAX_NUMBERS: Final = 5_000
MAX_TEXT_CHARS: Final = 300


@asynccontextmanager
async def open_twilio(adapter: Twilio) -> AsyncIterator[TwilioControl]:
    """The control plane of a configured account, with the adapter's own credentials and address."""
    async with open_http() as http:
        yield TwilioControl(adapter, http)


class TwilioControl:
    """provisioning.control.Control at Twilio."""

    def __init__(self, adapter: Twilio, http: httpx.AsyncClient) -> None:
        self._sdk = Client(
            adapter.api_key or adapter.account_sid,
            adapter.api_secret if adapter.api_key else adapter.auth_token,
            account_sid=adapter.account_sid,
            http_client=HttpxTwilio(http, api_url=adapter.api_url),
            environment={"TWILIO_REGION": ""},  # not empty, or the SDK reads the environment of the process instead
        )

    async def prove_credentials(self) -> AccountFacts:
        with _explained("read the account"):
            answer = await self._sdk.api.v2010.accounts(self._sdk.account_sid).fetch_with_http_info_async()
            account = answer.data
            return AccountFacts(
                id=str(account.sid),
                name=str(account.friendly_name or ""),
                active=str(account.status) == "active",
                trial=str(account.type) == "Trial",
                carrier_at_ms=_read_date(httpx.Headers(answer.headers)),
            )

    async def list_numbers(self) -> Sequence[OwnedNumber]:
        with _explained("list the numbers"):
            found = await self._sdk.incoming_phone_numbers.list_async(limit=MAX_NUMBERS, page_size=1_000)
            return tuple(_read_number(one) for one in found)

    async def set_webhook(
        self, number: OwnedNumber, url: str, *, force: bool, keep: Callable[[NumberWebhook], None]
    ) -> NumberWebhook:
        with _explained(f"set the webhook of {number.number}"):
            there = self._sdk.incoming_phone_numbers(number.id)
            present = _read_number(await there.fetch_async()).webhook
            if not (force or present.is_at(url) or _is_nobodys(present)):
                raise WebhookTaken(present)
            if not present.is_at(url):
                keep(present)
            await there.update_async(sms_url=f"{url}#{OVERRIDES}", sms_method="POST", sms_application_sid="")
        return present

    async def restore_webhook(self, number: OwnedNumber, past: NumberWebhook, *, ours: str, force: bool) -> None:
        with _explained(f"restore the webhook of {number.number}"):
            there = self._sdk.incoming_phone_numbers(number.id)
            present = _read_number(await there.fetch_async()).webhook
            if not (force or present.is_at(ours) or present == past):
                raise WebhookTaken(present)
            await there.update_async(
                sms_url=past.url, sms_method=past.method or "POST", sms_application_sid=past.application
            )

    async def send_test(self, *, sender: str, to: str, text: str) -> TrialText:
        with _explained(f"send from {sender} to {to}"):
            return _read_text(await self._sdk.messages.create_async(to=to, from_=sender, body=text))

    async def read_test(self, text_id: str) -> TrialText:
        with _explained("ask for the text"):
            return _read_text(await self._sdk.messages(text_id).fetch_async())


def _is_nobodys(webhook: NumberWebhook) -> bool:
    return not webhook.application and (not webhook.url or urlsplit(webhook.url).hostname == NOBODYS_HOST)


def _read_number(one: Any) -> OwnedNumber:
    """https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource"""
    capabilities = one.capabilities if isinstance(one.capabilities, Mapping) else {}
    return OwnedNumber(
        id=str(one.sid),
        number=str(one.phone_number),
        sms=capabilities.get("sms") is True,
        mms=capabilities.get("mms") is True,
        webhook=NumberWebhook(
            url=str(one.sms_url or ""),
            method=str(one.sms_method or "POST"),
            application=str(one.sms_application_sid or ""),
        ),
    )


def _read_text(one: Any) -> TrialText:
    code = str(one.error_code or "")
    meaning = CODES.get(code)
    words = meaning.meaning if meaning else str(one.error_message or "")[:MAX_TEXT_CHARS]
    return TrialText(
        id=str(one.sid),
        status=STATUSES.get(str(one.status), Status.SENT),
        problem=f"{code}: {words}" if code else "",
    )


def _read_date(headers: httpx.Headers) -> int | None:
    try:
        return int(parsedate_to_datetime(headers.get("Date", "")).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        return None


CURES: Final[Mapping[int, str]] = {
    401: "compare account_sid and api_key with api_secret (or auth_token) with https://console.twilio.com",
    403: "use the live credentials (test credentials cannot do this) of a key that may read and change numbers",
    404: "account_sid and the key must belong to the same account, and the number to that account",
    429: "too many calls at once: wait a minute and try again",
}


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Every way in which the SDK fails, as ControlFailed. An answer that it cannot read raises nearly anything."""
    try:
        yield
    except (WebhookTaken, ControlFailed):
        raise
    except (TwilioRestException, TwilioServiceException) as error:
        words = str(getattr(error, "msg", "") or getattr(error, "title", ""))[:MAX_TEXT_CHARS]
        cure = CURES.get(error.status) or f"https://www.twilio.com/docs/api/errors/{error.code}"
        raise ControlFailed(f"Twilio would not {doing}: {error.status}, {error.code}: {words}", cure=cure) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        cure = "check api_url, the name service and the firewall of this computer"
        raise ControlFailed(f"Twilio could not be asked to {doing}: {reason}", cure=cure) from error
    except (TwilioException, ValueError, KeyError, TypeError, AttributeError) as error:
        cure = "is api_url the address of Twilio, or is a proxy answering in its place?"
        raise ControlFailed(f"Twilio was asked to {doing}, and the answer makes no sense", cure=cure) from error
