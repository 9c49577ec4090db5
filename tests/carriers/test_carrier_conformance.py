"""What every carrier promises, whichever it is. The cases of each lie in the folder of its name, by name.

| file | a case holds |
|---|---|
| account.json | the settings, the URLs, which settings are secret and which sign, and why it cannot have a case |
| settings_refused.json | settings that are not taken, with how each problem begins |
| webhooks.json | a request of the carrier; its events and our answer, or why it is no webhook |
| sends.json | a part, and the request that sends it |
| answers.json | an answer to a send, and the outcome |
| codes.csv | the codes that the carrier documents (test_carrier_codes.py) |
| media.json | an attachment as announced, and the guarded download, or why there is none |
| lookups.json, finds.json, statuses.json | a question, the request that asks it, an answer and what it says |
| lists.json, list_media.json | the same for texts that came, and for the attachments of one |
| signer.py | how the carrier signs: `sign(request, secret)`, `same_meaning(one, other)`, `HEADERS` |
| | `another(secret)` where a secret read backwards is none of its kind |
| | `KEYS`, by address, where requests name the key that they are signed with |

`form` and `json` stand for a body of that kind. A webhook without a signature of its own is signed before it is shown
to the adapter. Records are written as their fields that are not at the default.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import random
import socket
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsbridge.carriers import load_carriers
from smsbridge.contracts.carrier import AccountUrls, Carrier, FindQuery, KeyWanted, Listed, ListQuery, Undecided
from smsbridge.domain.cause import NOT_CAPABLE, WRONG_SENDER, Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import Handshake, Ignored, InboundMedia, InboundMessage, OptOut, Receipt, Unrecognized
from smsbridge.domain.message import Capability, OutboundPart
from smsbridge.domain.outcome import Accepted, Rejected, RetryLater, Uncertain
from smsbridge.domain.status import REPORT, Status
from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.http import Fetch, Headers, Request, Response

CARRIERS = load_carriers()
HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PUSHED = (InboundMessage, Receipt, OptOut, Handshake, Ignored, Unrecognized)
FORM = "application/x-www-form-urlencoded"
NOW_MS = 1_790_000_000_000

REQUIRED = {
    "webhooks.json": {
        "inbound_text",
        "inbound_media",
        "several_events",
        "receipt_sent",
        "receipt_delivered",
        "receipt_undelivered",
        "receipt_failed",
        "unknown_event",
        "unreadable",
    },
    "sends.json": {"send_text", "send_media"},
    "answers.json": {"accepted", "throttled", "wrong_sender", "not_sms_capable", "opted_out", "server_error"},
    "settings_refused.json": {"nothing"},
}
EXEMPTIONS = set().union(*REQUIRED.values()) - {"inbound_text", "send_text", "accepted", "unreadable", "nothing"}
EXEMPTIONS |= {"rotation", "carrier_message_id", "unsigned_url", "unsigned_body", "codes"}
"""What a carrier may lack with a reason. The last five: a second secret, an id in the answer to a send, a signature of
anything in the URL, one of anything in the body, and a list of its codes."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that opened a socket, or asked for a name, would fail its test."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("an adapter touched the network")

    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


@cache
def load(name: str, file: str) -> Any:
    path = HERE / name / file
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def cases(file: str) -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}: {title}")
        for name in sorted(CARRIERS)
        for title, case in load(name, file).items()
    ]


every_carrier = pytest.mark.parametrize("name", sorted(CARRIERS))


def build(name: str, **changed: Any) -> Carrier:
    account = load(name, "account.json")
    return CARRIERS[name].from_settings({**account["settings"], **changed}, AccountUrls(**account["urls"]))


@cache
def dialects(name: str) -> list[dict[str, Any]]:
    """The settings that its webhooks come under: a carrier may speak in several ways."""
    each = [case.get("settings", {}) for case in load(name, "webhooks.json").values()]
    return [settings for position, settings in enumerate(each) if settings not in each[:position]]


def signer(name: str) -> ModuleType:
    return importlib.import_module(f"carriers.{name}.signer")


