"""Any system that takes and posts signed webhooks: Standard Webhooks 1.0.0 in both directions.

Out go `{"type", "timestamp", "data"}` with the resources of the REST API as data; in come `message.send` and
`interaction.accept | end | done`. Both are signed alike:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from smsbridge.contracts.desktop import Delivery, Desktop, DesktopAbilities
from smsbridge.contracts.settings import Reader, read_settings, read_switch
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import AgentCommand, AgentMessage, Command, DesktopEvent, Unrecognized
from smsbridge.domain.journal import EventType
from smsbridge.domain.outcome import Accepted, DeliveryOutcome, Evidence, Rejected, RetryLater, SwitchedOff
from smsbridge.wire.encoding import read_json, write_json
from smsbridge.wire.http import NO_HEADERS, Headers, Request, Response
from smsbridge.wire.signing import base64_text, hmac_digest, same_text
from smsbridge.wire.times import read_retry_after_s, write_time

TOLERANCE_S: Final = 300
"""How far a webhook's timestamp may lie from our clock, either way; what the published libraries use."""

MAX_ID_CHARS: Final = 255
MAX_MEDIA: Final = 10
MAX_URL_CHARS: Final = 2_048

EVENTS: Final = frozenset(
    {
        EventType.MESSAGE_RECEIVED,
        EventType.MESSAGE_UPDATED,
        EventType.MESSAGE_STATUS,
        EventType.NOTICE_RAISED,
        EventType.INTERACTION_OPENED,
        EventType.INTERACTION_ENDED,
        EventType.INTERACTION_DONE,
        EventType.CONTACT_UPDATED,
    }
)
"""What is posted unless `events` says otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookDesktop:
    """One endpoint. Keys are the decoded bytes of the secrets; the first signs, and so does every other one."""

    name: ClassVar[str] = "webhook"
    url: str = field(repr=False)  # its query may hold a token
    keys: tuple[bytes, ...] = field(repr=False)
    inbound_keys: tuple[bytes, ...] = field(repr=False)
    headers: Headers = NO_HEADERS
    abilities: DesktopAbilities

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        made, problems = _read_settings(settings)
        if not problems:
            problems = _check_scheme(made["url"], allow_http=made.get("allow_http", False))
        if problems:
            raise ValueError("\n".join(problems))
        keys = tuple(made[key] for key in ("secret", "secret_previous") if key in made)
        inbound = tuple(made[key] for key in ("inbound_secret", "inbound_secret_previous") if key in made)
        return cls(
            url=made["url"],
            keys=keys,
            inbound_keys=inbound or keys,
            headers=made.get("headers", NO_HEADERS),
            abilities=DesktopAbilities(event_types=made.get("events", EVENTS), webhooks=True),
        )

    def write_delivery(self, delivery: Delivery, now_ms: int) -> Request | None:
        if self.abilities.event_types is not None and delivery.type not in self.abilities.event_types:
            return None
        body = write_json({"type": delivery.type, "timestamp": write_time(delivery.at_ms), "data": dict(delivery.data)})
        timestamp = str(now_ms // 1000)  # of this attempt: a repeat is signed anew, its id stays
        signatures = (_sign(key, delivery.event_id, timestamp, body) for key in self.keys)
        headers = [
            ("Content-Type", "application/json"),
            ("webhook-id", delivery.event_id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", " ".join(f"v1,{signature}" for signature in signatures)),
            *self.headers,
        ]
        return Request(method="POST", url=self.url, headers=Headers(headers), body=body)

    def read_delivery(self, response: Response) -> DeliveryOutcome:
        status = response.status
        if response.ok:
            return Accepted(evidence=Evidence(http_status=status))
        if status == 410:
            return SwitchedOff(reason="the endpoint answered 410 Gone: it wants no more events")
        cause, meaning = ANSWERS.get(status, DOWN if status >= 500 else UNCLEAR)
        evidence = Evidence(code=str(status), text=meaning, http_status=status)
        if 300 <= status < 500 and status not in NOT_NOW:
            return Rejected(cause=cause, evidence=evidence)
        return RetryLater(cause=cause, after_s=read_retry_after_s(response.headers), evidence=evidence)

    def verify(self, request: Request, now_ms: int) -> None:
        signed = _read_signed(request)
        if not signed.matches(self.inbound_keys):
            raise BadSignature(
                f"webhook-signature of POST {request.parts.path} did not match (v1: HMAC-SHA256 with the decoded "
                f"secret over webhook-id.webhook-timestamp.body, {len(request.body)} body bytes).",
                hint=self._explain(signed),
            )
        age_s = now_ms // 1000 - int(signed.timestamp)
        if abs(age_s) > TOLERANCE_S:
            raise BadSignature(
                f"webhook-timestamp lies {abs(age_s)} s in the {'past' if age_s > 0 else 'future'}; "
                f"{TOLERANCE_S} s are allowed.",
                hint="The signature itself is right: set both clocks by NTP, and sign every attempt anew.",
            )

    def read_webhook(self, request: Request) -> Sequence[DesktopEvent]:
        value = read_json(request.body)
        try:
            return (_read_event(request.headers.get("webhook-id"), value),)
        except _NotUnderstoodError as error:
            return (Unrecognized(reason=error.reason),)

    def acknowledge(self, events: Sequence[DesktopEvent]) -> Response:
        unrecognized = [event.reason for event in events if isinstance(event, Unrecognized)]
        answer: dict[str, Any] = {"accepted": len(events) - len(unrecognized)}
        if unrecognized:
            answer["unrecognized"] = unrecognized
        headers = Headers([("Content-Type", "application/json")])
        return Response(status=202, headers=headers, body=write_json(answer))

    def _explain(self, signed: _Signed) -> str:
        """Which usual mistake would have made this signature. For the log only: nothing is accepted by it."""
        if signed.matches(self.keys):
            return "It would match `secret`, but `inbound_secret` is set and is what is checked."
        texts = [base64_text(key) for key in self.inbound_keys]
        if signed.matches([text.encode() for text in (*texts, *(f"whsec_{text}" for text in texts))]):
            return "It would match if the key were the secret's text: decode the base64 after whsec_ first."
        return ""


ANSWERS: Final[Mapping[int, tuple[Cause, str]]] = {
    301: (Cause.UNKNOWN, "redirects are not followed: put the final address into `url`"),
    302: (Cause.UNKNOWN, "redirects are not followed: put the final address into `url`"),
    303: (Cause.UNKNOWN, "redirects are not followed: put the final address into `url`"),
    307: (Cause.UNKNOWN, "redirects are not followed: put the final address into `url`"),
    308: (Cause.UNKNOWN, "redirects are not followed: put the final address into `url`"),
    400: (Cause.CONTENT_REJECTED, "the endpoint does not understand the event"),
    401: (Cause.AUTH, "the endpoint refused us: compare `secret` and `headers` with what it expects"),
    403: (Cause.AUTH, "the endpoint refused us: compare `secret` and `headers` with what it expects"),
    404: (Cause.UNKNOWN, "there is no endpoint at `url`"),
    405: (Cause.UNKNOWN, "the endpoint at `url` takes no POST"),
    408: (Cause.CARRIER_OUTAGE, "the endpoint did not read the event in time"),
    413: (Cause.CONTENT_REJECTED, "the event is larger than the endpoint takes"),
    415: (Cause.CONTENT_REJECTED, "the endpoint takes no application/json"),
    422: (Cause.CONTENT_REJECTED, "the endpoint does not understand the event"),
    429: (Cause.RATE_LIMITED, "the endpoint asks for fewer events at a time"),
}
"""What an answer means for whoever reads the log or the dead letter."""

NOT_NOW: Final = frozenset({408, 425, 429})
"""These ask for another try. What else is not 5xx refuses the event, or us."""

DOWN: Final = (Cause.CARRIER_OUTAGE, "the endpoint failed, or cannot be reached behind its proxy")
UNCLEAR: Final = (Cause.UNKNOWN, "an answer that says neither yes nor no")

COMMANDS: Final[Mapping[str, Command]] = {
    "interaction.accept": Command.ACCEPT,
    "interaction.end": Command.END,
    "interaction.done": Command.DONE,
}


# --- settings ---------------------------------------------------------------------------------------------------------


def _read_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    made, problems = read_settings(settings, READERS)
    missing = {"url": "the https address that events are posted to", "secret": "whsec_ and base64 of 24 to 64 bytes"}
    problems += [f"{key}: missing; {right}" for key, right in missing.items() if not settings.get(key)]
    return made, problems


def _read_url(value: object) -> str:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        host, _ = parts.hostname, parts.port  # the port is read here: it raises when it is no number
    except ValueError:
        raise ValueError("not a URL; like https://agents.example.com/sms") from None
    if parts.scheme not in ("https", "http") or not host or not str(value).isprintable() or " " in str(value):
        raise ValueError("not an http or https URL; like https://agents.example.com/sms")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or password; put them into `headers` as Authorization")
    if parts.fragment:
        raise ValueError("holds a fragment (#...), which is never sent; leave it out")
    return str(value)


def _check_scheme(url: str, *, allow_http: bool) -> list[str]:
    """Texts and numbers cross the open network only over TLS."""
    parts = urlsplit(url)
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        address = None
    loopback = parts.hostname == "localhost" or (address is not None and address.is_loopback)
    if parts.scheme == "https" or loopback:
        return []
    if address is not None and address.is_global:
        return ["url: http to a public address would send texts in the clear; use https"]
    if not allow_http:
        return ["url: http would send texts in the clear; use https, or `allow_http = true` inside a private network"]
    return []


def _read_secret(value: object) -> bytes:
    right = "right is whsec_ and base64 of 24 to 64 random bytes, as `openssl rand -base64 32` gives them"
    if not isinstance(value, str) or not value.startswith("whsec_"):
        raise ValueError(f"does not begin with whsec_; {right}")
    try:
        key = b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"not base64 after whsec_; {right}") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"{len(key)} bytes long; {right}")
    return key


def _read_events(value: object) -> frozenset[str]:
    known = {event.value for event in EventType}
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError('not a list of event types; like ["message.received", "notice.raised"]')
    if unknown := [item for item in value if item not in known]:
        raise ValueError(f"no such event type: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return frozenset(value)


def _read_headers(value: object) -> Headers:
    """Extra headers, for an endpoint behind a gateway that wants an Authorization of its own."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError('not a table of header names and values; like { Authorization = "Bearer ..." }')
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", name):
            raise ValueError("a name is no HTTP header name")
        if name.lower() in OUR_HEADERS or name.lower().startswith("webhook-"):
            raise ValueError(f"{name} is written by the bridge; leave it out")
        if not isinstance(text, str) or not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", text):
            raise ValueError(f"the value of {name} is no printable ASCII text")
    return Headers({str(name): str(text) for name, text in value.items()})


