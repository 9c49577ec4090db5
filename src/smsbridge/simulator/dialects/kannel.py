"""Kannel with the kannel.conf of docs/carriers/kannel.md: sends by header, texts and receipts by GET, an SMSC by SMPP.

https://www.kannel.org/download/1.4.5/userguide-1.4.5/userguide.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from aiohttp import web

from smsbridge.simulator.account import CarrierMessage, OwnNumber
from smsbridge.simulator.callbacks import Overrides, Webhook
from smsbridge.simulator.dialect import OTHER, Call, Dialect, Office, Pairs, Wish, Words, ref_in
from smsbridge.simulator.personas import Step
from smsbridge.simulator.segments import is_gsm7
from smsbridge.wire.signing import same_text

# Of a refusal the words (user guide, "sendsms"); of a receipt what its SMSC says: a status of SMPP, an error of GSM's
# mobile application part, or the state alone.
_WORDS: Final[Mapping[int, Words]] = MappingProxyType(
    {
        OTHER: Words("", "Empty text not allowed, rejected", status=400),
        20003: Words("", "Authorization failed for sendsms", status=403),
        20404: Words("", "Unknown request.", status=404),
        20413: Words("", "Too long", status=400),
        20429: Words("", "Temporal failure, try again later.", status=503),
        20500: Words("", "Sending failed.", status=500),
        21211: Words("cs:0x0000000B", "Invalid Destination Address", late=True),
        21212: Words("cs:0x0000000A", "Invalid Source Address", late=True),
        21265: Words("cs:0x0000000B", "Invalid Destination Address", late=True),
        21408: Words("", "Not routable. Do not try again.", status=403),
        21603: Words("", "Sender missing and no global set, rejected", status=400),
        21604: Words("", "Missing receiver number, rejected", status=400),
        21606: Words("cs:0x0000000A", "Invalid Source Address", late=True),
        21610: Words("stat:REJECTD", late=True),
        21611: Words("", "Temporal failure, try again later.", status=503),
        21612: Words("", "Not routable. Do not try again.", status=403),
        21614: Words("gsm-map:11", late=True),
        21659: Words("cs:0x0000000A", "Invalid Source Address", late=True),
        30003: Words("gsm-map:27"),
        30004: Words("gsm-map:13"),
        30005: Words("gsm-map:1"),
        30006: Words("gsm-map:11"),
        30007: Words("stat:REJECTD"),
        30008: Words("stat:UNDELIV"),
        30011: Words("gsm-map:21"),
        30034: Words("stat:REJECTD"),
        30036: Words("stat:EXPIRED"),
    }
)

_GET_URL: Final = "?from=%q&to=%Q&id=%I&time=%T&coding=%c&charset=%C&udh=%u&text=%b"
_ESCAPE: Final = re.compile("%(.)")
_SENT, _DELIVERED, _NOT_DELIVERED, _REFUSED = 8, 1, 2, 16


class Kannel(Dialect):
    name: ClassVar[str] = "kannel"
    user_agent: ClassVar[str] = "Kannel/1.4.5"
    sends: ClassVar[Sequence[str]] = ("/cgi-bin/sendsms",)
    words: ClassVar[Mapping[int, Words]] = _WORDS
    answers_stop: ClassVar[bool] = False
    connection: ClassVar[Overrides] = Overrides(
        ct_ms=10_000, rt_ms=60_000, tt_ms=120_000, rc=10, rp=frozenset({"all"}), waits_s=(10,)
    )

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._password = office.secret("password").hex()[:32]
        self._webhook_secret = office.secret("webhook secret").hex()[:48]

    def write_account(self) -> dict[str, Any]:
        return {
            "type": self.name,
            "url": f"{self.office.url}/cgi-bin/sendsms",
            "username": "bridge",
            "password": self._password,
            "webhook_secret": self._webhook_secret,
            "error_codes": "gsm-map",
        }

    # The API

    def read_body(self, body: bytes) -> Pairs:
        return [("text", body.decode("utf-8", "replace"))]

    def refuse_caller(self, call: Call) -> web.Response | None:
        given = f"{call.header('X-Kannel-Username')} {call.header('X-Kannel-Password')}"
        return None if same_text(given, f"bridge {self._password}") else self.write_refusal(call, 20003)

    def read_send(self, call: Call) -> Wish:
        asked = call.header("X-Kannel-DLR-Url")
        return Wish(
            to=call.header("X-Kannel-To"),
            from_=call.header("X-Kannel-From"),
            body=call.body.decode("utf-8", "replace"),
            status_callback=asked if _wants_receipts(call) else "",
            ref=ref_in(asked),
            echo={"dlr_url": asked},
        )

    def write_sent(self, message: CarrierMessage) -> web.Response:
        return web.Response(status=202, text="0: Accepted for delivery")

    def write_refusal(self, call: Call, fate: int, *, wish: Wish | None = None, about: str = "") -> web.Response:
        said = self.words_for(fate)
        call.summary = said.text
        return web.Response(status=said.status, text=said.text)

    # Webhooks

    def write_inbound(self, message: CarrierMessage, own: OwnNumber) -> Webhook:
        """Texts only: a picture is lost on the way, as it is with Kannel."""
        return self._write_text(message, own, message.body, message.sid)

    def write_parts(self, message: CarrierMessage, own: OwnNumber, texts: Sequence[str]) -> Sequence[Webhook]:
        """What `sms-combine-concatenated-mo = false` makes of it; the header is that of 3GPP TS 23.040, 9.2.3.24.1."""
        ref = self.office.chance.getrandbits(8)
        return [
            self._write_text(
                message, own, text, self.office.new_uuid(), header=bytes([5, 0, 3, ref, len(texts), number])
            )
            for number, text in enumerate(texts, start=1)
        ]

    def _write_text(
        self, message: CarrierMessage, own: OwnNumber, text: str, sid: str, *, header: bytes = b""
    ) -> Webhook:
        is_plain = is_gsm7(message.body)
        values: dict[str, str | bytes] = {
            "q": message.from_ or "",
            "Q": message.to,
            "I": sid,
            "T": str(int(message.created_at)),
            "c": "0" if is_plain else "2",
            "C": "UTF-8" if is_plain else "UTF-16BE",
            "u": header,
            "b": text.encode("utf-8" if is_plain else "utf-16-be"),
        }
        parts = urlsplit(own.sms_url)
        host = parts.netloc.rpartition("@")[2]
        base = urlunsplit((parts.scheme, f"kannel:{self._webhook_secret}@{host}", parts.path, "", ""))
        return self._write_webhook(base + _fill(_GET_URL, values), message)

    def write_receipt(self, message: CarrierMessage, step: Step) -> Webhook | None:
        if step.status == "queued":
            return None
        kind, answer = self._describe(message, step)
        values = {"d": str(kind), "A": answer, "I": message.sid, "F": message.sid, "q": message.to}
        return self._write_webhook(_fill(message.echo["dlr_url"], values), message)

    def _describe(self, message: CarrierMessage, step: Step) -> tuple[int, str]:
        """`%d` and `%A`."""
        if step.status == "sent":
            return _SENT, "ACK/"
        if step.code is None:
            return _DELIVERED, self._write_report(message, "DELIVRD", "000")
        said = self.late_words_for(step.code)
        family, _, value = said.code.partition(":")
        if family == "cs":
            return _REFUSED, f"NACK/{value.lower()}/{said.text}"
        if family == "stat":
            return _NOT_DELIVERED, self._write_report(message, value, "000")
        return _NOT_DELIVERED, self._write_report(message, "UNDELIV", f"{int(value or 0):03d}")

    def _write_report(self, message: CarrierMessage, state: str, error: str) -> str:
        """An SMSC's receipt, SMPP 3.4, appendix B."""
        at = datetime.fromtimestamp(self.office.clock(), UTC).strftime("%y%m%d%H%M")
        dlvrd = "001" if state == "DELIVRD" else "000"
        return f"id:{message.sid} sub:001 dlvrd:{dlvrd} submit date:{at} done date:{at} stat:{state} err:{error} text:"

    def _write_webhook(self, url: str, message: CarrierMessage) -> Webhook:
        return Webhook(
            url=url,
            method="GET",
            headers={},
            body=None,
            connection=self.connection,
            from_=message.from_ or "",
            to=message.to,
            shown=parse_qsl(urlsplit(url).query, keep_blank_values=True, errors="replace"),
        )


def _wants_receipts(call: Call) -> bool:
    """Whether receipts of the final states were asked for."""
    mask = call.header("X-Kannel-DLR-Mask")
    return mask.isascii() and mask.isdigit() and len(mask) < 4 and bool(int(mask) & (_DELIVERED | _NOT_DELIVERED))


def _fill(template: str, values: Mapping[str, str | bytes]) -> str:
    """Escapes such as `%d` give their values; `%%` is a percent sign."""
    return _ESCAPE.sub(lambda found: "%" if found[1] == "%" else quote(values.get(found[1], ""), safe=""), template)


DIALECT: Final[type[Dialect]] = Kannel