def another(name: str, secret: str) -> str:
    made: str = getattr(signer(name), "another", lambda it: it[::-1])(secret)
    return made


def settings_of(name: str) -> list[str]:
    """The keys of its table; `webhook` comes from the bridge's own address, `key` from `with_key`."""
    return sorted(field.name for field in fields(CARRIERS[name]) if field.name not in ("webhook", "key"))


def secrets_of(name: str) -> list[str]:
    account = load(name, "account.json")
    return [text for key in account["secrets"] for text in _texts(account["settings"][key])]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def read_request(case: dict[str, Any]) -> Request:
    headers = dict(case.get("headers", {}))
    body = case.get("body", "").encode("latin-1" if case.get("latin_1") else "utf-8")
    if "form" in case:
        headers.setdefault("Content-Type", FORM)
        body = urlencode(case["form"]).encode()
    if "json" in case:
        headers.setdefault("Content-Type", "application/json")
        body = json.dumps(case["json"]).encode()
    return Request(method=case["method"], url=case["url"], headers=Headers(headers), body=body)


def signed_request(name: str, case: dict[str, Any]) -> Request:
    request = read_request(case["request"])
    if any(header in request.headers for header in signer(name).HEADERS):
        return request
    account = load(name, "account.json")
    secret = account["settings"][account["signing_secrets"][0]] if account["signing_secrets"] else ""
    signed: Request = signer(name).sign(request, secret)
    return signed


def verify(adapter: Carrier, request: Request) -> None:
    """As the flow does it: where the request names a key, it is brought. KeyWanted: there is none at that address."""
    try:
        adapter.verify(request, NOW_MS)
    except KeyWanted as wanted:
        if wanted.request.url not in signer(adapter.name).KEYS:
            raise
        _with_key(adapter, wanted.request.url).verify(request, NOW_MS)


@cache
def _with_key(adapter: Carrier, url: str) -> Carrier:
    return adapter.with_key(url, signer(adapter.name).KEYS[url])


def read_response(case: dict[str, Any]) -> Response:
    body = json.dumps(case["json"]) if "json" in case else case.get("body", "")
    return Response(status=case["status"], headers=Headers(case.get("headers", {})), body=body.encode())


def said(value: Any) -> Any:
    """A value as its case writes it."""
    if isinstance(value, Request):
        return written(value)
    if is_dataclass(value) and not isinstance(value, type):
        made = {}
        for field in fields(value):
            default = field.default if field.default_factory is MISSING else field.default_factory()
            if (item := getattr(value, field.name)) != default:
                made[field.name] = said(item)
        return made
    return [said(item) for item in value] if isinstance(value, (list, tuple)) else value


def kind_and(value: Any) -> Any:
    return None if value is None else {type(value).__name__: said(value)}


def written(request: Request) -> dict[str, Any]:
    """A request as its case writes it: Basic credentials and forms in the clear."""
    headers = dict(request.headers)
    if headers.get("Authorization", "").startswith("Basic "):
        headers["Authorization"] = "Basic " + b64decode(headers["Authorization"][6:]).decode()
    made: dict[str, Any] = {"method": request.method, "url": request.url, "headers": headers}
    if request.content_type == FORM:
        made["form"] = [list(pair) for pair in parse_qsl(request.body.decode(), keep_blank_values=True)]
    elif request.content_type == "application/json":
        made["json"] = json.loads(request.body)
    elif request.body:
        made["body"] = request.body.decode()
    return made


def assert_hidden(name: str, *values: Any) -> None:
    """No secret shows in what an adapter made, printed, or in a URL."""
    for value in values:
        shown = repr(value) + str(value) + (value.url if isinstance(value, Request) else "")
        assert not [secret for secret in secrets_of(name) if secret in shown]


# --- the folder -------------------------------------------------------------------------------------------------------


def test_the_folder_is_the_registry() -> None:
    modules = {path.stem for path in (ROOT / "src/smsbridge/carriers").glob("*.py")} - {"__init__"}
    assert set(CARRIERS) == modules
    assert "twilio" in CARRIERS


