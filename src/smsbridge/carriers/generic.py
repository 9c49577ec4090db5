"""Any other carrier with an HTTP API, described by its settings and not by code.

What it is sent is a template: names and texts with `{placeholders}`, which are filled in and escaped for where they
stand. What it sends is read by paths (`data.from`, `results.0.id`). Its words for states and its codes are two tables.
There is nothing to run in any of them. docs/carriers/generic.md explains each setting, with two whole examples.

Texts only: an attachment that comes is counted, and the agent is told that it is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from string import Formatter, printable
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Self, cast
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from smsbridge.contracts.carrier import Abilities, AccountUrls, Carrier, CodeMeaning
from smsbridge.contracts.settings import Reader, read_secret, read_settings, read_url, read_url_secret
from smsbridge.domain.cause import PASSING, Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import CarrierEvent, Ignored, InboundMessage, Receipt, Unrecognized
from smsbridge.domain.message import OutboundPart
from smsbridge.domain.outcome import Accepted, Evidence, Rejected, RetryLater, SendOutcome, Uncertain
from smsbridge.domain.phone import read_number
from smsbridge.domain.status import FAILURES, Status
from smsbridge.wire.encoding import (
    Unreadable,
    read_form,
    read_json,
    read_multipart,
    word_at,
    write_form,
    write_json,
)
from smsbridge.wire.http import Headers, Request, Response
from smsbridge.wire.signing import base64_text, basic_authorization, hmac_digest, is_one_of, sha256_hex
from smsbridge.wire.times import read_retry_after_s

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
JSON: Final = "application/json"

# What HTTP itself says (RFC 9110, RFC 6585), for an answer whose own code is not in `causes`.
CODES: Final[Mapping[str, CodeMeaning]] = MappingProxyType(
    {
        "http:401": CodeMeaning(cause=Cause.AUTH, meaning="the credentials are wrong"),
        "http:402": CodeMeaning(cause=Cause.BALANCE, meaning="the account has no credit"),
        "http:403": CodeMeaning(cause=Cause.PERMISSION_OR_REGION, meaning="the account may not do this"),
        "http:404": CodeMeaning(cause=Cause.AUTH, meaning="there is nothing at send_url"),
        "http:413": CodeMeaning(cause=Cause.CONTENT_REJECTED, meaning="the text is too long"),
        "http:429": CodeMeaning(cause=Cause.RATE_LIMITED, meaning="too many requests", retry=True),
    }
)

Place = Literal["json", "form", "query"]
_MAX_EVIDENCE_CHARS: Final = 300
_MAX_MEDIA_COUNTED: Final = 100
_ID_CHARS: Final = 32
_UTF_8: Final = "utf-8"
CHARSETS: Final = (
    _UTF_8,
    *(f"iso-8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
    *(f"windows-{page}" for page in range(1250, 1259)),
)
"""What webhooks may be written in. But for UTF-8, a character is a byte."""


# -- Templates and paths ---------------------------------------------------------------------------------------------

PLACEHOLDERS: Final = ("from", "to", "from_digits", "to_digits", "text", "ref", "receipt_url")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with placeholders: what stands before each, and its name. Only names can stand in one."""

    pieces: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, text: str, names: Sequence[str]) -> Self:
        cure = f"the placeholders are {', '.join('{' + name + '}' for name in names)}; a brace itself is written twice"
        try:
            parsed = [(before, name or "", extra) for before, name, *extra in Formatter().parse(text)]
        except ValueError:
            raise ValueError(f"has a brace without its other half; {cure}") from None
        if any((name or extra != [None, None]) and (name not in names or any(extra)) for _, name, extra in parsed):
            raise ValueError(f"has a placeholder that is none; {cure}")
        return cls(tuple((before, name) for before, name, _ in parsed))

    def fill(self, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
        return "".join(before + (escape(values[name]) if name else "") for before, name in self.pieces)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for _, name in self.pieces if name)

    @property
    def beginning(self) -> str:
        """What stands before the first placeholder."""
        return self.pieces[0][0] if self.pieces else ""


Filled = Template | str | int | float | bool | None | Sequence[Any] | Mapping[str, Any]
"""A part of `send_fields`: templates where the settings have texts, in lists and tables like theirs."""


def _fill(node: Filled, values: Mapping[str, str]) -> Any:
    if isinstance(node, Template):
        return node.fill(values)
    if isinstance(node, Mapping):
        return {name: _fill(item, values) for name, item in node.items()}
    return [_fill(item, values) for item in node] if isinstance(node, tuple) else node