OUR_HEADERS: Final = frozenset(
    {"content-type", "content-length", "content-encoding", "transfer-encoding", "host", "connection"}
)

READERS: Final[Mapping[str, Reader]] = {
    "url": _read_url,
    "secret": _read_secret,
    "secret_previous": _read_secret,
    "inbound_secret": _read_secret,
    "inbound_secret_previous": _read_secret,
    "events": _read_events,
    "headers": _read_headers,
    "allow_http": read_switch,
}


# --- signatures -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Signed:
    """The three headers, each of the right form, and the body they speak of."""

    id: str
    timestamp: str
    signatures: tuple[str, ...] = field(repr=False)
    body: bytes = field(repr=False)

    def matches(self, keys: Sequence[bytes]) -> bool:
        expected = [_sign(key, self.id, self.timestamp, self.body) for key in keys]
        return any([same_text(theirs, ours) for theirs in self.signatures for ours in expected])  # noqa: C419 - all are compared, whichever matches


def _sign(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    return base64_text(hmac_digest("sha256", key, f"{webhook_id}.{timestamp}.".encode("ascii") + body))


def _read_signed(request: Request) -> _Signed:
    """Raises BadSignature for headers that are missing, doubled or of another form."""
    found = {name: request.headers.get_all(name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    if wrong := [name for name, values in found.items() if len(values) != 1]:
        raise BadSignature(f"Standard Webhooks wants each header exactly once; wrong here: {', '.join(wrong)}.")
    (webhook_id,), (timestamp,), (signature,) = found.values()
    # A dot in the id would let the same signed bytes be cut into another id and timestamp.
    if not re.fullmatch(rf"[\x21-\x2d\x2f-\x7e]{{1,{MAX_ID_CHARS}}}", webhook_id):
        raise BadSignature(f"webhook-id is not 1 to {MAX_ID_CHARS} printable ASCII characters without a dot.")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise BadSignature("webhook-timestamp is not a whole number of Unix seconds.")
    signatures = tuple(item.removeprefix("v1,") for item in signature.split(" ") if item.startswith("v1,"))
    if not signatures:
        raise BadSignature("webhook-signature holds no v1 signature (v1,<base64>).")
    return _Signed(id=webhook_id, timestamp=timestamp, signatures=signatures, body=request.body)


# --- webhooks from the desktop ----------------------------------------------------------------------------------------


class _NotUnderstoodError(Exception):
    """Authentic, but not what we know. `reason` is a fixed word that never quotes the content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _read_event(event_id: str, value: object) -> DesktopEvent:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise _NotUnderstoodError("no_event")
    if not event_id:
        raise _NotUnderstoodError("no_webhook_id")
    kind = value["type"]
    if kind != "message.send" and kind not in COMMANDS:
        raise _NotUnderstoodError("unknown_type")
    if not isinstance(value.get("data"), dict):
        raise _NotUnderstoodError("wrong_data")
    if not all(_can_be_kept(leaf) for leaf in _leaves(value)):
        raise _NotUnderstoodError("wrong_characters")
    data: dict[str, Any] = value["data"]
    return _read_message(event_id, data) if kind == "message.send" else _read_command(event_id, COMMANDS[kind], data)


def _read_message(event_id: str, data: Mapping[str, Any]) -> AgentMessage:
    """The body of `POST /v1/messages`, with media by URL only."""
    agent_id, agent_name = _read_agent(data)
    message = AgentMessage(
        event_id=event_id,
        text=_read_text(data, "text"),
        interaction_id=_read_text(data, "interaction_id", MAX_ID_CHARS),
        external_id=_read_text(data, "external_id", MAX_ID_CHARS),
        to=_read_text(data, "to", MAX_ID_CHARS),
        from_sender=_read_text(data, "from", MAX_ID_CHARS),
        media_urls=_read_media_urls(data),
        agent_id=agent_id,
        agent_name=agent_name,
        client_reference=_read_text(data, "client_reference", MAX_ID_CHARS),
        metadata=_read_metadata(data),
    )
    if not (message.interaction_id or message.external_id or message.to):
        raise _NotUnderstoodError("no_recipient")
    if not (message.text or message.media_urls):
        raise _NotUnderstoodError("no_content")
    return message


def _read_command(event_id: str, command: Command, data: Mapping[str, Any]) -> AgentCommand:
    agent_id, agent_name = _read_agent(data)
    made = AgentCommand(
        event_id=event_id,
        command=command,
        interaction_id=_read_text(data, "interaction_id", MAX_ID_CHARS),
        external_id=_read_text(data, "external_id", MAX_ID_CHARS),
        agent_id=agent_id,
        agent_name=agent_name,
        disposition=_read_text(data, "disposition", MAX_ID_CHARS),
        note=_read_text(data, "note"),
    )
    if not (made.interaction_id or made.external_id):
        raise _NotUnderstoodError("no_interaction")
    return made


def _read_text(data: Mapping[str, Any], key: str, max_chars: int | None = None) -> str:
    """A text, or "" where it is absent or null."""
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or (max_chars is not None and len(value) > max_chars):
        raise _NotUnderstoodError(f"wrong_{key}")
    return value


def _read_agent(data: Mapping[str, Any]) -> tuple[str, str]:
    """Id and name of `agent`: an id, or `{id, name}`."""
    agent = data.get("agent")
    if isinstance(agent, dict):
        if not agent.get("id"):
            raise _NotUnderstoodError("wrong_agent")
        return _read_text(agent, "id", MAX_ID_CHARS), _read_text(agent, "name", MAX_ID_CHARS)
    return _read_text(data, "agent", MAX_ID_CHARS), ""


def _read_media_urls(data: Mapping[str, Any]) -> tuple[str, ...]:
    media = data.get("media")
    if media is None:
        return ()
    if not isinstance(media, list) or len(media) > MAX_MEDIA or not all(isinstance(item, dict) for item in media):
        raise _NotUnderstoodError("wrong_media")
    urls = tuple(_read_text(item, "url", MAX_URL_CHARS) for item in media)
    if not all(urls):
        raise _NotUnderstoodError("wrong_media")
    return urls


def _read_metadata(data: Mapping[str, Any]) -> dict[str, Any]:
    metadata = data.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise _NotUnderstoodError("wrong_metadata")
    return metadata


def _leaves(value: object) -> Iterator[object]:
    """Every key and every value that holds no others."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _can_be_kept(leaf: object) -> bool:
    """JSON can spell what no UTF-8 text and no database holds: half a surrogate pair, NUL, a number beyond floats."""
    if isinstance(leaf, str):
        return re.search("[\0\ud800-\udfff]", leaf) is None
    return not isinstance(leaf, float) or math.isfinite(leaf)


ADAPTER: Final[type[Desktop]] = WebhookDesktop