@every_carrier
def test_a_carrier_is_named_after_its_module_and_its_last_line_says_what_it_is(name: str) -> None:
    assert CARRIERS[name].__module__ == f"smsbridge.carriers.{name}"
    last_line = inspect.getsource(sys.modules[CARRIERS[name].__module__]).rstrip().splitlines()[-1]
    assert last_line == f"ADAPTER: Final[type[Carrier]] = {CARRIERS[name].__name__}"


@every_carrier
def test_a_carrier_brings_every_case_or_says_why_it_cannot_have_it(name: str) -> None:
    exempt = load(name, "account.json").get("exempt", {})
    needed = [HERE / name / "account.json", HERE / name / "signer.py", ROOT / "docs/carriers" / f"{name}.md"]
    needed += [] if "codes" in exempt else [HERE / name / "codes.csv"]
    lacking = [str(path.relative_to(ROOT)) for path in needed if not path.exists()]
    for file, required in REQUIRED.items():
        lacking += [f"{file}: {case}" for case in sorted(required - set(load(name, file)) - set(exempt))]
    assert not lacking, "lacking:\n" + "\n".join(lacking)
    assert all(len(reason) > 10 for reason in exempt.values())
    assert set(exempt) <= EXEMPTIONS, "a reason for what nobody asks"
    assert not [case for file in REQUIRED for case in load(name, file) if case in exempt], "exempt and there"
    abilities = CARRIERS[name].abilities
    for ability, file in (("media", "media"), ("lookup", "lookups"), ("find", "finds"), ("fetch_status", "statuses")):
        assert bool(load(name, f"{file}.json")) == getattr(abilities, ability), (
            f"{file}.json against abilities.{ability}"
        )
    assert not abilities.media or not exempt.keys() & {"inbound_media", "send_media"}
    assert bool(load(name, "lists.json")) == (abilities.listing != "nothing")
    assert bool(load(name, "list_media.json")) == (abilities.listing == "texts" and abilities.media)


@every_carrier
def test_the_docs_page_explains_every_setting(name: str) -> None:
    page = (ROOT / "docs/carriers" / f"{name}.md").read_text("utf-8")
    assert [setting for setting in settings_of(name) if f"| `{setting}` |" not in page] == []
    assert "## Not confirmed" in page


@every_carrier
def test_a_carrier_opens_nothing_reads_no_clock_and_keeps_no_log(name: str) -> None:
    tree = ast.parse(inspect.getsource(sys.modules[CARRIERS[name].__module__]))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {module.partition(".")[0] for module in imported}
    assert not roots & {"asyncio", "socket", "ssl", "time", "random", "secrets", "uuid", "logging", "os", "sqlite3"}
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not called & {"now", "utcnow", "today"}


@every_carrier
def test_what_is_not_believed_is_never_answered_with_success(name: str) -> None:
    for refusal in (CARRIERS[name].refusal, CARRIERS[name].challenge):
        assert 400 <= refusal.status <= 599
        assert (refusal.status == 401) == ("WWW-Authenticate" in refusal.headers), "RFC 9110, 15.5.2"


@every_carrier
def test_the_table_of_codes_gives_each_a_meaning_of_its_own_words(name: str) -> None:
    codes = CARRIERS[name].codes
    assert codes
    assert all(code and meaning.meaning and meaning.cause in Cause for code, meaning in codes.items())


# --- settings ---------------------------------------------------------------------------------------------------------


@every_carrier
def test_settings_are_taken_hidden_and_left_as_they_were(name: str) -> None:
    account = json.dumps(load(name, "account.json"))
    adapter = build(name)
    assert json.dumps(load(name, "account.json")) == account
    assert adapter == build(name)
    assert min(map(len, secrets_of(name))) > 7, "a secret so short is found anywhere"
    assert_hidden(name, adapter)