def _templates_in(node: Filled) -> Iterator[Template]:
    if isinstance(node, Template):
        yield node
    elif isinstance(node, Mapping | tuple):
        for item in node.values() if isinstance(node, Mapping) else node:
            yield from _templates_in(item)


def _escape_in_url(value: str) -> str:
    return quote(value, safe="")


def _escape_in_header(value: str) -> str:
    """A line end would begin another header."""
    return quote(value, safe=printable[:-5])


def _at(value: Any, path: str, nowhere: object = None) -> Any:
    """What lies at the end of a path: names, and numbers in lists. `nowhere` where there is nothing, not even a null.

    A form may have a name with a dot in it, so the whole path is tried as a name first.
    """
    if isinstance(value, Mapping) and path in value:
        return value[path]
    for step in path.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and re.fullmatch(r"[0-9]{1,4}", step) and int(step) < len(value):
            value = value[int(step)]
        else:
            return nowhere
    return value


_NOWHERE: Final = object()


Path = str | tuple[str, ...]
"""Names with dots between them; or several such paths, of which one word is made."""


def _word(scopes: Sequence[Any], path: Path | None) -> str:
    """The text, number or yes (`true`) at a path, in the first of the places that has one.

    Of several paths it is a digest of their words, for they may be a number and a text; empty if one of them is.
    """
    if isinstance(path, tuple):
        words = [_word(scopes, each).encode("utf-8", "surrogatepass") for each in path]
        return sha256_hex(b"".join([b"%d:%b," % (len(word), word) for word in words]))[:_ID_CHARS] if all(words) else ""
    for scope in scopes if path else ():
        if word := _as_word(_at(scope, path or "")):
            return word
    return ""


def _as_word(found: object) -> str:
    """PHP may make numbers of all that looks like one: of `3.50` too, and of a phone number `1.4155550142e10`."""
    match found:
        case bool():
            return str(found).lower()
        case float():
            return str(int(found)) if found.is_integer() and abs(found) < _EXACT else str(found)
        case _:
            return word_at({"": found}, "")


_EXACT: Final = 2.0**53


# -- Signatures ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """An HMAC in a header, over what `of` says."""

    header: str
    of: Template = field(default=Template((("", "body"),)))
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    timestamp_header: str = ""
    tolerance_s: int = 300

    def write(self, secret: str, url: str, body: bytes, timestamp: str) -> str:
        values = {"url": url.encode("utf-8", "surrogatepass"), "body": body, "timestamp": timestamp.encode()}
        signed = b"".join(before.encode() + (values[name] if name else b"") for before, name in self.of.pieces)
        digest = hmac_digest(self.algorithm, secret.encode(), signed)
        return self.prefix + (digest.hex() if self.encoding == "hex" else base64_text(digest))


class _CodesOfTheAccount:
    """`codes` of the class is what HTTP says; of an account, what its `causes` say as well."""

    def __get__(self, account: Generic | None, owner: type[Generic]) -> Mapping[str, CodeMeaning]:
        configured = {
            code: CodeMeaning(cause=cause, meaning="as `causes` in the settings says", retry=cause in PASSING)
            for code, cause in (account.causes.items() if account else ())
        }
        return {**CODES, **configured}


