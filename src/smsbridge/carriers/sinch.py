"""Sinch SMS API (REST, "XMS"): SMS and MMS in batches of one recipient each.

Webhooks are JSON objects, signed over body, nonce and time once Sinch has switched that on for the account. Sends are
JSON with the API token of the service plan. The id of a batch is the id of its one message.

Sinch drops whatever is answered with a 4xx, so nothing here ever is (`refusal`). Where Sinch's pages leave something
open, docs/carriers/sinch.md says what is done either way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote, urlencode

from smsbridge.contracts.carrier import (
    NO_MEANING,
    Abilities,
    AccountUrls,
    Carrier,
    CodeMeaning,
    FindQuery,
    Listed,
    ListQuery,
    Undecided,
    code_rows,
    media_types,
)
from smsbridge.contracts.settings import (
    Reader,
    loopback_hosts,
    read_base_url,
    read_hosts,
    read_secret,
    read_settings,
    reader_of_text,
    reader_of_word,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import CarrierEvent, Ignored, InboundMedia, InboundMessage, Receipt, Unrecognized
from smsbridge.domain.message import OutboundPart
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, SendOutcome, Uncertain
from smsbridge.domain.status import FAILURES, Status
from smsbridge.wire.encoding import Unreadable, list_at, read_json, read_object, text_at, value_at, word_at, write_json
from smsbridge.wire.http import Fetch, Headers, Request, Response, is_at, is_web_address
from smsbridge.wire.signing import base64_text, hmac_digest, is_one_of
from smsbridge.wire.times import read_retry_after_s, read_time_ms, write_time

REGIONS: Final = ("us", "eu", "au", "br", "ca")

# https://developers.sinch.com/docs/mms/bestpractices/
MEDIA_TYPES: Final = media_types(
    {
        "image": "jpeg jpg gif png",
        "video": "mp4 mpeg quicktime 3gpp 3gpp2",
        "audio": "mpeg mp4 mp3 amr 3gpp wav",
        "text": "vcard x-vcard calendar",
        "application": "pdf",
    }
)

# https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/ -- the page writes "Delivered", the
# package "DELIVERED".
STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "queued": Status.SENT,
        "dispatched": Status.SENT,
        "delivered": Status.DELIVERED,
        "failed": Status.UNDELIVERED,
        "expired": Status.UNDELIVERED,
        "deleted": Status.UNDELIVERED,
        "rejected": Status.FAILED,
        "aborted": Status.FAILED,
        "cancelled": Status.FAILED,
        "unknown": Status.SENT,  # it is the last they will say, and no word on the text
    }
)
_BY_WORD: Final[Mapping[str, Cause]] = MappingProxyType({"expired": Cause.EXPIRED})
"""What a failure means whose code is in no table."""

# `rest:` is a code of a delivery report, https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/;
# `smpp-net:` one of a network behind Sinch, in the same field, which
# https://developers.sinch.com/docs/sms/sms-smpp/sms-smpp-error-specification/ lists; `http:` an answer to a request,
# https://developers.sinch.com/docs/sms/api-reference/status-codes/. `retry` only where those say so.
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        # -- Reports -------------------------------------------------------------------------------------------------
        **code_rows(
            Cause.UNREACHABLE,
            {
                "rest:402": "no route to the number",
                "rest:417": "the number cannot be reached by MMS",
            },
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "rest:403": "an error inside Sinch",
                "rest:404": "delivery failed for now",
            },
            retry=True,
        ),
        **code_rows(Cause.EXPIRED, {"rest:406": "it expired before it left Sinch"}),
        **code_rows(
            Cause.BLOCKED,
            {
                "rest:408": "refused inside Sinch",
                "rest:415": "the MMS was refused by the gateway or the network",
            },
        ),
        **code_rows(Cause.SENDER_NOT_OURS, {"rest:410": "no sender was given, and the account has none of its own"}),
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                "rest:411": "more parts than allowed",
            },
        ),
        **code_rows(Cause.PERMISSION_OR_REGION, {"rest:412": "the account is not set up for this region"}),
        **code_rows(Cause.BALANCE, {"rest:413": "the account is blocked, mostly for want of credit"}),
        **code_rows(
            Cause.MEDIA_REJECTED,
            {
                "rest:414": "the picture's address is not valid, or could not be reached",
                "rest:416": "the number takes no MMS",
                "rest:418": "the phone does not know this type of file",
            },
        ),
        **code_rows(
            Cause.UNKNOWN,
            {
                "rest:405": "a parameter of the text had no value for the recipient",
                "rest:407": "cancelled by somebody with access to the account",
            },
        ),
        # -- Answers to requests -------------------------------------------------------------------------------------
        **code_rows(Cause.AUTH, {"http:401": "the API token is wrong, or of another service plan"}),
        **code_rows(Cause.SENDER_MISMATCH, {"http:403 unknown_campaign": "the campaign does not fit the sender"}),
        **code_rows(Cause.RATE_LIMITED, {"http:429": "too many requests at a time"}, retry=True),
        # Both may have taken it: what becomes of it is asked for, and nothing is sent again because of them.
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "http:500": "an error inside Sinch",
                "http:503": "Sinch is not available",
            },
        ),
        **code_rows(
            Cause.UNKNOWN,
            {
                # A fault in this file or in the account's settings; the text beside it says which field.
                "http:400 syntax_invalid_json": "the request is no JSON",
                "http:400 syntax_invalid_parameter_format": "a field is malformed, mostly a number",
                "http:400 syntax_constraint_violation": "a field is missing, or out of its limits",
                "http:403 unknown_group": "the group does not exist",
                "http:403 missing_callback_url": "reports were asked for and the service plan has no address for them",
            },
        ),
        # -- Networks: routing and screening ---------------------------------------------------------------------
        **code_rows(
            Cause.UNREACHABLE,
            {
                "smpp-net:1": "no route inside Sinch (1)",
                "smpp-net:2": "no route inside Sinch (2)",
                "smpp-net:3": "no route inside Sinch (3)",
                "smpp-net:5": "no route inside Sinch (5)",
                "smpp-net:6": "no route inside Sinch (6)",
                "smpp-net:7": "no route inside Sinch (7)",
                "smpp-net:8": "no route inside Sinch (8)",
                "smpp-net:9": "the numbering plan is not supported",
                "smpp-net:10": "the type of number is not supported",
                "smpp-net:11": "not delivered, without a reason",
                "smpp-net:12": "no dialling zone has this number",
                "smpp-net:13": "the phone is abroad, and it is not allowed to ask where",
                "smpp-net:17": "the kind of network that the number is in is not known",
                "smpp-net:100": "the carrier's centre does not know the subscriber",
                "smpp-net:110": "refused by the carrier's centre",
                "smpp-net:150": "the home network does not know the subscriber",
                "smpp-net:160": "refused by the home network",
                "smpp-net:213": "refused by the switch",
                "smpp-net:300": "the number is not valid",
                "smpp-net:301": "the number's numbering plan is not valid",
                "smpp-net:302": "the number's type is not valid",
                "smpp-net:303": "the number's flag is not valid",
                "smpp-net:304": "the number of recipients is not valid",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {
                "smpp-net:14": "the phone is abroad, and where could not be learnt",
                "smpp-net:109": "the subscriber is not one of this centre",
                "smpp-net:111": "cancelled in the carrier's centre",
                "smpp-net:112": "broken off in the carrier's centre",
                "smpp-net:153": "the phone is off or out of reach",
                "smpp-net:158": "the memory of the phone is full, says the home network",
                "smpp-net:159": "the phone cannot be reached",
                "smpp-net:161": "cancelled in the home network",
                "smpp-net:162": "broken off in the home network",
                "smpp-net:200": "the switch does not know the subscriber",
                "smpp-net:201": "the phone has signed off",
                "smpp-net:202": "the phone does not answer",
                "smpp-net:203": "the phone is busy with another text",
                "smpp-net:210": "the memory of the phone is full",
                "smpp-net:214": "cancelled in the switch",
                "smpp-net:215": "broken off in the switch",
            },
            retry=True,
        ),
        **code_rows(
            Cause.FILTERED,
            {
                "smpp-net:15": "screened as spam",
                "smpp-net:62": "a word that is blocked",
                "smpp-net:65": "a loop of the same text",
            },
        ),
        **code_rows(
            Cause.BLOCKED,
            {
                "smpp-net:16": "the subscriber is blocked",
                "smpp-net:19": "where it comes from does not fit its sender",
                "smpp-net:61": "the number is blocked",
                "smpp-net:63": "the carrier's centre is blocked",
                "smpp-net:151": "the subscriber is barred",
                "smpp-net:205": "the subscriber is not allowed",
                "smpp-net:206": "the phone is not allowed",
                "smpp-net:250": "personal barring at the sender's side (250)",
                "smpp-net:251": "personal barring at the sender's side (251)",
                "smpp-net:252": "operator barring at the sender's side (252)",
                "smpp-net:253": "operator barring at the sender's side (253)",
                "smpp-net:254": "personal barring at the recipient's side (254)",
                "smpp-net:255": "personal barring at the recipient's side (255)",
                "smpp-net:256": "operator barring at the recipient's side (256)",
                "smpp-net:257": "operator barring at the recipient's side (257)",
                "smpp-net:320": "the receiver refused it for good",
                "smpp-net:321": "the receiver refused it",
            },
        ),
        **code_rows(Cause.SENDER_NOT_REGISTERED, {"smpp-net:60": "the sender, or its campaign, is blocked"}),
        **code_rows(
            Cause.SENDER_MISMATCH,
            {
                "smpp-net:108": "the address of the sender is not valid at the carrier's centre",
                "smpp-net:310": "the sender is not valid",
                "smpp-net:311": "the sender's numbering plan is not valid",
                "smpp-net:312": "the sender's type of number is not valid",
            },
        ),
        **code_rows(Cause.RATE_LIMITED, {"smpp-net:64": "blocked: the quota is used up"}),
        **code_rows(Cause.RATE_LIMITED, {"smpp-net:107": "the carrier's centre is congested"}, retry=True),
        **code_rows(Cause.QUEUE_FULL, {"smpp-net:360": "the queue of messages is full"}, retry=True),
        # -- Networks: what the number or the text is ------------------------------------------------------------
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "smpp-net:152": "the subscriber has no texts",
                "smpp-net:154": "the home network does not support texts to this number",
                "smpp-net:204": "the switch does not support texts to this number",
            },
        ),
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "smpp-net:101": "the carrier's centre does not support texts to this number",
                "smpp-net:212": "the phone has no texts",
            },
            retry=True,
        ),
        **code_rows(
            Cause.CONTENT_REJECTED,
            {
                "smpp-net:66": "the encoding of the text is blocked",
                "smpp-net:67": "an element of the text's header is blocked",
                "smpp-net:342": "the class of the message is not valid",
                "smpp-net:343": "the length is not valid",
                "smpp-net:346": "the predefined message is not valid",
            },
        ),
        # -- Networks: faults that pass --------------------------------------------------------------------------
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "smpp-net:4": "no route inside Sinch for now",
                "smpp-net:18": "an error of the receiving system",
                "smpp-net:40": "an error inside Sinch (40)",
                "smpp-net:50": "an error inside Sinch (50)",
                "smpp-net:51": "an error inside Sinch (51)",
                "smpp-net:52": "an error inside Sinch (52)",
                "smpp-net:56": "an error inside Sinch (56)",
                "smpp-net:70": "an error of the receiving system (70)",
                "smpp-net:71": "an error of the receiving system (71)",
                "smpp-net:73": "an error of the receiving system (73)",
                "smpp-net:74": "an error of the receiving system (74)",
                "smpp-net:75": "an error of the receiving system (75)",
                "smpp-net:76": "an error of the receiving system (76)",
                "smpp-net:102": "the carrier's centre failed",
                "smpp-net:106": "the address of the carrier's centre is not known",
                "smpp-net:114": "an error of the carrier's centre without a name",
                "smpp-net:155": "the home network failed",
                "smpp-net:164": "an error of the home network without a name",
                "smpp-net:207": "the switch failed",
                "smpp-net:211": "the phone broke the protocol",
                "smpp-net:217": "an error of the switch without a name",
                "smpp-net:322": "the receiver failed for now",
                "smpp-net:350": "the report that was asked for is not valid",
                "smpp-net:361": "an error outside of Sinch (361)",
                "smpp-net:362": "an error outside of Sinch (362)",
                "smpp-net:370": "something could not be found outside of Sinch",
                "smpp-net:399": "an error outside of Sinch without a name",
            },
            retry=True,
        ),
        # -- Networks: without a reason, or about the protocol between them --------------------------------------
        **code_rows(Cause.UNKNOWN, {"smpp-net:0": "no error, or one without a name"}, retry=True),
        **code_rows(
            Cause.UNKNOWN,
            {
                "smpp-net:53": "an error inside Sinch (53)",
                "smpp-net:54": "an error inside Sinch (54)",
                "smpp-net:55": "an error inside Sinch (55)",
                "smpp-net:72": "an error of the receiving system (72)",
                "smpp-net:77": "asking for the subscriber is blocked",
                "smpp-net:103": "the carrier's centre did not expect a value",
                "smpp-net:104": "the carrier's centre missed a value",
                "smpp-net:105": "the phone broke the protocol, says the carrier's centre",
                "smpp-net:113": "an exception in the carrier's centre",
                "smpp-net:156": "the home network did not expect a value",
                "smpp-net:157": "the home network missed a value",
                "smpp-net:163": "an exception in the home network",
                "smpp-net:208": "the switch did not expect a value",
                "smpp-net:209": "the switch missed a value",
                "smpp-net:216": "an exception in the switch",
                "smpp-net:330": "the length of the command is not valid",
                "smpp-net:331": "the type of service is not valid",
                "smpp-net:332": "the operation is not valid",
                "smpp-net:333": "the operation is not allowed",
                "smpp-net:334": "a parameter is not valid",
                "smpp-net:335": "a parameter is not allowed",
                "smpp-net:336": "the length of a parameter is not valid",
                "smpp-net:337": "an optional parameter is not valid",
                "smpp-net:338": "an optional parameter is missing",
                "smpp-net:339": "the validity is not valid",
                "smpp-net:340": "the time of a scheduled delivery is not valid",
                "smpp-net:341": "the list of recipients is not valid",
                "smpp-net:344": "the reference is not valid",
                "smpp-net:345": "the number of messages is not valid",
                "smpp-net:347": "the priority is not valid",
                "smpp-net:348": "the flag for replacing is not valid",
                "smpp-net:349": "the request failed",
            },
        ),
    }
)

# What a refusal without a code that we know means, by its HTTP status. 408 is missing on purpose: a gateway may say it
# after the request went through.
_BY_HTTP_STATUS: Final[Mapping[int, CodeMeaning]] = MappingProxyType(
    {
        402: CodeMeaning(cause=Cause.BALANCE, meaning="payment is due"),
        403: CodeMeaning(cause=Cause.AUTH, meaning="the service plan may not do this"),
        404: CodeMeaning(cause=Cause.AUTH, meaning="there is no such service plan in this region"),
        413: CodeMeaning(cause=Cause.CONTENT_REJECTED, meaning="the request is too large"),
    }
)

_SIGNATURE: Final = "X-Sinch-Webhook-Signature"
_NONCE: Final = "X-Sinch-Webhook-Signature-Nonce"
_TIMESTAMP: Final = "X-Sinch-Webhook-Signature-Timestamp"

_PUSHES_FOR_MS: Final = 81_920_000
"""22 hours and three quarters. https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks/"""
_OLDEST_MS: Final = 2 * 86_400_000
"""No page says whether a repeat is signed anew: a signature holds for longer than Sinch goes on repeating."""
_AHEAD_MS: Final = 300_000
_LONGEST_VALIDITY_S: Final = 3 * 86_400
_PAGE_SIZE: Final = 100
_FIND_SLACK_MS: Final = 5_000
"""Sinch's clock is not ours."""
_MAX_EVIDENCE_CHARS: Final = 500