@pytest.mark.parametrize(("name", "case"), cases("settings_refused.json"))
def test_all_problems_are_told_together_and_quote_no_secret(name: str, case: dict[str, Any]) -> None:
    urls = AccountUrls(**load(name, "account.json")["urls"])
    with pytest.raises(ValueError, match=r".") as caught:
        CARRIERS[name].from_settings(case["settings"], urls)
    lines = str(caught.value).splitlines()
    assert [line.partition(";")[0] for line in lines] == case["problems"]
    assert all(line.partition("; ")[2] for line in lines), "each says what would be right"
    assert not [text for text in _texts(case["settings"]) if len(text) > 7 and text in str(caught.value)]


@every_carrier
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda it: st.lists(it) | st.dictionaries(st.text(), it),
        max_leaves=4,
    ),
    data=st.data(),
)
@settings(deadline=None)
def test_a_setting_of_any_kind_is_taken_or_refused_by_name(name: str, value: Any, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(settings_of(name)))
    try:
        build(name, **{key: value})
    except ValueError as error:
        problems = str(error).splitlines()
    else:
        problems = []
    assert all(": " in line and "; " in line for line in problems)


# --- webhooks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "case"), cases("webhooks.json"))
def test_a_webhook_becomes_its_events_and_its_answer(name: str, case: dict[str, Any]) -> None:
    adapter, request = build(name, **case.get("settings", {})), signed_request(name, case)
    if "refused" in case:
        with pytest.raises(BadSignature) as refused:
            verify(adapter, request)
        assert case["refused"] in str(refused.value)
        assert_hidden(name, refused.value)
        return
    verify(adapter, request)
    if "unreadable" in case:
        with pytest.raises(Unreadable, match=case["unreadable"]):
            adapter.read_webhook(request)
        return
    events = adapter.read_webhook(request)
    assert [kind_and(event) for event in events] == case["events"]
    assert list(events) == list(adapter.read_webhook(request)), "the same in, the same out"
    answer = adapter.acknowledge(events)
    assert {"status": answer.status, "type": answer.content_type, "body": answer.body.decode()} == case["answer"]
    assert_hidden(name, answer, *events)


@every_carrier
def test_the_named_webhooks_are_what_their_names_say(name: str) -> None:
    exempt = load(name, "account.json")["exempt"]
    adapter = build(name)
    read = {
        title: list(adapter.read_webhook(signed_request(name, case)))
        for title, case in load(name, "webhooks.json").items()
        if title in REQUIRED["webhooks.json"] and "events" in case
    }
    assert isinstance(read["inbound_text"][0], InboundMessage)
    assert isinstance(read["unknown_event"][0], Unrecognized)
    assert "unreadable" in load(name, "webhooks.json")["unreadable"]
    if "inbound_media" not in exempt:
        assert isinstance(read["inbound_media"][0], InboundMessage)
        assert read["inbound_media"][0].media
    if "several_events" not in exempt:
        assert len(read["several_events"]) > 1
    for status in (Status.SENT, Status.DELIVERED, Status.UNDELIVERED, Status.FAILED):
        if f"receipt_{status}" not in exempt:
            [receipt] = read[f"receipt_{status}"]
            assert isinstance(receipt, Receipt)
            assert receipt.status is status
            assert receipt.key
            assert (receipt.cause is not None) == (status in (Status.UNDELIVERED, Status.FAILED))


def webhooks_of_each_kind() -> Iterator[Any]:
    """Those that every carrier has, and one of each kind among the others: what it says makes no difference to how it
    is signed."""
    kinds = set()
    for item in cases("webhooks.json"):
        name, case = item.values
        request = case["request"]
        kind = (name, request["method"], *sorted(request.get("headers", {})), *case.get("settings", {}), *case)
        if "refused" not in case and (item.id.removeprefix(f"{name}: ") in _EVERYWHERE or kind not in kinds):
            kinds.add(kind)
            yield item


_EVERYWHERE = REQUIRED["webhooks.json"]


