"""Plivo Messaging API v1: SMS and MMS.

Webhooks are forms (or GET requests, if the application at Plivo says so), signed with HMAC-SHA256 over a nonce and,
with V3, over URL and parameters; with V2 over the URL without its query, and over nothing else. Sends are JSON. A
refused send has no code, only words.

Where Plivo's pages leave something open, docs/carriers/plivo.md says what is done either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote, unquote, urlsplit

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
)
from smsbridge.contracts.media import write_guarded_fetch
from smsbridge.contracts.settings import (
    Reader,
    read_base_url,
    read_hosts,
    read_secret,
    read_settings,
    read_switch,
    reader_of_number,
    reader_of_text,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import (
    CarrierEvent,
    Ignored,
    InboundMedia,
    InboundMessage,
    OptOutKind,
    Receipt,
    Unrecognized,
    Withheld,
)
from smsbridge.domain.lookup import looked_up
from smsbridge.domain.message import Capability, OutboundPart, SmsCapable
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, SendOutcome, Uncertain
from smsbridge.domain.status import FAILURES, Status
from smsbridge.wire.encoding import (
    Unreadable,
    list_at,
    read_form,
    read_object,
    text_at,
    value_at,
    word_at,
    write_form,
    write_json,
)
from smsbridge.wire.http import (
    NO_HEADERS,
    NOT_PROVEN,
    Fetch,
    Headers,
    Request,
    Response,
)
from smsbridge.wire.signing import base64_text, basic_authorization, hmac_digest, is_one_of
from smsbridge.wire.times import read_retry_after_s, read_time_ms, write_time

API_URL: Final = "https://api.plivo.com"
LOOKUP_URL: Final = "https://lookup.plivo.com"
MEDIA_HOSTS: Final = ("*.plivo.com",)

# https://www.plivo.com/docs/messaging/api/media
MEDIA_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "video/mp4", "application/pdf", "text/plain"})

# https://docs.plivo.com/docs/messaging/api/message/message-status-callbacks
STATUSES: Final[Mapping[str, Status]] = MappingProxyType(
    {
        "queued": Status.SENT,
        "sent": Status.SENT,
        "delivered": Status.DELIVERED,
        "read": Status.DELIVERED,
        "undelivered": Status.UNDELIVERED,
        "failed": Status.FAILED,
        "rejected": Status.FAILED,  # of old
    }
)

# https://docs.plivo.com/docs/messaging/api/message/handling-incoming
_OPT_OUTS: Final[Mapping[str, OptOutKind]] = MappingProxyType(
    {"optout": OptOutKind.STOP, "optin": OptOutKind.START, "help": OptOutKind.HELP}
)
_ONLY_IN_TEXTS: Final = frozenset({"Text", "Body", "MediaCount", "MessageIntent"})
_MEDIA_NAME: Final = re.compile("Media([0-9]{1,2})")

# https://www.plivo.com/docs/lookup/api/lookup-phone-number
# Nothing there says "can take texts"; this is what the kind of line suggests.
_LINE_TYPES: Final[Mapping[str, tuple[str, SmsCapable]]] = MappingProxyType(
    {
        "mobile": ("mobile", SmsCapable.YES),
        "voip": ("voip", SmsCapable.UNKNOWN),
        "toll-free": ("toll_free", SmsCapable.UNKNOWN),
        "unknown": ("unknown", SmsCapable.UNKNOWN),
        "fixed": ("landline", SmsCapable.NO),
        "landline": ("landline", SmsCapable.NO),
    }
)
_NO_SUCH_NUMBER: Final = "20404"

# https://plivo.com/docs/messaging/troubleshooting/error-codes, and the HTTP statuses of a refused send
# https://docs.plivo.com/docs/messaging/api/response
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        **code_rows(Cause.SENDER_NOT_OURS, {"40": "the sender is not valid, not ours, or cannot send texts"}),
        **code_rows(
            Cause.NOT_MOBILE,
            {
                "50": "the recipient is not valid, a landline, or takes no texts",
                "100": "the recipient's network has no texts",
            },
        ),
        **code_rows(
            Cause.UNREACHABLE,
            {"70": "the recipient cannot be reached any more", "90": "there is no way to the recipient"},
        ),
        **code_rows(Cause.UNREACHABLE, {"80": "the recipient cannot be reached at present"}, retry=True),
        **code_rows(Cause.EXPIRED, {"420": "waited in the queue at Plivo for three hours"}),
        **code_rows(Cause.FILTERED, {"30": "taken for spam"}),
        **code_rows(Cause.BLOCKED, {"60": "a loop of messages"}),
        **code_rows(Cause.OPTED_OUT, {"200": "the recipient said STOP"}),
        **code_rows(Cause.CONTENT_REJECTED, {"10": "the carrier does not take the message", "110": "too long"}),
        **code_rows(Cause.RATE_LIMITED, {"http:429": "too many requests"}, retry=True),
        **code_rows(Cause.AUTH, {"910": "the account is disabled", "http:401": "the credentials were refused"}),
        **code_rows(Cause.BALANCE, {"900": "the account has no credit"}),
        **code_rows(
            Cause.PERMISSION_OR_REGION,
            {
                "201": "from a toll-free number of the US to Canada is not allowed",
                "450": "the recipient's country is barred by the account's Geo Permissions",
                "http:403": "the account may not do this, or not to this country",
            },
        ),
        **code_rows(
            Cause.CARRIER_OUTAGE,
            {
                "20": "the carrier's network is in trouble",
                "300": "could not be handed over",
                "http:500": "an error at Plivo",
            },
            retry=True,
        ),
        **code_rows(Cause.UNKNOWN, {"1000": "no reason was given", "http:400": "a parameter is missing or not valid"}),
    }
)
_BALANCE: Final = CodeMeaning(cause=Cause.BALANCE, meaning="payment is due")

# What a 400 is about can be told from its words alone, and no page lists them. The first that fits counts.
_WORDS: Final[Sequence[tuple[re.Pattern[str], Cause]]] = (
    (re.compile(r"credit|balance", re.IGNORECASE), Cause.BALANCE),
    (re.compile(r"\bsrc\b|source|sender|powerpack", re.IGNORECASE), Cause.SENDER_NOT_OURS),
    (re.compile(r"\bdst\b|destination|valid phone number", re.IGNORECASE), Cause.INVALID_NUMBER),
    (re.compile(r"media|\bmms\b", re.IGNORECASE), Cause.MEDIA_REJECTED),
    (re.compile(r"\btext\b|too long|content", re.IGNORECASE), Cause.CONTENT_REJECTED),
)

_FORM: Final = "application/x-www-form-urlencoded"
_SCHEMES: Final = ("V3", "V2")
_LIST_PAGE_SIZE: Final = 20
"""As many as there can be."""
_FIND_SLACK_MS: Final = 5_000
_MAX_MEDIA: Final = 100
"""More attachments than any message has: what a webhook claims beyond it is not looked for."""
_EXPIRY_S: Final = range(5, 10_801)

_Pairs = tuple[tuple[str, str], ...]

_OK: Final = Response(status=200)
"""With a body it would be read as XML, by which a text can be answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plivo(Carrier):
    """One Plivo account or subaccount. docs/carriers/plivo.md explains each setting."""

    name: ClassVar[str] = "plivo"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=737,  # 1600 of GSM-7; this fits whatever the characters are
        media=True,
        max_media=10,
        max_media_bytes=5_000_000,
        media_types=MEDIA_TYPES,
        lookup=True,
        find=True,
        fetch_status=True,
        answers_stop=True,
        listing="ids",
        pushes_for_ms=480_000,  # three repeats, the last after seven minutes
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = CODES
    refusal: ClassVar[Response] = NOT_PROVEN

    auth_id: str
    auth_token: str = field(repr=False)
    auth_token_secondary: str = field(default="", repr=False)
    """The other token while one replaces the other: webhooks may be signed with either."""
    v3_only: bool = False
    powerpack_uuid: str = ""
    message_expiry_s: int | None = None
    media_credentials: bool = True
    media_hosts: tuple[str, ...] = ()
    api_url: str = API_URL
    lookup_url: str = LOOKUP_URL
    webhook: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        made, problems = read_settings(settings, _READERS)
        problems += [f"{key}: is missing; {cure}" for key, cure in _REQUIRED.items() if not settings.get(key)]
        if problems:
            raise ValueError("\n".join(problems))
        if "api_url" in made:
            made.setdefault("lookup_url", made["api_url"])
        return cls(**made, webhook=urls.webhook)

    def write_setup(self, webhook: str) -> Sequence[str]:
        return (
            f"console.plivo.com, Messaging, Applications: set 'Message URL' to {webhook}, method POST",
            "'Phone Numbers', 'Your Numbers': give every number that application; receipts need nothing",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:  # noqa: ARG002 -- Plivo signs no time
        """https://docs.plivo.com/docs/messaging/concepts/signature-validation

        `-Ma-` is made with the token of the main account, the other with that of the account that owns the number.
        Where V3 is there it alone counts. A repeat is told by its message id.
        """
        scheme = next((each for each in _SCHEMES if _signatures(request, each)), None)
        if scheme is None:
            raise BadSignature("The request has no X-Plivo-Signature-V3 and no X-Plivo-Signature-V2 header.")
        if scheme != "V3" and self.v3_only:
            raise BadSignature("The request is signed with V2 alone, which v3_only does not take.")
        nonce = request.headers.get(f"X-Plivo-Signature-{scheme}-Nonce")
        signed = f"{_v3_text(request)}.{nonce}" if scheme == "V3" else request.url.partition("?")[0] + nonce
        tokens = [token for token in (self.auth_token, self.auth_token_secondary) if token]
        made = [
            base64_text(hmac_digest("sha256", token.encode(), signed.encode("utf-8", "surrogatepass")))
            for token in tokens
        ]
        if not nonce or not any([is_one_of(given, made) for given in _signatures(request, scheme)]):  # noqa: C419
            shown = request.url.partition("?")[0][:200].encode("ascii", "replace").decode()
            raise BadSignature(
                f"X-Plivo-Signature-{scheme} does not fit {request.method[:10]} {shown}"
                f" and any of {len(tokens)} tokens.",
                hint="The URL has to be the one that stands at Plivo, to the letter.",
            )

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        """A text or a receipt; Plivo never posts more than one in a request."""
        if request.method == "GET":
            pairs = read_form(request.url.partition("?")[2])
        elif request.content_type in (_FORM, ""):
            pairs = read_form(request.body)
        else:
            raise Unreadable("not a form")
        return [self._read_fields(dict(reversed(pairs)), request.url)]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- they read the status alone
        return _OK

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        """https://docs.plivo.com/docs/messaging/api/message/send-a-message

        Our reference stands in the path of the callback's URL, for V2 signs that and no query.
        """
        fields: dict[str, Any] = (
            {"powerpack_uuid": self.powerpack_uuid} if self.powerpack_uuid else {"src": part.sender.removeprefix("+")}
        )
        fields |= {"dst": part.to.removeprefix("+"), "type": "mms" if part.media_urls else "sms"}
        if part.text or not part.media_urls:
            fields["text"] = part.text
        if part.media_urls:
            fields["media_urls"] = list(part.media_urls)
        fields |= {"url": f"{self.webhook}/{quote(part.ref, safe='')}", "method": "POST"}
        if self.message_expiry_s is not None:
            left_s = self.message_expiry_s if part.validity_s is None else min(self.message_expiry_s, part.validity_s)
            fields["message_expiry"] = max(left_s, _EXPIRY_S[0])
        return Request(
            method="POST",
            url=self._messages_url,
            headers=self._headers(("Content-Type", "application/json")),
            body=write_json(fields),
        )

    def read_send(self, response: Response) -> SendOutcome:
        """https://docs.plivo.com/docs/messaging/api/response"""
        answer = read_object(response.body)
        if response.ok:
            return _read_created(answer, response.status)
        text = text_at(answer, "error") or text_at(answer, "message")
        code = f"http:{response.status}"
        evidence = Evidence(code=code, text=text, http_status=response.status)
        if not 400 <= response.status < 500 or response.status == 408:
            return Uncertain(reason=f"Plivo answered HTTP {response.status}", evidence=evidence)
        meaning = _BALANCE if response.status == 402 else CODES.get(code, NO_MEANING)
        if meaning.retry:
            return RetryLater(cause=meaning.cause, after_s=read_retry_after_s(response.headers), evidence=evidence)
        told = next((cause for words, cause in _WORDS if words.search(text)), None)
        return Rejected(cause=told if told and meaning.cause is Cause.UNKNOWN else meaning.cause, evidence=evidence)

    # -- Media -------------------------------------------------------------------------------------------------------

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        """The credentials go to Plivo's own names alone, and never on to a storage behind them."""
        credentials_hosts = MEDIA_HOSTS if self.media_credentials else ()
        return write_guarded_fetch(
            media.url,
            self._headers(accept="*/*") if credentials_hosts else NO_HEADERS,
            hosts=MEDIA_HOSTS,
            media_hosts=self.media_hosts,
            credentials_hosts=credentials_hosts,
            api_url="" if self.api_url == API_URL else self.api_url,
        )

    # -- Looking things up -------------------------------------------------------------------------------------------

    def write_lookup(self, number: str, now_ms: int) -> Request:  # noqa: ARG002 -- signs no time
        address = f"{self.lookup_url}/v1/Number/{quote(number, safe='')}?type=carrier"
        return Request(method="GET", url=address, headers=self._headers())

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        answer = read_object(response.body)
        if response.status == 404 and _NO_SUCH_NUMBER in (word_at(answer, "error_code"), word_at(answer, "code")):
            return looked_up(number, valid=False, line_type="unknown", sms_capable=SmsCapable.NO, now_ms=now_ms)
        line = text_at(answer, "carrier", "type").lower()
        if not response.ok or not line:
            return None
        line_type, capable = _LINE_TYPES.get(line, _LINE_TYPES["unknown"])
        return looked_up(number, valid=True, line_type=line_type, sms_capable=capable, now_ms=now_ms)

    def write_find(self, query: FindQuery) -> Request:
        """https://www.plivo.com/docs/messaging/api/message/list-all-messages"""
        return self._list(
            ("message_direction", "outbound"),
            ("to_number", query.to),
            ("message_time__gte", _write_second(query.sent_after_ms - _FIND_SLACK_MS)),
        )

    def read_find(self, query: FindQuery, response: Response) -> Receipt | None:
        """Whether it is certainly not there. Plivo lists no words, so what is there may be another lost one: a receipt
        tells which, for it has our reference."""
        next_page, listed = _read_page(response)
        possible = [entry for entry in listed if self._may_be(entry, query)]
        if len(possible) > 1:
            raise Undecided(f"Plivo has {len(possible)} messages that could be this one.")
        if possible:
            raise LookupError("Plivo has a message that could be this one, and does not list what it says.")
        if next_page:
            raise LookupError("Plivo has more messages between the two than one page holds.")
        return None

    def write_list(self, query: ListQuery) -> Request:
        """https://www.plivo.com/docs/messaging/api/message/list-all-messages"""
        if query.page:
            return Request(method="GET", url=self.api_url + query.page, headers=self._headers())
        return self._list(
            ("message_direction", "inbound"),
            ("to_number", query.to),
            ("message_time__gte", _write_second(query.since_ms)),
            ("message_time__lt", _write_second(query.until_ms)),
        )

    def read_list(self, query: ListQuery, response: Response) -> Listed:  # noqa: ARG002 -- all of a page is wanted
        next_page, listed = _read_page(response)
        inbound = [entry for entry in listed if text_at(entry, "message_direction") == "inbound"]
        texts = [text for entry in inbound if (text := _read_listed(entry)) is not None]
        if next_page and not next_page.startswith(urlsplit(self._messages_url).path + "?"):
            raise LookupError("Plivo's next page is not one of this list.")
        return Listed(events=tuple(texts), next_page=next_page, unreadable=len(inbound) - len(texts))

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        """https://www.plivo.com/docs/sms/api/message/retrieve-a-message/"""
        address = f"{self._messages_url}{quote(carrier_message_id, safe='')}/"
        return Request(method="GET", url=address, headers=self._headers())

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        record = read_object(response.body) if response.ok else {}
        if record.get("message_uuid") != carrier_message_id or record.get("message_direction") == "inbound":
            return None
        return _read_record(record, part_ref="")

    # -- Private -----------------------------------------------------------------------------------------------------

    @property
    def _messages_url(self) -> str:
        return f"{self.api_url}/v1/Account/{self.auth_id}/Message/"

    def _headers(self, *more: tuple[str, str], accept: str = "application/json") -> Headers:
        return Headers(
            [("Authorization", basic_authorization(self.auth_id, self.auth_token)), ("Accept", accept), *more]
        )

    def _list(self, *filters: tuple[str, str]) -> Request:
        query = write_form([*filters, ("limit", str(_LIST_PAGE_SIZE))]).decode()
        return Request(method="GET", url=f"{self._messages_url}?{query}", headers=self._headers())

    def _may_be(self, record: object, query: FindQuery) -> bool:
        at_ms = read_time_ms(text_at(record, "message_time"))
        return (
            text_at(record, "message_direction") == "outbound"
            and _digits(text_at(record, "to_number")) == _digits(query.to)
            and (bool(self.powerpack_uuid) or _digits(text_at(record, "from_number")) == _digits(query.sender))
            and text_at(record, "message_uuid") not in query.known_ids
            and (at_ms is None or at_ms >= query.sent_after_ms - _FIND_SLACK_MS)
            and text_at(record, "message_type") in ("mms" if query.has_media else "sms", "")
        )

    def _read_fields(self, fields: Mapping[str, str], url: str) -> CarrierEvent:
        if fields.get("Type", "sms").lower() not in ("sms", "mms", ""):
            return Ignored(reason="another_channel")
        message_id = fields.get("MessageUUID", "")
        if not message_id:
            return Unrecognized(reason="no_message_uuid")
        word = fields.get("Status", "").lower()
        if word in STATUSES:
            return _receipt(
                message_id=message_id,
                word=word,
                code=_read_code(fields.get("ErrorCode", "")),
                part_ref=self._read_ref(url),
            )
        if not fields.keys().isdisjoint(_ONLY_IN_TEXTS) or any(map(_MEDIA_NAME.fullmatch, fields)):
            return _read_inbound(message_id, fields)
        return Unrecognized(reason="unknown_status" if word else "unknown_event")

    def _read_ref(self, url: str) -> str:
        path = url.partition("?")[0]
        return unquote(path.removeprefix(self.webhook + "/")) if path.startswith(self.webhook + "/") else ""


# -- The signed text -------------------------------------------------------------------------------------------------


def _signatures(request: Request, scheme: str) -> list[str]:
    """Either header may hold several, with commas between."""
    values = [
        value
        for name in (f"X-Plivo-Signature-{scheme}", f"X-Plivo-Signature-Ma-{scheme}")
        for value in request.headers.get_all(name)
    ]
    return [one for value in values for each in value.split(",") if (one := each.strip(" "))]


def _v3_text(request: Request) -> str:
    """URL and parameters as V3 signs them. Raises BadSignature for a body that no signature covers.

    https://github.com/plivo/plivo-python/blob/master/plivo/utils/signature_v3.py
    """
    base, _, query = request.url.partition("?")
    in_url = _signed_pairs(query)
    text = base + ("?" + "&".join(f"{name}={value}" for name, value in in_url) if in_url else "")
    if request.method == "GET":
        if request.body:
            raise BadSignature("A GET request has a body, which no signature covers.")
        return text
    if request.content_type not in (_FORM, ""):
        raise BadSignature("The body is no form, which is all that V3 covers.")
    in_body = _signed_pairs(request.body)
    if in_body:
        text += ("." if in_url else "?") + "".join(name + value for name, value in in_body)
    return text


def _signed_pairs(form: str | bytes) -> list[tuple[str, str]]:
    """Sorted by name, and those of one name by value."""
    try:
        pairs = read_form(form)
    except Unreadable as error:
        raise BadSignature(f"The parameters cannot be read: {error}.") from None
    # Names and values are signed without anything between them. A field without `=` would let a `=` become a `&` and
    # still fit.
    text = form.decode() if isinstance(form, bytes) else form
    if [item for item in text.split("&") if item and "=" not in item]:
        raise BadSignature("A parameter has no value, not even an empty one.")
    return sorted(pairs)


# -- Reading webhooks ------------------------------------------------------------------------------------------------


def _read_inbound(message_id: str, fields: Mapping[str, str]) -> CarrierEvent:
    if not fields.get("To"):
        return Unrecognized(reason="no_recipient")
    # One page counts them from 1, older examples from 0.
    numbered = sorted((int(found[1]), url) for name, url in fields.items() if (found := _MEDIA_NAME.fullmatch(name)))
    media = tuple(InboundMedia(url=url) for _, url in numbered if url)
    announced = fields.get("MediaCount", "")
    count = min(int(announced), _MAX_MEDIA) if re.fullmatch("[0-9]{1,9}", announced) else 0
    # An MMS has a code when Plivo could not take it in whole.
    is_broken = bool(_read_code(fields.get("ErrorCode", "")))
    return InboundMessage(
        carrier_message_id=message_id,
        from_number=fields.get("From", ""),
        to_number=fields["To"],
        text=fields.get("Text") or fields.get("Body", ""),
        media=media,
        media_missing=max(max(count, len(numbered)) - len(media), int(is_broken)),
        opt_out=_OPT_OUTS.get(fields.get("MessageIntent", "").lower()),
    )


def _receipt(*, message_id: str, word: str, code: str, part_ref: str) -> Receipt:
    status = STATUSES[word]
    return Receipt(
        carrier_message_id=message_id,
        status=status,
        part_ref=part_ref,
        key=f"{message_id}:{word}:{code}",
        cause=CODES.get(code, NO_MEANING).cause if status in FAILURES else None,
        evidence=Evidence(code=code, text=word),
    )


def _read_code(code: str) -> str:
    """`000` says that nothing went wrong."""
    return code.lstrip("0") if re.fullmatch("[0-9]{1,10}", code) else ""


# -- Reading answers -------------------------------------------------------------------------------------------------


def _read_created(answer: object, http_status: int) -> SendOutcome:
    message_id = next((each for each in _texts(value_at(answer, "message_uuid")) if each), "")
    evidence = Evidence(text=text_at(answer, "message"), http_status=http_status)
    if message_id:
        return Accepted(carrier_message_id=message_id, evidence=evidence)
    if list_at(answer, "invalid_number"):
        return Rejected(cause=Cause.INVALID_NUMBER, evidence=evidence)
    return Uncertain(reason=f"Plivo answered HTTP {http_status} without a message", evidence=evidence)


def _texts(value: object) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each


def _read_record(record: object, *, part_ref: str) -> Receipt | None:
    """The present state of a message in a detail record; None where it says none."""
    message_id, word = text_at(record, "message_uuid"), text_at(record, "message_state").lower()
    if not message_id or word not in STATUSES:
        return None
    return _receipt(message_id=message_id, word=word, code=_read_code(word_at(record, "error_code")), part_ref=part_ref)


def _read_listed(record: object) -> Withheld | None:
    message_id, from_number, to_number = (
        text_at(record, name) for name in ("message_uuid", "from_number", "to_number")
    )
    if not (message_id and from_number and to_number):
        return None
    return Withheld(
        carrier_message_id=message_id,
        from_number=from_number,
        to_number=to_number,
        carrier_at_ms=read_time_ms(text_at(record, "message_time")),
    )


def _read_page(response: Response) -> tuple[str, Sequence[Any]]:
    """Where the next page begins, and the records of this one. Raises LookupError for whatever else."""
    if response.status != 200:
        raise LookupError(f"Plivo answered HTTP {response.status}.")
    answer = read_object(response.body)
    listed = value_at(answer, "objects")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise LookupError("Plivo's answer is not a list of messages.")
    return text_at(answer, "meta", "next"), listed


# -- Addresses and times ---------------------------------------------------------------------------------------------


def _digits(number: str) -> str:
    """Plivo writes numbers with and without their plus."""
    return number.removeprefix("+")


def _write_second(at_ms: int) -> str:
    """Filters are in UTC, and without a zone."""
    return write_time(at_ms)[: len("2026-11-03T14:06:58")].replace("T", " ")


# -- Settings --------------------------------------------------------------------------------------------------------

_REQUIRED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "auth_id": "it is MA (or SA, of a subaccount) and 18 characters, as the console shows it",
        "auth_token": "it is beside the Auth ID in the console",
    }
)


_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "auth_id": reader_of_text("(MA|SA)[0-9A-Z]{18}", _REQUIRED["auth_id"]),
        "auth_token": read_secret,
        "auth_token_secondary": read_secret,
        "v3_only": read_switch,
        "powerpack_uuid": reader_of_text(
            "[0-9a-fA-F-]{36}",
            "give the 36 characters that the console shows as Powerpack UUID",
        ),
        "message_expiry_s": reader_of_number(_EXPIRY_S[0], _EXPIRY_S[-1], "seconds"),
        "media_credentials": read_switch,
        "media_hosts": read_hosts,
        "api_url": read_base_url,
        "lookup_url": read_base_url,
    }
)


ADAPTER: Final[type[Carrier]] = Plivo