@dataclass(frozen=True, kw_only=True, slots=True)
class Generic(Carrier):
    """One account at a carrier that the settings describe."""

    name: ClassVar[str] = "generic"
    abilities: ClassVar[Abilities] = Abilities(max_text_chars=1600)
    codes: ClassVar[Mapping[str, CodeMeaning]] = cast("Mapping[str, CodeMeaning]", _CodesOfTheAccount())
    # Some carriers drop a text on a 4xx, and the fault may be in our settings.
    refusal: ClassVar[Response] = Response.text("The sender could not be proven.\n", status=503)

    send_url: Template = field(repr=False)
    send_fields: Mapping[str, Filled] = field(repr=False)
    send_as: Place = "json"
    send_headers: Mapping[str, Template] = field(default_factory=dict, repr=False)
    auth: str = ""
    auth_user: str = ""
    auth_secret: str = field(default="", repr=False)
    auth_header: str = ""
    send_signature: Signature | None = None
    answer: Mapping[str, str] = field(default_factory=dict)
    """Paths: `id`, `ok`, `code`, `detail`."""
    ok_words: tuple[str, ...] = ()
    retry_statuses: tuple[int, ...] = (429,)
    webhook_secret: str = field(repr=False)
    webhook_secret_secondary: str = field(default="", repr=False)
    signature: Signature | None = None
    """None: the secret stands in the URL, as `key`."""
    events: tuple[str, ...] = ()
    """The paths of the lists where a request holds several; empty: the whole request is one, or is the list."""
    kind: str = ""
    """The path of the word that tells texts and receipts apart; empty: a request to `.../receipt` is a receipt."""
    text_kinds: tuple[str, ...] = ()
    receipt_kinds: tuple[str, ...] = ()
    texts: Mapping[str, Path]
    """Paths: `id`, `from`, `to`, `text`, `media`. An id may be made of several, and `media` be at several."""
    receipts: Mapping[str, str] = field(default_factory=dict)
    """Paths: `id`, `ref`, `status`, `code`, `detail`."""
    statuses: Mapping[str, Status | None] = field(default_factory=dict)
    """By the carrier's word in lower case; None: of no interest."""
    causes: Mapping[str, Cause] = field(default_factory=dict)
    country: str = ""
    """ISO 3166: where the numbers of its texts are dialled as they are written; empty: they have their country code."""
    charset: str = _UTF_8
    acknowledgement: str = ""
    webhook: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        flat, problems = _flatten(settings)
        made, unreadable = read_settings(flat, _READERS)
        problems += [*unreadable, *_missing(flat), *_conflicts(made)]
        if problems:
            raise ValueError("\n".join(problems))
        return cls(**_gather(made), webhook=urls.webhook)

    def write_setup(self, webhook: str) -> Sequence[str]:
        key = "?key=WEBHOOK_SECRET" if self.signature is None else ""
        receipts = webhook if self.kind else f"{webhook}/receipt"
        return (
            f"At the carrier: let texts be posted to {webhook}{key}",
            f"Let receipts be posted to {receipts}{key}, unless send_fields has {{receipt_url}}",
        )

    # -- Webhooks ----------------------------------------------------------------------------------------------------

    def verify(self, request: Request, now_ms: int) -> None:
        secrets = [secret for secret in (self.webhook_secret, self.webhook_secret_secondary) if secret]
        if self.signature is None:
            given = _read_key(request)
            if not is_one_of(given, secrets):
                raise BadSignature("The URL has no key that is webhook_secret.")
            return
        given = request.headers.get(self.signature.header)
        if not given:
            raise BadSignature(f"The request has no {self.signature.header} header.")
        if "url" not in self.signature.of.names and not request.body:
            raise BadSignature("The request has no body, and the signature covers nothing else.")
        timestamp = self._read_timestamp(self.signature, request, now_ms)
        written = [self.signature.write(secret, request.url, request.body, timestamp) for secret in secrets]
        if self.signature.encoding == "hex":  # some write its letters large
            given, written = given.lower(), [each.lower() for each in written]
        if not is_one_of(given, written):
            raise BadSignature(
                f"{self.signature.header} does not fit the request and any of {len(secrets)} secrets.",
                hint="Compare `signature` with the carrier's page, and public_url with the URL that it calls.",
            )

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        around = _read_body(request, self.charset)
        query = _read_query(request, self.charset) if self._covers_url else {}
        lists = [at for path in self.events if isinstance(at := _at(around, path), list)]
        if not self.events:
            lists = [around if isinstance(around, list) else [around]]
        if not lists:
            return [Unrecognized(reason="no_list_of_events")]
        is_receipt = request.url.partition("?")[0] == f"{self.webhook}/receipt"
        read = [self._read_event(item, around, query, is_receipt=is_receipt) for item in chain(*lists)]
        return read or [Ignored(reason="no_events")]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:  # noqa: ARG002 -- always the same
        return Response.text(self.acknowledgement)

    # -- Sending -----------------------------------------------------------------------------------------------------

    def write_send(self, part: OutboundPart) -> Request:
        values = {
            "from": part.sender,
            "to": part.to,
            "from_digits": part.sender.removeprefix("+"),
            "to_digits": part.to.removeprefix("+"),
            "text": part.text,
            "ref": part.ref,
            "receipt_url": self._receipt_url(part.ref),
        }
        url, fields = self.send_url.fill(values, _escape_in_url), _fill(self.send_fields, values)
        headers = [(name, template.fill(values, _escape_in_header)) for name, template in self.send_headers.items()]
        body = b""
        if self.send_as == "query":
            url += ("&" if "?" in url else "?") + write_form(_as_form(fields)).decode()
        else:
            body = write_json(fields) if self.send_as == "json" else write_form(_as_form(fields))
            headers.append(("Content-Type", JSON if self.send_as == "json" else FORM))
        headers += self._credentials(url, body, part.at_ms)
        return Request(
            method="GET" if self.send_as == "query" else "POST", url=url, headers=Headers(headers), body=body
        )

    def read_send(self, response: Response) -> SendOutcome:
        """By the carrier's own code before the HTTP status. What says neither yes nor no is uncertain."""
        answer = _read_answer(response.body)
        word, code, ok, detail = (_word((answer,), self.answer.get(name)) for name in ("id", "code", "ok", "detail"))
        detail = detail or ("" if _LIKE_JSON.match(response.body) else _shown(response.body))
        evidence = Evidence(code=code[:64], text=detail[:_MAX_EVIDENCE_CHARS], http_status=response.status)
        after_s = read_retry_after_s(response.headers)
        cause = self.causes.get(code)
        if response.status in self.retry_statuses:
            return RetryLater(
                cause=cause if cause in PASSING else Cause.RATE_LIMITED, after_s=after_s, evidence=evidence
            )
        if response.ok and (not self.ok_words or ok.lower() in self.ok_words):
            if "id" in self.answer and not word:
                return Uncertain(reason=f"The carrier answered HTTP {response.status} without an id", evidence=evidence)
            return Accepted(carrier_message_id=word, evidence=evidence)
        if not (response.ok and ok) and (response.status == 408 or not 400 <= response.status < 500):
            return Uncertain(reason=f"The carrier answered HTTP {response.status}", evidence=evidence)
        known = CODES.get(f"http:{response.status}")
        cause = cause or (known.cause if known else Cause.UNKNOWN)
        if cause in PASSING:
            return RetryLater(cause=cause, after_s=after_s, evidence=evidence)
        return Rejected(cause=cause, evidence=evidence)

    # -- Private -----------------------------------------------------------------------------------------------------

    @property
    def _covers_url(self) -> bool:
        """Whether somebody who has no secret could have changed the query."""
        return self.signature is None or "url" in self.signature.of.names

    def _receipt_url(self, ref: str) -> str:
        pairs = [("key", self.webhook_secret)] if self.signature is None else []
        return f"{self.webhook}/receipt?{write_form([*pairs, ('ref', ref)]).decode()}"

    def _credentials(self, url: str, body: bytes, at_ms: int) -> Iterator[tuple[str, str]]:
        if self.auth == "bearer":
            yield "Authorization", f"Bearer {self.auth_secret}"
        elif self.auth == "basic":
            yield "Authorization", basic_authorization(self.auth_user, self.auth_secret)
        elif self.auth == "header":
            yield self.auth_header, self.auth_secret
        elif self.send_signature is not None:
            timestamp = str(at_ms // 1000)
            if self.send_signature.timestamp_header:
                yield self.send_signature.timestamp_header, timestamp
            yield self.send_signature.header, self.send_signature.write(self.auth_secret, url, body, timestamp)

    def _read_timestamp(self, signature: Signature, request: Request, now_ms: int) -> str:
        """As it was written. Raises BadSignature when it is too far from now."""
        if not signature.timestamp_header:
            return ""
        written = request.headers.get(signature.timestamp_header)
        if not re.fullmatch(r"[0-9]{1,16}", written):
            raise BadSignature(f"{signature.timestamp_header} is not in seconds or milliseconds.")
        at_ms = int(written) if len(written) > _DIGITS_OF_SECONDS else int(written) * 1000
        if abs(now_ms - at_ms) > signature.tolerance_s * 1000:
            raise BadSignature(
                f"{signature.timestamp_header} is {abs(now_ms - at_ms) // 1000} s from now.",
                hint="It was delayed, it is a repeat of somebody's, or this computer's clock is wrong.",
            )
        return written

    def _read_event(self, item: Any, around: Any, query: Mapping[str, str], *, is_receipt: bool) -> CarrierEvent:
        """`around` may tell the kind of all. An id or a number there would be that of no event, or of each."""
        if not isinstance(item, Mapping):
            return Unrecognized(reason="not_an_object")
        if self.kind:
            kind = _word((item, around, query), self.kind)
            if kind not in (*self.text_kinds, *self.receipt_kinds):
                return Unrecognized(reason="unknown_kind")
            is_receipt = kind in self.receipt_kinds
        return self._read_receipt((item, query)) if is_receipt else self._read_text((item, query))

    def _read_text(self, scopes: tuple[Any, ...]) -> CarrierEvent:
        carrier_id, sender, to, text = (_word(scopes, self.texts.get(name)) for name in ("id", "from", "to", "text"))
        if not (carrier_id and sender and to):
            return Unrecognized(reason="no_id_or_number")
        sender, to = _with_country_code(sender, self.country), _with_country_code(to, self.country)
        attached = self.texts.get("media", ())
        paths = (attached,) if isinstance(attached, str) else attached
        media_missing = min(sum(_count(_at(scopes[0], path)) for path in paths), _MAX_MEDIA_COUNTED)
        said = (_at(scope, str(self.texts["text"]), _NOWHERE) for scope in scopes)
        if not (text or media_missing) and not any(each in ("", None) for each in said):
            return Unrecognized(reason="no_text")  # an empty one is there and empty; else the path may be wrong
        return InboundMessage(
            carrier_message_id=carrier_id, from_number=sender, to_number=to, text=text, media_missing=media_missing
        )

    def _read_receipt(self, scopes: tuple[Any, ...]) -> CarrierEvent:
        carrier_id, ref, word, code, detail = (
            _word(scopes, self.receipts.get(name)) for name in ("id", "ref", "status", "code", "detail")
        )
        if word.lower() not in self.statuses:
            return Unrecognized(reason="unknown_status")
        status = self.statuses[word.lower()]
        if status is None:
            return Ignored(reason="status_of_no_interest")
        if not (carrier_id or ref):
            return Unrecognized(reason="no_reference")
        failed = status in FAILURES
        return Receipt(
            carrier_message_id=carrier_id,
            status=status,
            part_ref=ref,
            key=f"{ref}:{carrier_id}:{word}:{code}",
            cause=self.causes.get(code, Cause.UNKNOWN) if failed else None,
            evidence=Evidence(code=code[:64], text=(detail or word)[:_MAX_EVIDENCE_CHARS]),
        )


_DIGITS_OF_SECONDS: Final = 11


def _read_answer(body: bytes) -> Any:
    """The table or list in it, or the words of a plain text. The page of a gateway in between has none of either."""
    try:
        answer = read_json(body)
    except Unreadable:
        answer = None
    if isinstance(answer, (Mapping, list)) or body.lstrip().startswith(b"<"):
        return answer
    return [word for word in _BETWEEN_WORDS.split(_shown(body)) if word]


_BETWEEN_WORDS: Final = re.compile(r"[\s,;:|=]+")


def _shown(body: bytes) -> str:
    return body[:_MAX_EVIDENCE_CHARS].decode("utf-8", "replace")


def _read_body(request: Request, charset: str) -> Any:
    """The JSON value or the form in the body, or the query of a request that has none. The first of a name counts.

    JSON is told from how it begins: what posts it calls it a form or plain text where nobody told it otherwise, and no
    signature covers that header.
    """
    if request.method == "GET":
        return _read_form(_query_of(request).encode("utf-8", "surrogatepass"), charset)
    if request.content_type == JSON or request.content_type.endswith("+json") or _LIKE_JSON.match(request.body):
        return read_json(request.body if charset == _UTF_8 else request.body.decode(charset, "replace").encode())
    if request.content_type in (FORM, ""):
        return _read_form(request.body, charset)
    if request.content_type == MULTIPART:
        return _read_multipart(request, charset)
    raise Unreadable("neither a form nor JSON")


_LIKE_JSON: Final = re.compile(rb"(\xef\xbb\xbf)?\s*[{\[]")
"""As no form begins, whose braces are written with a percent sign; a byte order mark may stand before it."""


def _read_query(request: Request, charset: str) -> dict[str, str]:
    try:
        return _read_form(_query_of(request).encode("utf-8", "surrogatepass"), charset)
    except Unreadable:
        return {}


def _read_key(request: Request) -> str:
    """Whatever the charset of the text beside it is."""
    pairs = (pair.partition("=") for pair in _query_of(request).split("&"))
    return next((unquote_plus(value) for name, _, value in pairs if name == "key"), "")


def _read_form(form: bytes, charset: str) -> dict[str, str]:
    """Read as UTF-8, to which each character beyond ASCII is brought first, whether it has percent signs or not."""
    if charset != _UTF_8:
        form = _BEYOND_ASCII.sub(
            lambda each: quote(unquote_to_bytes(each[0]).decode(charset, "replace")).encode(), form
        )
    return dict(reversed(read_form(form)))


_BEYOND_ASCII: Final = re.compile(rb"%[89A-Fa-f][0-9A-Fa-f]|[\x80-\xff]")


def _read_multipart(request: Request, charset: str) -> dict[str, str]:
    """What curl makes of PHP's arrays, and relays of fields that might be files."""
    pairs = read_multipart(request.headers.get("Content-Type"), request.body)
    try:
        errors = "strict" if charset == _UTF_8 else "replace"
        return {name: value.decode(charset, errors) for name, value in reversed(pairs)}
    except UnicodeDecodeError:
        raise Unreadable("not a readable form: not UTF-8") from None


def _query_of(request: Request) -> str:
    return request.url.partition("#")[0].partition("?")[2]


def _with_country_code(number: str, country: str) -> str:
    """As it was, if it is none of that country's: a name, or as short as a short code."""
    if not country or len(number) <= _LONGEST_SHORT_CODE:
        return number
    try:
        return read_number(number.strip(), country)
    except ValueError:
        return number


_LONGEST_SHORT_CODE: Final = 6
"""Longer ones there are too, but of seven digits there are whole numbers (Iceland, Estonia)."""


def _count(media: object) -> int:
    """A list of attachments, or their number, or the address of one."""
    if isinstance(media, list):
        return min(len(media), _MAX_MEDIA_COUNTED)
    word = word_at({"": media}, "")
    if re.fullmatch(r"[0-9]{1,9}", word):
        return min(int(word), _MAX_MEDIA_COUNTED)
    return 1 if word else 0


def _as_form(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        yield name, value if isinstance(value, str) else write_json(value).decode()


# -- Settings --------------------------------------------------------------------------------------------------------

_TABLES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "answer": ("id", "ok", "code", "detail"),
        "texts": ("id", "from", "to", "text", "media"),
        "receipts": ("id", "ref", "status", "code", "detail"),
        "signature": ("header", "of", "algorithm", "encoding", "prefix", "timestamp_header", "tolerance_s"),
        "send_signature": ("header", "of", "algorithm", "encoding", "prefix", "timestamp_header"),
    }
)