@pytest.mark.parametrize(("name", "case"), list(webhooks_of_each_kind()))
def test_one_changed_byte_is_refused(name: str, case: dict[str, Any]) -> None:
    """Every byte of URL and body once, and every character of the signature, each changed in two ways.

    Of some nothing in the URL is signed, or nothing in the body: they say so and why, and that something is.
    """
    adapter, request = build(name, **case.get("settings", {})), signed_request(name, case)
    verify(adapter, request)
    tried = [(change, _is_accepted(adapter, change)) for change in _one_byte_changes(request, signer(name).HEADERS)]
    accepted = [change for change, is_accepted in tried if is_accepted]
    assert [change for change in accepted if not signer(name).same_meaning(request, change)] == []
    of_url = [is_accepted for change, is_accepted in tried if change.url != request.url]
    of_body = [is_accepted for change, is_accepted in tried if change.body != request.body]
    unsigned = {"unsigned_url"} if all(of_url) else set()
    unsigned |= {"unsigned_body"} if of_body and all(of_body) else set()
    assert unsigned <= set(load(name, "account.json")["exempt"])
    assert len(accepted) < len(tried)


def _one_byte_changes(request: Request, headers: tuple[str, ...]) -> Iterator[Request]:
    luck = random.Random(request.url)
    for position in range(len(request.body)):
        for changed in {request.body[position] ^ 1, luck.choice(b"&=%+0aA ")} - {request.body[position]}:
            body = request.body[:position] + bytes([changed]) + request.body[position + 1 :]
            yield replace(request, body=body)
    for url in _changed_texts(request.url, luck):
        yield replace(request, url=url)
    for header in headers:
        for value in _changed_texts(request.headers.get(header), luck):
            yield replace(request, headers=request.headers.replace(header, value))


def _changed_texts(text: str, luck: random.Random) -> Iterator[str]:
    for position, character in enumerate(text):
        for changed in {chr(ord(character) ^ 1), luck.choice("/?#:@&é")} - {character}:
            yield text[:position] + changed + text[position + 1 :]


def _is_accepted(adapter: Carrier, request: Request) -> bool:
    try:
        verify(adapter, request)
    except (BadSignature, KeyWanted):
        return False
    return True


@every_carrier
def test_either_secret_is_taken_while_one_replaces_the_other_and_no_third(name: str) -> None:
    account = load(name, "account.json")
    if "rotation" in account["exempt"]:
        return
    request = read_request(load(name, "webhooks.json")["inbound_text"]["request"])
    assert len(account["signing_secrets"]) > 1
    for key in account["signing_secrets"]:
        signed = signer(name).sign(request, account["settings"][key])
        build(name).verify(signed, NOW_MS)
        with pytest.raises(BadSignature):
            build(name, **{key: another(name, account["settings"][key])}).verify(signed, NOW_MS)
    with pytest.raises(BadSignature):
        build(name).verify(signer(name).sign(request, "neither-of-the-two"), NOW_MS)


words = st.text(max_size=30) | st.sampled_from(["", "0", "-1", "9" * 30, "true", "null", "\x00", "\ud800", "%", "+1"])


@st.composite
def garbage(draw: st.DrawFn, name: str) -> tuple[Carrier, Request]:
    """A request of a case with parts of it replaced by anything, and the adapter that it was meant for."""
    case = draw(st.sampled_from(list(load(name, "webhooks.json").values())))
    request = signed_request(name, case)
    body = request.body
    if draw(st.booleans()):
        start = draw(st.integers(0, len(body)))
        body = body[:start] + draw(st.binary(max_size=12)) + body[start + draw(st.integers(0, 12)) :]
    if draw(st.integers(0, 4)) == 0:
        body = draw(st.binary(max_size=200))
    headers = request.headers
    for header in draw(st.sets(st.sampled_from(["Content-Type", "Host", *signer(name).HEADERS]))):
        headers = headers.replace(header, draw(words))
    url = request.url
    if draw(st.booleans()):
        start = draw(st.integers(0, len(url)))
        url = url[:start] + draw(words) + url[start:]
    method = draw(st.sampled_from([request.method, "GET", "POST", "PUT", "", "\x00"]))
    return build(name, **case.get("settings", {})), Request(method=method, url=url, headers=headers, body=body)