_REFUSAL: Final = Response(
    status=503,
    headers=Headers([("Content-Type", "text/plain; charset=utf-8")]),
    body=b"The signature did not match.\n",
)
_TAKEN: Final = Response(status=200)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sinch(Carrier):
    """One service plan of the SMS API. docs/carriers/sinch.md explains each setting."""

    name: ClassVar[str] = "sinch"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=1600,
        media=True,
        max_media=1,
        max_media_bytes=1_000_000,
        media_types=MEDIA_TYPES,
        find=True,
        fetch_status=True,
        listing="texts",
        pushes_for_ms=_PUSHES_FOR_MS,
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    refusal: ClassVar[Response] = _REFUSAL

    service_plan_id: str
    api_token: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_secret_secondary: str = field(default="", repr=False)
    """The other secret while one replaces the other: webhooks may be signed with either."""
    region: str = "us"
    api_url: str = ""
    media_hosts: tuple[str, ...] = ()

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:  # noqa: ARG003 -- set at Sinch
        made, problems = read_settings(settings, _READERS)
        problems += [f"{key}: is missing; {cure}" for key, cure in _NEEDED.items() if not settings.get(key)]
        if problems:
            raise ValueError("\n".join(problems))
        made.setdefault("api_url", f"https://{made.get('region', 'us')}.sms.api.sinch.com")
        return cls(**made)

    def write_setup(self, webhook: str) -> Sequence[str]:
        return (
            f"Sinch dashboard, SMS, the service plan {self.service_plan_id}: set 'callback URL' to {webhook}",
            "Ask your account manager to sign the callbacks of the plan with webhook_secret; unsigned ones are refused",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:
        """https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks/

        Base64 of HMAC-SHA256 over `<body>.<nonce>.<timestamp>`. The URL is not covered. A repeat within the time is
        told by its id.
        """
        given, nonce, timestamp = (request.headers.get(name) for name in (_SIGNATURE, _NONCE, _TIMESTAMP))
        missing = [name for name in (_SIGNATURE, _NONCE, _TIMESTAMP) if not request.headers.get(name)]
        if missing:
            raise BadSignature(
                f"The request has no {missing[0]} header.",
                hint="Sinch signs only once your account manager has switched it on for the service plan.",
            )
        signed = request.body + f".{nonce}.{timestamp}".encode("utf-8", "surrogatepass")
        secrets = [secret for secret in (self.webhook_secret, self.webhook_secret_secondary) if secret]
        if not is_one_of(given, [base64_text(hmac_digest("sha256", each.encode(), signed)) for each in secrets]):
            raise BadSignature(
                f"{_SIGNATURE} does not fit the body of {len(request.body)} bytes and any of {len(secrets)} secrets."
            )
        # Whatever else it may be than seconds, it is signed.
        if re.fullmatch(r"[0-9]{1,11}", timestamp):
            age_ms = now_ms - int(timestamp) * 1000
            if not -_AHEAD_MS <= age_ms <= _OLDEST_MS:
                raise BadSignature(
                    f"{_TIMESTAMP} is {abs(age_ms) // 1000} s {'ago' if age_ms > 0 else 'ahead'}.",
                    hint="Look at the clock of this machine.",
                )

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """A text, or a report on one of ours. https://developers.sinch.com/docs/sms/api-reference/sms/tag/Webhooks/"""
        posted = read_json(request.body)
        if not isinstance(posted, dict):
            raise Unreadable("not a JSON object")
        kind = text_at(posted, "type")
        if kind in ("recipient_delivery_report_sms", "recipient_delivery_report_mms"):
            return [_read_report(posted)]
        if kind in ("delivery_report_sms", "delivery_report_mms"):
            return _read_summary(posted)
        if kind in _INBOUND:
            text = _read_inbound(posted)
            return [Unrecognized(reason=_why_no_text(posted)) if text is None else text]
        return [Unrecognized(reason="unknown_type")]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- they want a 2xx, nothing else
        return _TAKEN

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """https://developers.sinch.com/docs/sms/api-reference/sms/tag/Batches/#tag/Batches/operation/SendSMS

        Reports go to the address of the service plan: one that is named here is not signed for.
        """
        body: dict[str, Any] = {"from": part.sender, "to": [part.to]}
        if part.media_urls:
            message = {"message": part.text} if part.text else {}
            body |= {"type": "mt_media", "body": {"url": part.media_urls[0], **message}}
        else:
            body |= {"type": "mt_text", "body": part.text}
        body |= {"delivery_report": "per_recipient", "client_reference": part.ref}
        if part.validity_s is not None:
            validity_s = min(max(part.validity_s, 1), _LONGEST_VALIDITY_S)
            body["expire_at"] = write_time(part.at_ms + validity_s * 1000)
        return Request(
            method="POST",
            url=f"{self._plan_url}/batches",
            headers=self._headers(("Content-Type", "application/json")),
            body=write_json(body),
        )

    def read_send(self, response: Response) -> SendOutcome:
        answer = read_object(response.body)
        if response.ok:
            batch_id = text_at(answer, "id")
            if not batch_id:
                reason = f"Sinch answered HTTP {response.status} without a batch"
                return Uncertain(reason=reason, evidence=_evidence("", "", response.status))
            return Accepted(carrier_message_id=batch_id, evidence=_evidence("", "accepted", response.status))
        code = _code_of_answer(response.status, text_at(answer, "code"))
        evidence = _evidence(code, text_at(answer, "text"), response.status)
        if not 400 <= response.status < 500 or response.status == 408:
            return Uncertain(reason=f"Sinch answered HTTP {response.status}", evidence=evidence)
        meaning = CODES.get(code) or _BY_HTTP_STATUS.get(response.status, NO_MEANING)
        if meaning.retry:
            after_s = read_retry_after_s(response.headers)
            return RetryLater(cause=meaning.cause, after_s=after_s, about=meaning.about, evidence=evidence)
        return Rejected(cause=meaning.cause, evidence=evidence)

    # -- Media -------------------------------------------------------------------------------------------------------

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """https://developers.sinch.com/docs/sms/api-reference/sms/tag/Inbounds/ -- a bucket of Amazon's, whose own the
        URL is. It is fetched without credentials: the API token is nobody's business there."""
        address = _ORIGIN.match(media.url)
        host = address["host"] if address else ""
        is_ours = is_web_address(media.url) and (_BUCKET.fullmatch(host) or is_at(media.url, self.media_hosts))
        if not is_ours and host not in loopback_hosts(self.media_hosts):
            raise ValueError("The media URL is neither in a bucket nor at one of media_hosts.")
        return Fetch(
            request=Request(method="GET", url=media.url, headers=Headers([("Accept", "*/*")])),
            hosts=tuple(dict.fromkeys((host, *self.media_hosts))),
            credentials_hosts=(),
            private_hosts=loopback_hosts(self.media_hosts),
        )

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_find(self, query: FindQuery) -> Request:
        """https://developers.sinch.com/docs/sms/api-reference/sms/tag/Batches/#tag/Batches/operation/ListBatches"""
        filters = {
            "client_reference": query.ref,
            "start_date": write_time(query.sent_after_ms - _FIND_SLACK_MS),
            "page_size": str(_PAGE_SIZE),
        }
        return self._get(f"batches?{urlencode(filters)}")

    def read_find(self, query: FindQuery, response: Response) -> Receipt | None:
        answer, listed = _read_page(response, "batches")
        same = [batch for batch in listed if text_at(batch, "client_reference") == query.ref and text_at(batch, "id")]
        if len(same) > 1:
            raise Undecided(f"Sinch has {len(same)} batches with our reference.")
        if same:
            return _read_batch(same[0], query.ref)
        if _has_more(answer, listed, page=0):
            raise LookupError("Sinch lists more batches than one page holds, as if it did not look at our reference.")
        return None

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        """https://developers.sinch.com/docs/sms/api-reference/sms/tag/Delivery-reports/"""
        return self._get(f"batches/{quote(carrier_message_id, safe='')}/delivery_report?type=full")

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        report = read_object(response.body) if response.ok else {}
        receipts = [event for event in _read_summary(report) if isinstance(event, Receipt)]
        return receipts[0] if len(receipts) == 1 and text_at(report, "batch_id") == carrier_message_id else None

    def write_list(self, query: ListQuery) -> Request:
        """https://developers.sinch.com/docs/sms/api-reference/sms/tag/Inbounds/#tag/Inbounds/operation/ListInboundMessages

        Of all our numbers: no page says whether `to` is compared with its plus or without, and a filter that fits
        nothing would look like a quiet day.
        """
        filters = {
            "start_date": write_time(query.since_ms),
            "end_date": write_time(query.until_ms),
            "page": query.page or "0",
            "page_size": str(_PAGE_SIZE),
        }
        return self._get(f"inbounds?{urlencode(filters)}")

    def read_list(self, query: ListQuery, response: Response) -> Listed:
        answer, listed = _read_page(response, "inbounds")
        page = int(query.page) if query.page.isdecimal() else 0
        ours = [entry for entry in listed if text_at(entry, "to").lstrip("+") in ("", query.to.lstrip("+"))]
        texts = [text for entry in ours if (text := _read_inbound(entry)) is not None]
        return Listed(
            events=tuple(texts),
            next_page=str(page + 1) if _has_more(answer, listed, page=page) else "",
            unreadable=len(ours) - len(texts),
        )

    def write_list_media(self, text: InboundMessage) -> Request:
        """The list tells all of a text. What it told of an attachment that had failed may have become better since."""
        return self._get(f"inbounds/{quote(text.carrier_message_id, safe='')}")

    def read_list_media(self, text: InboundMessage, response: Response) -> InboundMessage:
        if response.status == 404:
            return text
        again = _read_inbound(read_object(response.body)) if response.ok else None
        if again is None or again.carrier_message_id != text.carrier_message_id:
            raise LookupError(f"Sinch answered HTTP {response.status}, and not with this text.")
        return replace(text, media=again.media, media_missing=again.media_missing)

    # -- Private -----------------------------------------------------------------------------------------------------

    @property
    def _plan_url(self) -> str:
        return f"{self.api_url}/xms/v1/{self.service_plan_id}"

    def _get(self, path: str) -> Request:
        return Request(method="GET", url=f"{self._plan_url}/{path}", headers=self._headers())

    def _headers(self, *more: tuple[str, str]) -> Headers:
        return Headers([("Authorization", f"Bearer {self.api_token}"), ("Accept", "application/json"), *more])


# -- Reading webhooks ------------------------------------------------------------------------------------------------

_INBOUND: Final = frozenset({"mo_text", "mo_media", "mo_binary"})


def _read_inbound(text: object) -> InboundMessage | None:
    """None for what cannot be shown as a text. The numbers are without a plus."""
    kind, body = text_at(text, "type"), value_at(text, "body")
    if _why_no_text(text) or kind not in ("mo_text", "mo_media"):
        return None
    listed = list_at(body, "media")
    media = tuple(
        InboundMedia(url=text_at(item, "url"), content_type=text_at(item, "content_type"))
        for item in listed
        if text_at(item, "url") and text_at(item, "status").lower() != "failed"
    )
    words = [body] if isinstance(body, str) else [text_at(body, "subject"), text_at(body, "message")]
    return InboundMessage(
        carrier_message_id=text_at(text, "id"),
        from_number=text_at(text, "from"),
        to_number=text_at(text, "to"),
        text="\n".join(filter(None, words)),
        media=media,
        media_missing=len(listed) - len(media),
        carrier_at_ms=read_time_ms(text_at(text, "received_at")),
    )


def _why_no_text(text: object) -> str:
    if not text_at(text, "id"):
        return "no_message_id"
    if not text_at(text, "to"):
        return "no_recipient"
    return "binary" if text_at(text, "type") == "mo_binary" else ""


def _read_report(report: Mapping[str, Any]) -> CarrierEvent:
    return _read_status(report, report, text_at(report, "recipient"))


def _read_summary(report: Mapping[str, Any]) -> list[CarrierEvent]:
    """What became of a whole batch, a line for each status. One of ours has one recipient, so one line."""
    listed = list_at(report, "statuses")
    if value_at(report, "total_message_count") != 1 or len(listed) != 1:
        return [Ignored(reason="batch_of_several") for _ in listed] or [Unrecognized(reason="no_status")]
    return [_read_status(report, each, next(iter(list_at(each, "recipients")), "")) for each in listed]


def _read_status(report: Mapping[str, Any], told: object, recipient: object) -> CarrierEvent:
    batch_id, word = text_at(report, "batch_id"), text_at(told, "status").lower()
    status = STATUSES.get(word)
    if not batch_id or status is None:
        return Unrecognized(reason="no_batch_id" if not batch_id else "unknown_status")
    code = _code_of_report(word_at(told, "code"))
    at = text_at(report, "at")
    failed = status in FAILURES
    return Receipt(
        carrier_message_id=batch_id,
        status=status,
        part_ref=text_at(report, "client_reference"),
        key=f"{batch_id}:{recipient if isinstance(recipient, str) else ''}:{word}:{code}:{at}",
        cause=_cause_of(code, word) if failed else None,
        evidence=_evidence(code if failed else "", word),
        carrier_at_ms=read_time_ms(text_at(report, "operator_status_at") or at),
    )


def _cause_of(code: str, word: str) -> Cause:
    cause = CODES.get(code, NO_MEANING).cause
    return _BY_WORD.get(word, cause) if cause is Cause.UNKNOWN else cause


def _code_of_report(code: str) -> str:
    """As the table has it: the codes of the API and those of the networks stand in the same field."""
    if not re.fullmatch(r"[0-9]{1,6}", code):
        return ""
    return f"{'rest' if _REST_CODES.fullmatch(code) else 'smpp-net'}:{int(code)}"


def _code_of_answer(status: int, word: str) -> str:
    """`http:400 syntax_invalid_json`, or its status alone where that is how the table has it."""
    with_word = f"http:{status} {word}"
    if with_word in CODES or f"http:{status}" not in CODES:
        return with_word if word else ""
    return f"http:{status}"


_REST_CODES: Final = re.compile(r"4[0-9][0-9]")


# -- Reading answers -------------------------------------------------------------------------------------------------


def _read_page(response: Response, name: str) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """A page of a list and its entries. Raises LookupError for whatever else."""
    if response.status != 200:
        raise LookupError(f"Sinch answered HTTP {response.status}.")
    answer = read_object(response.body)
    # An empty page may have a count alone.
    listed = answer.get(name, [] if answer.get("count") == 0 else None)
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise LookupError(f"Sinch's answer is not a list of {name}.")
    return answer, listed


def _has_more(answer: Mapping[str, Any], listed: Sequence[object], *, page: int) -> bool:
    """By the count of all, and where there is none, by whether the page is full."""
    count = answer.get("count")
    if isinstance(count, int) and not isinstance(count, bool):
        return bool(listed) and page * _PAGE_SIZE + len(listed) < count
    return len(listed) >= _PAGE_SIZE


def _read_batch(batch: Mapping[str, Any], part_ref: str) -> Receipt:
    is_cancelled = value_at(batch, "canceled") is True
    return Receipt(
        carrier_message_id=text_at(batch, "id"),
        status=Status.FAILED if is_cancelled else Status.SENT,
        part_ref=part_ref,
        cause=CODES["rest:407"].cause if is_cancelled else None,
        evidence=_evidence("rest:407", "canceled") if is_cancelled else _evidence("", "listed"),
    )


def _evidence(code: str, text: str, http_status: int | None = None) -> Evidence:
    return Evidence(code=code, text=text[:_MAX_EVIDENCE_CHARS], http_status=http_status)


# -- Addresses and settings ------------------------------------------------------------------------------------------

_ORIGIN: Final = re.compile(r"https?://(?P<host>[A-Za-z0-9.-]+(:[0-9]{1,5})?)(?=/)")
_BUCKET: Final = re.compile(r"([a-z0-9][a-z0-9.-]*\.)?s3([.-][a-z]{2}(-[a-z]+)+-[0-9])?\.amazonaws\.com")


_NEEDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "service_plan_id": "it is the id of the service plan, as the Sinch dashboard shows it under SMS, APIs",
        "api_token": "give the API token that stands beside the service plan",
        "webhook_secret": "give the secret that Sinch signs with; your account manager switches it on",
    }
)


_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "service_plan_id": reader_of_text("[A-Za-z0-9_-]{1,64}", _NEEDED["service_plan_id"]),
        "api_token": read_secret,
        "webhook_secret": read_secret,
        "webhook_secret_secondary": read_secret,
        "region": reader_of_word(*REGIONS),
        "api_url": read_base_url,
        "media_hosts": read_hosts,
    }
)


ADAPTER: Final[type[Carrier]] = Sinch