def _flatten(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Each key of a table as one of its own, `texts.from`, so that each problem names the key at fault."""
    flat: dict[str, Any] = {}
    problems = []
    for key, value in settings.items():
        names = _TABLES.get(key)
        if names is None:
            flat[key] = value
        elif not isinstance(value, Mapping):
            if value not in (None, ""):
                problems.append(f"{key}: is not a table; it has {', '.join(names)}")
        else:
            problems += [f"{key}: has {name!a}; it has {', '.join(names)}" for name in value if name not in names]
            flat |= {f"{key}.{name}": value[name] for name in names if name in value}
    return flat, problems


def _gather(made: Mapping[str, Any]) -> dict[str, Any]:
    """The tables again, from their keys."""
    gathered: dict[str, Any] = {}
    for key, value in made.items():
        table, dot, name = key.partition(".")
        if dot:
            gathered.setdefault(table, {})[name] = value
        else:
            gathered[key] = value
    for key in ("signature", "send_signature"):
        if key in gathered:
            gathered[key] = Signature(**gathered[key])
    return gathered


def _missing(flat: Mapping[str, Any]) -> Iterator[str]:
    has = {key for key, value in flat.items() if value not in (None, "", [], {})}
    tables = {key.partition(".")[0] for key in has}
    for key, cure in (
        ("send_url", "give the address that takes texts, like https://api.example.com/v1/messages"),
        ("send_fields", 'give what is sent, like { to = "{to}", from = "{from}", text = "{text}" }'),
        ("webhook_secret", "make one, like with `openssl rand -hex 24`, or take the one that the carrier signs with"),
        ("texts.id", "give the path of the text's id, by which a repeat is told; where there is none, a list of paths"),
        ("texts.from", "give the path of the contact's number"),
        ("texts.to", "give the path of our number"),
        ("texts.text", "give the path of the text"),
    ):
        if key not in has:
            yield f"{key}: is missing; {cure}"
    for key, needs in (
        ("receipts", "receipts.status"),
        ("receipts", "statuses"),
        ("statuses", "receipts.status"),
        ("signature", "signature.header"),
        ("send_signature", "send_signature.header"),
        ("kind", "text_kinds"),
        ("text_kinds", "kind"),
        ("receipt_kinds", "kind"),
        ("ok_words", "answer.ok"),
        ("answer.ok", "ok_words"),
    ):
        if key in has | tables and needs not in has:
            yield f"{needs}: is missing while {key} is there; give both or neither"
    for needs in _AUTH.get(str(flat.get("auth") or ""), ()):
        if needs not in has:
            yield f"{needs}: is missing; auth is {flat['auth']}"


def _conflicts(made: Mapping[str, Any]) -> Iterator[str]:
    """What is readable by itself and does not go together."""
    place, fields = made.get("send_as", "json"), made.get("send_fields", {})
    if place != "json" and any(isinstance(value, (tuple, Mapping)) for value in fields.values()):
        yield f"send_fields: holds a table or a list; send_as is {place}, which has names and texts alone"
    in_url = set(made["send_url"].names) if "send_url" in made else set()
    if place == "query":
        in_url |= {name for template in _templates_in(fields) for name in template.names}
    if "receipt_url" in in_url and not any(key.startswith("signature.") for key in made):
        yield "send_url: would hold webhook_secret; send the address for receipts in a body, or set it at the carrier"
    for key in ("webhook_secret", "webhook_secret_secondary"):
        if key in made and not any(name.startswith("signature.") for name in made):
            yield from _unsafe_in_url(key, made[key])
    for key in ("signature", "send_signature"):
        of = made.get(f"{key}.of")
        is_timed = of is not None and "timestamp" in of.names
        if is_timed != (f"{key}.timestamp_header" in made):
            yield f"{key}.of: and {key}.timestamp_header do not fit; a time that is not signed proves nothing"
        if of is not None and "body" not in of.names:
            yield f"{key}.of: leaves the body out; without {{body}} anybody could change it"
    if "signature.tolerance_s" in made and "signature.timestamp_header" not in made:
        yield "signature.tolerance_s: is there without signature.timestamp_header; give both or neither"


def _unsafe_in_url(key: str, secret: str) -> Iterator[str]:
    try:
        read_url_secret(secret)
    except ValueError as error:
        yield f"{key}: {error}"


_AUTH: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "bearer": ("auth_secret",),
        "basic": ("auth_user", "auth_secret"),
        "header": ("auth_header", "auth_secret"),
        "signature": ("send_signature.header", "auth_secret"),
    }
)


def _one_of(*words: str) -> Reader:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"is none that is known; give one of {', '.join(words)}")
        return value

    return read


def _read_path(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200 or "" in value.split("."):
        raise ValueError("is no path; give names with dots between them, like data.message.id or results.0.id")
    return value


def _read_one_or_several(value: object) -> Path:
    paths = _read_paths(value)
    return paths if len(paths) > 1 else paths[0]


def _read_paths(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        return (_read_path(value),)
    if not 1 < len(value) <= _MAX_PATHS:
        raise ValueError(f'is no list of 2 to {_MAX_PATHS} paths; like ["sender", "timestamp"], or one path alone')
    return tuple(_read_path(each) for each in value)


_MAX_PATHS: Final = 8


def _read_line(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[ -~]{1,1000}", value):
        raise ValueError("is not one line of plain characters; give it without line ends")
    return value


def _read_header_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", value):
        raise ValueError("is no name of a header; like X-Api-Key")
    if value.lower() in _OURS:
        raise ValueError("is a header that is made from the request; leave it out")
    return value


_OURS: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})


def _read_send_url(value: object) -> Template:
    """The host is never made from a placeholder, nor a step of the path from a text, which might be `..`."""
    cure = "give https://, a host, and what follows with placeholders (http:// for this computer alone)"
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value) or "#" in value:
        raise ValueError(f"is no URL; {cure}")
    template = Template.read(value, PLACEHOLDERS)
    address = Template.read(value.partition("?")[0], PLACEHOLDERS)
    if template.names and not re.match(r"https?://[^/?]+[/?]", template.beginning):
        raise ValueError(f"has a placeholder in its host; {cure}")
    if "text" in address.names:
        raise ValueError("has the text in its path; give it in send_fields, or after a question mark")
    read_url(address.fill(dict.fromkeys(PLACEHOLDERS, "0")))
    return template


def _read_send_fields(value: object) -> Mapping[str, Filled]:
    compiled = {name: _compile(item) for name, item in _table(value, 'like { to = "{to}", text = "{text}" }').items()}
    if "text" not in {name for template in _templates_in(compiled) for name in template.names}:
        raise ValueError(
            'does not hold {text}; without it nothing would be said: like { to = "{to}", text = "{text}" }'
        )
    return compiled


def _compile(node: object) -> Filled:
    if isinstance(node, str):
        return Template.read(node, PLACEHOLDERS)
    if isinstance(node, Mapping):
        return {str(name): _compile(item) for name, item in node.items()}
    if isinstance(node, (list, tuple)):
        return tuple(_compile(item) for item in node)
    if node is None or isinstance(node, (bool, int, float)):
        return node
    raise ValueError("holds something that is neither text, number, list nor table; write it in quotes")


def _read_send_headers(value: object) -> Mapping[str, Template]:
    names = [name for name in PLACEHOLDERS if name != "text"]
    table = _table(value, 'like { X-Reference = "{ref}" }')
    return {_read_header_name(name): Template.read(_read_line(item), names) for name, item in table.items()}


def _table(value: object, cure: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return {str(name): item for name, item in value.items()}
    raise ValueError(f"is not a table; {cure}")


def _read_words(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(word, str) and word for word in value):
        raise ValueError('is not a list of words; like ["accepted", "queued"]')
    return tuple(value)


def _read_ok_words(value: object) -> tuple[str, ...]:
    return tuple(word.lower() for word in _read_words(value))


def _read_statuses_to_retry(value: object) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not all(type(one) is int and 400 <= one <= 599 for one in value):
        raise ValueError("is not a list of HTTP statuses from 400 to 599; like [429, 503]")
    return tuple(value)


def _read_country(value: object) -> str:
    try:
        read_number(_A_NUMBER, value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("is no country of ISO 3166; give two capital letters, like US") from None
    return str(value)


_A_NUMBER: Final = "+442079460018"


def _read_tolerance(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 86_400:
        raise ValueError("is out of range; give whole seconds from 1 to 86400")
    return value


def _read_signed(value: object) -> Template:
    return Template.read(_read_line(value), ("url", "body", "timestamp"))


_STATUS_WORDS: Final[Mapping[str, Status | None]] = MappingProxyType(
    {
        "sent": Status.SENT,
        "delivered": Status.DELIVERED,
        "undelivered": Status.UNDELIVERED,
        "failed": Status.FAILED,
        "ignored": None,
    }
)


def _read_statuses(value: object) -> Mapping[str, Status | None]:
    cure = f"each of the carrier's words is one of {', '.join(_STATUS_WORDS)}"
    table = _table(value, cure)
    if not all(isinstance(word, str) and word in _STATUS_WORDS for word in table.values()):
        raise ValueError(f"has a status that is none; {cure}")
    return {word.lower(): _STATUS_WORDS[status] for word, status in table.items()}


def _read_causes(value: object) -> Mapping[str, Cause]:
    cure = f"each of the carrier's codes is one of {', '.join(Cause)}"
    table = _table(value, cure)
    if not all(isinstance(word, str) and word in _CAUSES for word in table.values()):
        raise ValueError(f"has a cause that is none; {cure}")
    return {code: Cause(cause) for code, cause in table.items()}


_CAUSES: Final = frozenset(cause.value for cause in Cause)
_SIGNATURE_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "header": _read_header_name,
        "of": _read_signed,
        "algorithm": _one_of("sha256", "sha1", "sha512"),
        "encoding": _one_of("hex", "base64"),
        "prefix": _read_line,
        "timestamp_header": _read_header_name,
        "tolerance_s": _read_tolerance,
    }
)
_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "send_url": _read_send_url,
        "send_as": _one_of("json", "form", "query"),
        "send_fields": _read_send_fields,
        "send_headers": _read_send_headers,
        "auth": _one_of(*_AUTH),
        "auth_user": _read_line,
        "auth_secret": read_secret,
        "auth_header": _read_header_name,
        **{f"send_signature.{name}": _SIGNATURE_READERS[name] for name in _TABLES["send_signature"]},
        **{f"answer.{name}": _read_path for name in _TABLES["answer"]},
        "ok_words": _read_ok_words,
        "retry_statuses": _read_statuses_to_retry,
        "webhook_secret": read_secret,
        "webhook_secret_secondary": read_secret,
        **{f"signature.{name}": _SIGNATURE_READERS[name] for name in _TABLES["signature"]},
        "events": _read_paths,
        "kind": _read_path,
        "text_kinds": _read_words,
        "receipt_kinds": _read_words,
        **{f"texts.{name}": _read_path for name in _TABLES["texts"]},
        "texts.id": _read_one_or_several,
        "texts.media": _read_one_or_several,
        **{f"receipts.{name}": _read_path for name in _TABLES["receipts"]},
        "statuses": _read_statuses,
        "causes": _read_causes,
        "country": _read_country,
        "charset": _one_of(*CHARSETS),
        "acknowledgement": _read_line,
    }
)


ADAPTER: Final[type[Carrier]] = Generic