@every_carrier
@given(data=st.data())
@settings(deadline=None)
def test_garbage_raises_nothing_but_what_the_contract_names(name: str, data: st.DataObject) -> None:
    adapter, request = data.draw(garbage(name))
    try:
        verify(adapter, request)
    except (BadSignature, KeyWanted) as error:
        assert_hidden(name, error)
    try:
        events = adapter.read_webhook(request)
    except Unreadable:
        return
    assert all(
        isinstance(event, (InboundMessage, Receipt, OptOut, Handshake, Ignored, Unrecognized)) for event in events
    )
    assert all(event.status in REPORT for event in events if isinstance(event, Receipt))
    assert adapter.acknowledge(events).ok


# --- sending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "case"), cases("sends.json"))
def test_a_part_becomes_its_request(name: str, case: dict[str, Any]) -> None:
    adapter, part = build(name, **case.get("settings", {})), OutboundPart(**_tuples(case["part"]))
    request = adapter.write_send(part)
    assert written(request) == case["request"]
    assert request == adapter.write_send(part), "the same in, the same out"
    assert_hidden(name, request)


@every_carrier
def test_the_named_sends_hold_what_is_sent(name: str) -> None:
    """The words, the recipient, the pictures, and the reference that a receipt can be known by."""
    sends = {
        title: (OutboundPart(**_tuples(case["part"])), json.dumps(case["request"]))
        for title, case in load(name, "sends.json").items()
        if title in ("send_text", "send_media", "send_text_and_media")
    }
    for part, request in sends.values():
        wanted = (part.text, part.to.removeprefix("+"), part.ref, *part.media_urls)
        assert [each for each in wanted if json.dumps(each)[1:-1] not in request] == []
    assert sends["send_text"][0].text
    if CARRIERS[name].abilities.media:
        assert sends["send_media"][0].media_urls
        assert any(part.text and part.media_urls for part, _ in sends.values()), "no picture has words"


@pytest.mark.parametrize(("name", "case"), cases("answers.json"))
def test_an_answer_becomes_its_outcome(name: str, case: dict[str, Any]) -> None:
    outcome = build(name, **case.get("settings", {})).read_send(read_response(case["response"]))
    assert kind_and(outcome) == case["outcome"]


@every_carrier
def test_the_named_answers_are_what_their_names_say(name: str) -> None:
    exempt = load(name, "account.json")["exempt"]
    adapter = build(name)
    read = {title: adapter.read_send(read_response(c["response"])) for title, c in load(name, "answers.json").items()}
    assert isinstance(read["accepted"], Accepted)
    assert read["accepted"].carrier_message_id or "carrier_message_id" in exempt
    if "throttled" not in exempt:
        assert isinstance(read["throttled"], RetryLater)
        assert read["throttled"].cause in (Cause.RATE_LIMITED, Cause.QUEUE_FULL)
    for title, causes in (
        ("wrong_sender", WRONG_SENDER),
        ("not_sms_capable", NOT_CAPABLE),
        ("opted_out", {Cause.OPTED_OUT}),
    ):
        if title not in exempt:
            refused = read[title]
            assert isinstance(refused, Rejected)
            assert refused.cause in causes
    assert isinstance(read["server_error"], (Uncertain, RetryLater))


BODIES = [b"", b"null", b"[]", b"{}", b'{"sid": 7, "code": [], "status": {}, "message": 1}', b"<html>no</html>"]
BODIES += [
    b'{"code": true}',
    b'{"code": 1e999}',
    b'{"code": ' + b"9" * 5000 + b"}",
    b"[" * 100_000,
    b"\xff\xfe",
    b"NaN",
]


@every_carrier
def test_every_status_with_any_body_gives_an_outcome(name: str) -> None:
    """And none but a 2xx is taken for a yes."""
    adapter = build(name)
    bodies = BODIES + [read_response(case["response"]).body for case in load(name, "answers.json").values()]
    for status in [*range(100, 600), 0, 600, 999]:
        for body in bodies if status % 100 < 32 else bodies[:2]:
            response = Response(status=status, body=body)
            outcome = adapter.read_send(response)
            assert isinstance(outcome, (Accepted, RetryLater, Rejected, Uncertain))
            assert response.ok or not isinstance(outcome, Accepted)
            assert 400 <= status < 600 or response.ok or isinstance(outcome, Uncertain)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


