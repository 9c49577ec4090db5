"""Twilio: the REST API of 2010, webhooks as forms that are signed with the account's token, TwiML for answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, OwnNumber
from smsbridge.simulator.callbacks import Answer, Webhook, read_overrides
from smsbridge.simulator.dialect import BadAnswer, Call, Dialect, Endpoint, Office, Pairs, Reply, Wish, ref_in
from smsbridge.simulator.numbers import country_of
from smsbridge.simulator.personas import Step
from smsbridge.simulator.problems import answer_json
from smsbridge.simulator.signature import sign, signed_url
from smsbridge.simulator.times import receipt_minute
from smsbridge.wire.encoding import read_form, write_form
from smsbridge.wire.signing import basic_authorization, same_text

from .documents import API_VERSION, account_path, write_message
from .refusals import refusal
from .rest import ACCOUNT, Rest, refused
from .twiml import read_answer


class Twilio(Dialect):
    name: ClassVar[str] = "twilio"
    user_agent: ClassVar[str] = "TwilioProxy/1.1"
    sends: ClassVar[Sequence[str]] = (f"{ACCOUNT}/Messages.json",)

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        settings = office.settings
        pairs = ((settings.account_sid, settings.auth_token), *settings.api_keys)
        self._authorizations = tuple(basic_authorization(user, password) for user, password in pairs)
        self._rest = Rest(office)

    def write_account(self) -> dict[str, Any]:
        settings = self.office.settings
        return {
            "type": self.name,
            "account_sid": settings.account_sid,
            "auth_token": settings.auth_token,
            "api_url": self.office.url,
            "media_hosts": [urlsplit(self.office.cdn_url).netloc],
            "lookup": True,
        }

    # The API

    def refuse_caller(self, call: Call) -> web.Response | None:
        given = call.header("Authorization")
        if not any([same_text(given, right) for right in self._authorizations]):  # noqa: C419 -- always compare with all
            answer = refused(call, refusal(20003))
            answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
            return answer
        sid = self.office.account.sid
        if call.request.match_info.get("account", sid) != sid:
            return refused(call, refusal(20404, about=call.path[:200]))
        return None

    def read_body(self, body: bytes) -> Pairs:
        return read_form(body)

    def read_send(self, call: Call) -> Wish:
        last = dict(call.form)
        return Wish(
            to=last.get("To", "").strip(),
            from_=last.get("From", "").strip(),
            messaging_service_sid=last.get("MessagingServiceSid", ""),
            body=last.get("Body"),
            media_urls=tuple(value for name, value in call.form if name == "MediaUrl" and value),
            status_callback=last.get("StatusCallback", ""),
            ref=ref_in(last.get("StatusCallback", "")),
            validity_period=last.get("ValidityPeriod", ""),
            has_content_sid=bool(last.get("ContentSid")),
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return answer_json(write_message(message, self.office.account), status=201)

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        to, from_ = (wish.to, wish.from_) if wish else ("", "")
        return refused(call, refusal(fate, to=to, from_=from_, about=about))

    def endpoints(self) -> Sequence[Endpoint]:
        return self._rest.endpoints()

    def headers(self, duration_ms: float) -> Mapping[str, str]:
        return {
            "Twilio-Request-Id": self.office.account.new_sid("RQ"),
            "Twilio-Request-Duration": f"{duration_ms / 1000:.3f}",
        }

    # Webhooks

    def new_id(self, *, has_media: bool) -> str:
        return self.office.account.new_sid("MM" if has_media else "SM")

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        return self._write_webhook(own.sms_url, self._inbound_form(message), method=own.sms_method)

    def write_fallback(self, message: CarrierMessage, own: OwnNumber, failed: Answer) -> Webhook | None:
        if not own.sms_fallback_url:
            return None
        told = [("ErrorCode", str(failed.error_code)), ("ErrorUrl", own.sms_url)]
        form = [*self._inbound_form(message), *told]
        return self._write_webhook(own.sms_fallback_url, form, method=own.sms_fallback_method)

    def code_of(self, fate: int) -> str:
        return str(fate)

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook:
        form = [
            ("ApiVersion", API_VERSION),
            ("MessageStatus", step.status),
            ("SmsSid", message.sid),
            ("SmsStatus", step.status),
            ("To", message.to),
            ("From", message.from_ or ""),
            ("MessageSid", message.sid),
            ("AccountSid", self.office.account.sid),
        ]
        if message.messaging_service_sid:
            form.append(("MessagingServiceSid", message.messaging_service_sid))
        if step.code is not None:
            form.append(("ErrorCode", str(step.code)))
        if step.status in ("delivered", "undelivered"):
            form.append(("RawDlrDoneDate", receipt_minute(self.office.clock())))
        return self._write_webhook(message.status_callback, form)

    def read_answer(self, answer: Answer) -> Sequence[Reply] | BadAnswer:
        return read_answer(answer.content_type, answer.body)

    def _write_webhook(self, url: str, form: Pairs, *, method: str = "POST") -> Webhook:
        connection = read_overrides(urlsplit(url).fragment or self.office.settings.connection)
        values = dict(form)
        if method == "GET":
            separator = "&" if urlsplit(url).query else "?"
            url, form = f"{signed_url(url)}{separator}{write_form(form).decode()}", ()
        headers = {
            "X-Twilio-Signature": sign(url, form, self.office.settings.auth_token),
            "I-Twilio-Idempotency-Token": self.office.new_uuid(),
        }
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        return Webhook(
            url=url,
            method=method,
            headers=headers,
            body=write_form(form) if method == "POST" else None,
            connection=connection,
            from_=values.get("From", ""),
            to=values.get("To", ""),
            shown=form,
        )

    def _inbound_form(self, message: CarrierMessage) -> list[tuple[str, str]]:
        sender = message.from_ or ""
        form = [
            *_place("To", message.to, city="OAKLAND", state="CA", postcode=""),
            *_place("From", sender, city="SAN FRANCISCO", state="CA", postcode="94105"),
            ("SmsMessageSid", message.sid),
            ("NumMedia", str(message.num_media)),
            ("SmsSid", message.sid),
            ("SmsStatus", "received"),
            ("Body", message.body),
            ("To", message.to),
            ("NumSegments", str(message.num_segments)),
            ("MessageSid", message.sid),
            ("AccountSid", self.office.account.sid),
            ("From", sender),
            ("ApiVersion", API_VERSION),
        ]
        if message.messaging_service_sid:
            form.append(("MessagingServiceSid", message.messaging_service_sid))
        if message.keyword and self.office.settings.advanced_opt_out:
            form.append(("OptOutType", message.keyword))
        base = f"{self.office.url}{account_path(self.office.account.sid)}/Messages/{message.sid}/Media"
        for number, file in enumerate(message.media.values()):
            form.append((f"MediaContentType{number}", file.content_type))
            form.append((f"MediaUrl{number}", f"{base}/{file.sid}"))
        return form


def _place(which: str, number: str, *, city: str, state: str, postcode: str) -> list[tuple[str, str]]:
    country = country_of(number)
    if country is None or country[1] != "US":
        city = state = postcode = ""
    return [
        (f"{which}Country", country[1] if country else ""),
        (f"{which}State", state),
        (f"{which}City", city),
        (f"{which}Zip", postcode),
    ]


DIALECT: Final[type[Dialect]] = Twilio
