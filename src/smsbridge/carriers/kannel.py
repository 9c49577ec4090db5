"""Kannel, the open-source gateway: a bearerbox and a smsbox of your own, with whatever carriers are behind them.

A send is a POST to the smsbox, its fields in X-Kannel-* headers and its text in the body, so that neither the password
nor the text stands in a URL. Texts come from an sms-service whose get-url or post-url names our fields, receipts from
the dlr-url that each send brings along; both show the secret that stands in the URL, as Basic credentials.

The user guide is https://www.kannel.org/download/1.4.5/userguide-1.4.5/userguide.html; what it leaves open was read in
the source of 1.4.5. Where that leaves something open, docs/carriers/kannel.md says what is done either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import unquote_to_bytes

from smsbridge.contracts.carrier import NO_MEANING, Abilities, AccountUrls, Carrier, CodeMeaning, code_rows
from smsbridge.contracts.settings import (
    Reader,
    read_secret,
    read_settings,
    read_url,
    read_url_secret,
    reader_of_number,
    reader_of_text,
    reader_of_word,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import CarrierEvent, InboundMessage, Receipt, TextPart, Unrecognized
from smsbridge.domain.message import OutboundPart
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, Scope, SendOutcome, Uncertain
from smsbridge.domain.status import FAILURES, Status
from smsbridge.domain.text import count_segments
from smsbridge.wire.encoding import MAX_FORM_FIELDS, Unreadable
from smsbridge.wire.http import NOT_PROVEN, Headers, Request, Response
from smsbridge.wire.signing import basic_authorization, is_one_of
from smsbridge.wire.times import read_retry_after_s

USER: Final = "kannel"
"""In the URLs that Kannel calls: `https://kannel:SECRET@...`."""

# The bits of dlr-mask, of which %d gives one: user guide, "SMS Delivery Reports".
STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "1": Status.DELIVERED,
        "2": Status.UNDELIVERED,
        "4": Status.SENT,  # buffered: the phone is off, and the SMSC goes on trying
        "8": Status.SENT,  # the SMSC took it
        "16": Status.FAILED,  # the SMSC refused it
    }
)
_EVERY_STATUS: Final = sum(map(int, STATUSES))

_CODINGS: Final[Mapping[str, str]] = MappingProxyType({"": "utf-8", "0": "utf-8", "2": "utf-16-be"})
"""What %b holds by %c, unless %C says otherwise. Kannel keeps 7-bit texts in UTF-8; coding 1 is no text."""
_CHARSETS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "UTF-8": "utf-8",
        "UTF-16BE": "utf-16-be",
        "WINDOWS-1252": "cp1252",  # what mo-recode makes of UCS-2 where it can
        "ISO-8859-1": "latin-1",
        "US-ASCII": "ascii",
    }
)

ERROR_TABLES: Final = ("gsm-map", "sinch-cloud")

# Codes of SMPP 3.4 as Kannel passes them on in %A: `cs:` is the command_status of a submit_sm that the SMSC refused,
# `stat:` the state in a receipt. `err:` in a receipt means something else at each SMSC; two tables are known, and the
# setting `error_codes` says which one holds.
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        **code_rows(
            Cause.SENDER_NOT_OURS,
            {
                "cs:0x0000000A": "the SMSC does not take this sender",
            },
        ),
        **code_rows(
            Cause.SENDER_MISMATCH,
            {
                "cs:0x00000048": "the type of the sender's number (source-addr-ton) does not suit the SMSC",
                "cs:0x00000049": "the plan of the sender's number (source-addr-npi) does not suit the SMSC",
            },
        ),
        **code_rows(
            Cause.INVALID_NUMBER,
            {
                "cs:0x0000000B": "the recipient's number is not valid",
                "cs:0x00000050": "the type of the recipient's number (dest-addr-ton) does not suit the SMSC",
                "cs:0x00000051": "the plan of the recipient's number (dest-addr-npi) does not suit the SMSC",
                "gsm-map:1": "nobody has this number",
                "gsm-map:5": "the network does not know this subscriber",
                "gsm-map:9": "the network does not serve this subscriber",
                "sinch-cloud:1": "nobody has this number",
                "sinch-cloud:2": "nobody has this number; it may have been ported",
            },
        ),
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "gsm-map:11": "the subscriber has no text service",
                "gsm-map:12": "the network does not serve this phone",
                "gsm-map:21": "the subscriber's network does not offer this",
                "sinch-cloud:10": "no mobile number, or no way to it",
                "sinch-cloud:11": "the subscriber has no text service",
                "sinch-cloud:12": "the network does not serve this phone",
                "sinch-cloud:21": "the subscriber's network does not offer this",
                "sinch-cloud:32": "the device takes no texts",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                "cs:0x000000FE": "the text could not be delivered",
                "gsm-map:6": "the phone is off or out of reach",
                "gsm-map:27": "the phone is off or out of reach",
                "gsm-map:32": "the phone did not take the text",
                "sinch-cloud:5": "the network does not see this subscriber",
                "sinch-cloud:27": "the phone is off or out of reach",
                "sinch-cloud:28": "the phone does not answer the network",
                "sinch-cloud:29": "the phone is not in the network",
                "sinch-cloud:33": "the phone's memory is full",
                "sinch-cloud:40": "the phone's memory is full",
            },
        ),
        **code_rows(
            Cause.EXPIRED,
            {
                "stat:EXPIRED": "it could not be delivered in the time it was given",
            },
        ),
        **code_rows(
            Cause.BLOCKED,
            {
                "cs:0x00000101": "the SMSC may not send this here",
                "stat:REJECTD": "the SMSC or the network refused it",
                "gsm-map:13": "the subscriber's line is barred",
                "sinch-cloud:13": "the subscriber's line is barred",
                "sinch-cloud:300": "screened or blocked",
            },
        ),
        **code_rows(
            Cause.FILTERED,
            {
                "sinch-cloud:9": "the network filtered it, or does not serve the subscriber",
            },
        ),
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                "cs:0x00000001": "the text is too long for one message",
                "cs:0x00000043": "the SMSC takes no messages of this form: headers for long texts, perhaps",
                "cs:0x00000066": "the far end refused the message",
                "cs:0x00000104": "the SMSC does not take this alphabet",
                "sinch-cloud:301": "the carrier could not read it",
            },
        ),
        **code_rows(
            Cause.RATE_LIMITED,
            {
                "cs:0x00000058": "too fast for the SMSC",
                "sinch-cloud:999": "the carrier is congested",
            },
            retry=True,
        ),
        **code_rows(
            Cause.QUEUE_FULL,
            {
                "cs:0x00000014": "the SMSC's queue is full",
            },
            retry=True,
        ),
        **code_rows(
            Cause.AUTH,
            {
                "cs:0x0000000D": "Kannel could not bind to the SMSC",
                "cs:0x0000000E": "Kannel's password (smsc-password) is wrong",
                "cs:0x0000000F": "Kannel's name (smsc-username) is wrong",
                "cs:0x00000053": "Kannel's system-type is wrong",
            },
        ),
        **code_rows(
            Cause.PERMISSION_OR_REGION,
            {
                "cs:0x00000100": "Kannel's account at the SMSC may not use this service",
                "cs:0x00000103": "Kannel's account at the SMSC was denied this service",
            },
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "cs:0x00000008": "the SMSC has a fault",
                "cs:0x00000064": "the far end cannot take it now",
                "cs:0x00000102": "the service is not to be had now",
                "gsm-map:31": "the phone is busy with another text",
                "gsm-map:34": "the network has a fault",
                "sinch-cloud:30": "the network's controlling centre failed",
                "sinch-cloud:31": "the phone is busy with another text",
                "sinch-cloud:34": "the network has a fault",
                "sinch-cloud:37": "the network has a fault",
                "sinch-cloud:140": "no connection inside the network",
                "sinch-cloud:160": "a connection inside the network broke",
                "sinch-cloud:201": "the network broke it off",
                "sinch-cloud:202": "the far network broke it off",
                "sinch-cloud:203": "the network did not answer in time",
                "sinch-cloud:205": "the network did not answer in time",
                "sinch-cloud:207": "the network called it off",
                "sinch-cloud:303": "the carrier has a fault and has given up",
            },
            retry=True,
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "cs:0x00000004": "Kannel was not bound to the SMSC",
                "cs:0x00000005": "Kannel was still bound from before",
                "sinch-cloud:35": "the network missed something",
                "sinch-cloud:36": "the network met something unexpected",
                "sinch-cloud:38": "the network missed something",
                "sinch-cloud:39": "the network met something unexpected",
                "sinch-cloud:200": "the network's answer could not be read",
                "sinch-cloud:302": "the carrier has a fault and tries again by itself",
                "sinch-cloud:304": "the carrier lost its way and tries again by itself",
            },
        ),
        **code_rows(
            Cause.UNKNOWN,
            {
                "cs:0x00000002": "the SMSC could not read Kannel's request: its length",
                "cs:0x00000003": "the SMSC could not read Kannel's request: its command",
                "cs:0x00000006": "the priority is not taken",
                "cs:0x00000007": "the wish for receipts is not taken",
                "cs:0x0000000C": "the SMSC does not know that message",
                "cs:0x00000011": "cancelling failed",
                "cs:0x00000013": "replacing failed",
                "cs:0x00000015": "the service type is not taken",
                "cs:0x00000033": "the number of recipients is not taken",
                "cs:0x00000034": "the SMSC does not know that list of recipients",
                "cs:0x00000040": "the kind of recipient is not taken",
                "cs:0x00000042": "replacing is not taken",
                "cs:0x00000044": "the SMSC cannot send to that list",
                "cs:0x00000045": "the SMSC did not take it: often no way, no credit, or blocked",
                "cs:0x00000054": "the wish to replace is not taken",
                "cs:0x00000055": "the number of messages is not taken",
                "cs:0x00000061": "the time to send at is not taken",
                "cs:0x00000062": "the validity is not taken",
                "cs:0x00000063": "the SMSC has no such prepared message",
                "cs:0x00000065": "the far end will never take it",
                "cs:0x00000067": "asking for the state failed",
                "cs:0x000000C0": "the optional fields could not be read",
                "cs:0x000000C1": "an optional field is not allowed",
                "cs:0x000000C2": "an optional field has the wrong length",
                "cs:0x000000C3": "an optional field is missing",
                "cs:0x000000C4": "an optional field has a value that is not taken",
                "cs:0x000000FF": "the SMSC does not say why",
                "cs:0x00000400-0x000004FF": "a code of this SMSC's own; its manual tells",
                "stat:DELETED": "somebody deleted it at the SMSC",
                "stat:UNDELIV": "it could not be delivered; err: says why, in the SMSC's own numbers",
                "stat:UNKNOWN": "the SMSC lost track of it",
                "sinch-cloud:6": "what became of it is not known",
                "sinch-cloud:69": "it could not be delivered",
                "sinch-cloud:206": "the subscriber's network refused it",
                "sinch-cloud:305": "the carrier lost its way and has given up",
            },
        ),
    }
)
_VENDOR_CODES: Final = "cs:0x00000400-0x000004FF"

# What smsbox answers in words, by how it begins (smsbox.c: smsbox_req_handle, smsbox_sendsms_post).
_REFUSALS: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "Authorization failed": Cause.AUTH,
        "Not routable": Cause.PERMISSION_OR_REGION,
        "Number(s) has/have been denied": Cause.BLOCKED,
        "Empty receiver": Cause.INVALID_NUMBER,
        "Missing receiver": Cause.INVALID_NUMBER,
        "Sender missing": Cause.SENDER_NOT_OURS,
        "Charset or body misformed": Cause.CONTENT_REJECTED,
    }
)
_TEMPORARY: Final = "Temporal failure"
_NOT_LET_IN: Final = (401, 403, 404)
"""In other words than Kannel's: the address or the credentials are wrong."""
_MAX_EVIDENCE_CHARS: Final = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Kannel(Carrier):
    """One sendsms-user of one Kannel. docs/carriers/kannel.md explains each setting."""

    name: ClassVar[str] = "kannel"
    abilities: ClassVar[Abilities] = Abilities(max_text_chars=1600)
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    refusal: ClassVar[Response] = NOT_PROVEN

    url: str
    username: str
    password: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_secret_secondary: str = field(default="", repr=False)
    """The other secret while one replaces the other; receipts are asked for with the first."""
    smsc: str = ""
    validity_min: int | None = None
    error_codes: str = ""
    """Which table the `err:` of the SMSC's receipts follows; empty: none that is known."""
    webhook: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        made, problems = read_settings(settings, _READERS)
        problems += _missing(settings)
        if problems:
            raise ValueError("\n".join(problems))
        return cls(**made, webhook=urls.webhook)

    def write_setup(self, webhook: str) -> Sequence[str]:
        url = webhook.replace("://", f"://{USER}:WEBHOOK_SECRET@")
        fields = "from=%q&to=%Q&id=%I&time=%T&coding=%c&charset=%C&udh=%u&text=%b"
        return (
            f'kannel.conf, a group sms-service with catch-all = true: get-url = "{url}?{fields}"',
            "There, max-messages = 0; and in the group of the sendsms-user 25",
            "The group smsbox: http-request-retry = 1000, or a text that comes while the bridge is away is dropped",
            "Every group smsc needs an smsc-id, or there are no receipts",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:  # noqa: ARG002 -- Kannel signs nothing
        """Kannel shows the secret of the URL that it was given; it covers neither the request nor its time."""
        given = request.headers.get("Authorization")
        if not given:
            raise BadSignature(
                "The request has no Authorization header.",
                hint=f"Write the URL in kannel.conf as https://{USER}:WEBHOOK_SECRET@...",
            )
        secrets = filter(None, (self.webhook_secret, self.webhook_secret_secondary))
        if not is_one_of(given, [basic_authorization(USER, secret) for secret in secrets]):
            raise BadSignature(f"The Authorization header is not that of {USER} with webhook_secret.")

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """One text or one receipt: Kannel calls for each of its own.

        Both have their fields in the query, which holds bytes in whatever charset the text had; a post-url has the
        text in the body instead.
        """
        fields = _read_query(request.url)
        if "status" in fields:
            return [self._read_receipt(fields)]
        if not {"id", "from", "to"} & fields.keys():
            raise Unreadable("neither a text nor a receipt: the query has none of their fields")
        return [_read_text(fields, request.body if request.method == "POST" else b"")]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- always the same
        """Only 200 and 202 are a yes for Kannel. A body would be texted to the contact, if max-messages let it."""
        return Response.text("")

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """User guide, "Kannel POST" and table 7-17. A long text is split, and its parts are marked, by Kannel."""
        headers = [
            ("X-Kannel-Username", self.username),
            ("X-Kannel-Password", self.password),
            ("X-Kannel-From", part.sender),
            ("X-Kannel-To", part.to),
            ("X-Kannel-Coding", "0" if count_segments(part.text).encoding == "GSM-7" else "2"),
            ("X-Kannel-DLR-Mask", str(_EVERY_STATUS)),
            ("X-Kannel-DLR-Url", self._receipt_url(part.ref)),
        ]
        if self.smsc:
            headers.append(("X-Kannel-SMSC", self.smsc))
        validity_min = self.validity_min if part.validity_s is None else max(part.validity_s // 60, 1)
        if validity_min is not None:
            headers.append(("X-Kannel-Validity", str(validity_min)))
        headers.append(("Content-Type", "text/plain; charset=UTF-8"))
        return Request(method="POST", url=self.url, headers=Headers(headers), body=part.text.encode())

    def read_send(self, response: Response) -> SendOutcome:
        """User guide, table 7-16. No answer holds an id: receipts bring our reference.

        202 says that the bearerbox has stored it; 503 in Kannel's own words, that it has not, because its queue is full
        or it is going down. A 503 in other words, or a 429, is a proxy's.
        """
        said = response.body[:_MAX_EVIDENCE_CHARS].decode("utf-8", "replace")
        evidence = Evidence(text=said, http_status=response.status)
        if response.status == 202:
            return Accepted(evidence=evidence)
        if response.status == 503 and said.startswith(_TEMPORARY):
            after_s = read_retry_after_s(response.headers)
            return RetryLater(cause=Cause.QUEUE_FULL, after_s=after_s, about=Scope.ACCOUNT, evidence=evidence)
        if response.status == 429:
            return RetryLater(cause=Cause.RATE_LIMITED, after_s=read_retry_after_s(response.headers), evidence=evidence)
        if response.status == 408 or not 400 <= response.status < 500:
            return Uncertain(reason=f"Kannel answered HTTP {response.status}", evidence=evidence)
        known = (cause for words, cause in _REFUSALS.items() if said.startswith(words))
        otherwise = Cause.AUTH if response.status in _NOT_LET_IN else Cause.UNKNOWN
        return Rejected(cause=next(known, otherwise), evidence=evidence)

    # -- Private -----------------------------------------------------------------------------------------------------

    def _receipt_url(self, ref: str) -> str:
        """What Kannel fills in and calls: %d the status, %F the SMSC's id, %T the second, %A the SMSC's words."""
        scheme, _, rest = self.webhook.replace("%", "%%").partition("://")
        fields = f"ref={ref}&status=%d&id=%F&time=%T&answer=%A"
        return f"{scheme}://{USER}:{self.webhook_secret}@{rest}/receipt?{fields}"

    def _read_receipt(self, fields: Mapping[str, bytes]) -> CarrierEvent:
        word, ref, carrier_id = (_word(fields, name) for name in ("status", "ref", "id"))
        status = STATUSES.get(word)
        if status is None:
            return Unrecognized(reason="unknown_status")
        if not (ref or carrier_id):
            return Unrecognized(reason="no_reference")
        said = _word(fields, "answer")
        code = _read_code(said, self.error_codes)
        failed = status in FAILURES
        return Receipt(
            carrier_message_id=carrier_id,
            status=status,
            part_ref=ref,
            key=f"{ref}:{carrier_id}:{word}:{code}",
            cause=_meaning_of(code).cause if failed else None,
            evidence=Evidence(code=code, text=_TEXT_IN_RECEIPT.sub("", said).strip()[:_MAX_EVIDENCE_CHARS]),
            carrier_at_ms=_read_second_ms(fields),
        )


# -- Reading webhooks ------------------------------------------------------------------------------------------------

_TEXT_IN_RECEIPT: Final = re.compile(r"\btext:.*", re.DOTALL | re.IGNORECASE)
"""The end of an SMPP receipt repeats the beginning of the message, which is no evidence and nobody's business."""
_NACK: Final = re.compile(r"NACK/0x([0-9a-fA-F]{8})")
_STAT: Final = re.compile(r"\bstat:\s*([A-Za-z]{1,10})")
_ERR: Final = re.compile(r"\berr:\s*([0-9]{1,5})\b")


def _read_query(url: str) -> dict[str, bytes]:
    """The first value of each name, as the bytes that it was: a text in UCS-2 has zeros in it."""
    pairs = [pair.partition("=") for pair in url.partition("#")[0].partition("?")[2].split("&") if pair]
    if len(pairs) > MAX_FORM_FIELDS:
        raise Unreadable(f"not a readable query: more than {MAX_FORM_FIELDS} fields")
    return {
        name: unquote_to_bytes(value.replace("+", " ").encode("utf-8", "surrogatepass"))
        for name, _, value in reversed(pairs)
    }


def _read_text(fields: Mapping[str, bytes], body: bytes) -> CarrierEvent:
    carrier_id, sender, recipient = (_word(fields, name) for name in ("id", "from", "to"))
    if not (carrier_id and sender and recipient):
        return Unrecognized(reason="no_id_or_number")
    coding = _CODINGS.get(_word(fields, "coding"))
    if coding is None:
        return Unrecognized(reason="binary")
    charset = _word(fields, "charset").upper()
    encoding = _CHARSETS.get(charset) if charset else coding
    if encoding is None:
        return Unrecognized(reason="unknown_charset")
    return InboundMessage(
        carrier_message_id=carrier_id,
        from_number=sender,
        to_number=recipient,
        text=_decode(fields.get("text", body), encoding),
        carrier_at_ms=_read_second_ms(fields),
        part=_read_part(fields.get("udh", b"")),
    )


def _decode(text: bytes, encoding: str) -> str:
    """Half a character stays what it is: a phone cuts where it must, and the next part may have the other half."""
    try:
        return text.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return text.decode(encoding, "replace")


def _read_part(header: bytes) -> TextPart | None:
    """Which part of a long text it is (3GPP TS 23.040, 9.2.3.24.1 and .8), where Kannel was told not to join them."""
    end = min(1 + header[0], len(header)) if header else 0
    at = 1
    while at + 1 < end:
        kind, value = header[at], header[at + 2 : at + 2 + header[at + 1]]
        if (kind, len(value)) in ((0x00, 3), (0x08, 4)):
            count, number = value[-2:]
            if 1 <= number <= count and count > 1:
                return TextPart(of=value[:-2].hex(), number=number, count=count)
            return None
        at += 2 + header[at + 1]
    return None


def _word(fields: Mapping[str, bytes], name: str) -> str:
    return fields.get(name, b"").decode("utf-8", "replace").strip()


def _read_second_ms(fields: Mapping[str, bytes]) -> int | None:
    digits = fields.get("time", b"")
    return int(digits) * 1000 if re.fullmatch(rb"[0-9]{1,11}", digits) else None


def _read_code(said: str, error_table: str) -> str:
    """`cs:` for a refusal, else the SMSC's own number where its table is known, else `stat:`."""
    if nack := _NACK.search(said):
        return f"cs:0x{nack[1].upper()}"
    if error_table and (err := _ERR.search(said)) and (code := f"{error_table}:{int(err[1])}") in CODES:
        return code
    stat = _STAT.search(said)
    return f"stat:{stat[1].upper()}" if stat else ""


def _meaning_of(code: str) -> CodeMeaning:
    if code.startswith("cs:0x000004"):
        return CODES[_VENDOR_CODES]
    return CODES.get(code, NO_MEANING)


# -- Settings --------------------------------------------------------------------------------------------------------

_MAX_VALIDITY_MIN: Final = 7 * 24 * 60


def _missing(settings: Mapping[str, Any]) -> Iterator[str]:
    for key, cure in (
        ("url", "give the address of smsbox, like http://127.0.0.1:13013/cgi-bin/sendsms"),
        ("username", "it is that of a sendsms-user group in kannel.conf"),
        ("password", "it is that of the sendsms-user group in kannel.conf"),
        ("webhook_secret", "make one, like with `openssl rand -hex 24`, and write it into the URLs in kannel.conf"),
    ):
        if not settings.get(key):
            yield f"{key}: is missing; {cure}"


_NAME: Final = reader_of_text("[!-~]{1,64}", "give it as it stands in kannel.conf", problem="is no name without blanks")
_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "url": read_url,
        "username": _NAME,
        "password": read_secret,
        "webhook_secret": read_url_secret,
        "webhook_secret_secondary": read_url_secret,
        "smsc": _NAME,
        "validity_min": reader_of_number(1, _MAX_VALIDITY_MIN, "minutes"),
        "error_codes": reader_of_word(*ERROR_TABLES),
    }
)


ADAPTER: Final[type[Carrier]] = Kannel