NAMES = sorted(
    {
        found
        for name in CARRIERS
        for file in ("answers", "finds", "lists", "list_media", "lookups", "statuses")
        for case in load(name, f"{file}.json").values()
        for found in _names(case["response"].get("json"))
    }
)
"""Every name that an answer of some carrier has."""


@every_carrier
@given(
    body=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda it: (
            st.lists(it)
            | st.dictionaries(
                st.deferred(lambda: st.sampled_from(NAMES)),
                it,
            )
        ),
        max_leaves=8,
    ).map(lambda it: json.dumps(it).encode()),
    status=st.sampled_from([200, 201, 204, 400, 404, 429, 500]),
    retry_after=words,
    data=st.data(),
)
@settings(deadline=None)
def test_no_answer_breaks_a_reader(name: str, body: bytes, status: int, retry_after: str, data: st.DataObject) -> None:
    adapter = build(name, **data.draw(st.sampled_from(dialects(name))))
    response = Response(status=status, headers=Headers({"Retry-After": retry_after}), body=body)
    assert isinstance(adapter.read_send(response), (Accepted, RetryLater, Rejected, Uncertain))
    if adapter.abilities.lookup:
        assert isinstance(adapter.read_lookup("+14155550142", response, 0), Capability | None)
    if adapter.abilities.fetch_status:
        assert isinstance(adapter.read_fetch_status("SM1", response), Receipt | None)
    if adapter.abilities.find:
        try:
            found: Any = adapter.read_find(query_of({}), response)
        except LookupError as error:
            found = error
        assert found is None or type(found) in (Receipt, LookupError, Undecided)
    if adapter.abilities.listing != "nothing":
        text = InboundMessage(carrier_message_id="MM1", from_number="", to_number="", text="", media_missing=1)
        reads: list[Any] = [lambda: adapter.read_list(list_query_of({}), response)]
        if adapter.abilities.listing == "texts" and adapter.abilities.media:
            reads.append(lambda: adapter.read_list_media(text, response))
        for read in reads:
            try:
                listed: Any = read()
            except LookupError as error:
                listed = error
            assert type(listed) in (Listed, InboundMessage, LookupError)


# --- media, lookups, finding again ------------------------------------------------------------------------------------


def query_of(changed: dict[str, Any]) -> FindQuery:
    known = {"ref": "msg_1.1.1", "sender": "+14155550199", "to": "+14155550142", "text": "Yes, it is ready."}
    known |= {"has_media": False, "sent_after_ms": 1_793_714_818_000, "known_ids": []} | changed
    return FindQuery(**{**known, "known_ids": frozenset(known["known_ids"])})


def list_query_of(changed: dict[str, Any]) -> ListQuery:
    known = {"to": "+14155550199", "since_ms": 1_793_714_400_000, "until_ms": 1_793_718_000_000}
    return ListQuery(**(known | changed))


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


@pytest.mark.parametrize("name", sorted(CARRIERS))
def test_a_person_is_told_what_to_set_at_the_carrier(name: str) -> None:
    adapter, webhook = build(name), "https://bridge.example/hooks/carriers/account-7"
    steps = adapter.write_setup(webhook)
    host_and_path = webhook.partition("://")[2]  # some hold credentials before the host
    assert any(host_and_path in step for step in steps)
    for step in steps:
        assert step == step.strip()
        assert "\n" not in step
        assert not step.endswith(".")
        assert not [secret for secret in secrets_of(name) if secret in step]


@pytest.mark.parametrize(("name", "case"), cases("media.json"))
def test_media_is_fetched_from_the_carrier_alone(name: str, case: dict[str, Any]) -> None:
    adapter, media = build(name, **case.get("settings", {})), InboundMedia(**case["media"])
    if "refused" in case:
        with pytest.raises(ValueError, match=case["refused"]) as refused:
            adapter.write_media_fetch(media)
        assert_hidden(name, refused.value)
        return
    fetch = adapter.write_media_fetch(media)
    assert isinstance(fetch, Fetch)
    assert said(fetch) == case["fetch"]
    assert set(fetch.credentials_hosts) <= set(fetch.hosts)
    assert_hidden(name, fetch, fetch.request)


@pytest.mark.parametrize("name", [name for name in sorted(CARRIERS) if CARRIERS[name].abilities.media])
@given(
    url=st.text(max_size=60) | st.sampled_from(["http://", "https://[", "//[::1", "https://h:99999/", "file:///etc"])
)
@settings(deadline=None)
def test_any_other_media_url_is_refused(name: str, url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        build(name).write_media_fetch(InboundMedia(url=url))


@pytest.mark.parametrize(("name", "case"), cases("lookups.json"))
def test_a_lookup_says_what_is_known(name: str, case: dict[str, Any]) -> None:
    adapter = build(name, **case.get("settings", {}))
    request = adapter.write_lookup(case["number"], NOW_MS)
    if "request" in case:
        assert written(request) == case["request"]
    assert_hidden(name, request)
    assert said(adapter.read_lookup(case["number"], read_response(case["response"]), 7)) == case["capability"]


@pytest.mark.parametrize(("name", "case"), cases("finds.json"))
def test_a_lost_send_is_found_again_or_not_there_or_undecided(name: str, case: dict[str, Any]) -> None:
    adapter, query = build(name, **case.get("settings", {})), query_of(case.get("query", {}))
    request = adapter.write_find(query)
    if "request" in case:
        assert written(request) == case["request"]
    assert_hidden(name, request)
    if "undecided" in case:
        with pytest.raises(LookupError, match=case["undecided"]):
            adapter.read_find(query, read_response(case["response"]))
        return
    assert said(adapter.read_find(query, read_response(case["response"]))) == case["receipt"]


@pytest.mark.parametrize(("name", "case"), cases("lists.json"))
def test_what_came_can_be_listed_a_page_at_a_time(name: str, case: dict[str, Any]) -> None:
    adapter, query = build(name, **case.get("settings", {})), list_query_of(case.get("query", {}))
    request = adapter.write_list(query)
    if "request" in case:
        assert written(request) == case["request"]
    assert_hidden(name, request)
    if "unlisted" in case:
        with pytest.raises(LookupError, match=case["unlisted"]):
            adapter.read_list(query, read_response(case["response"]))
        return
    listed = adapter.read_list(query, read_response(case["response"]))
    assert [kind_and(event) for event in listed.events] == case["events"]
    assert (listed.next_page, listed.unreadable) == (case.get("next_page", ""), case.get("unreadable", 0))


@pytest.mark.parametrize(("name", "case"), cases("list_media.json"))
def test_the_attachments_of_a_listed_text_can_be_asked_for(name: str, case: dict[str, Any]) -> None:
    adapter, text = build(name), InboundMessage(**case["text"])
    request = adapter.write_list_media(text)
    if "request" in case:
        assert written(request) == case["request"]
    assert_hidden(name, request)
    if "unlisted" in case:
        with pytest.raises(LookupError, match=case["unlisted"]):
            adapter.read_list_media(text, read_response(case["response"]))
        return
    whole = adapter.read_list_media(text, read_response(case["response"]))
    assert said(whole) == case["whole"]
    assert [adapter.write_media_fetch(media).request.url for media in whole.media] == [m.url for m in whole.media]


@pytest.mark.parametrize(("name", "case"), cases("statuses.json"))
def test_the_state_of_a_sent_message_can_be_asked_for(name: str, case: dict[str, Any]) -> None:
    adapter = build(name, **case.get("settings", {}))
    request = adapter.write_fetch_status(case["carrier_message_id"])
    if "request" in case:
        assert written(request) == case["request"]
    assert_hidden(name, request)
    receipt = adapter.read_fetch_status(case["carrier_message_id"], read_response(case["response"]))
    assert said(receipt) == case["receipt"]
