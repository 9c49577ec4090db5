"""What the settings of the generic carrier promise beyond any one case: no value leaves the place it is put into."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsbridge.carriers.generic import CHARSETS, FORM, Generic
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import InboundMessage, Receipt
from smsbridge.domain.message import OutboundPart
from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.http import Headers, Request

ACCOUNT = json.loads((Path(__file__).parent / "generic" / "account.json").read_text("utf-8"))
HOOK = ACCOUNT["urls"]["webhook"]
SECRET = ACCOUNT["settings"]["webhook_secret"]


def build(**changed: Any) -> Generic:
    return Generic.from_settings({**ACCOUNT["settings"], **changed}, AccountUrls(webhook=HOOK))


hostile = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        '"}, "to": "+1900',
        "a\r\nX-Evil: 1",
        "&to=%2B1900#",
        "../../admin?x=1",
        "{text}{ref}",
        "\x00",
        "@evil.example/",
        "é☺",
    ]
)


@given(text=hostile, sender=hostile, to=hostile, ref=hostile)
@settings(max_examples=150, deadline=None)
def test_no_value_leaves_its_place(text: str, sender: str, to: str, ref: str) -> None:
    part = OutboundPart(ref=ref, sender=sender, to=to, text=text)
    fields = {"list": [{"text": "<{text}>"}], "to": "{to}", "{to}": "{{to}}"}
    headers = {"X-From": "from {from}", "X-Ref": "{ref}"}
    url = "https://api.acme.example/v1/{to}/send?from={from}&ref={ref}"

    request = build(send_url=url, send_fields=fields, send_headers=headers).write_send(part)
    assert json.loads(request.body) == {"list": [{"text": f"<{text}>"}], "to": to, "{to}": "{to}"}
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.acme.example", "")
    assert parts.path.count("/") == 3
    assert parse_qsl(parts.query, keep_blank_values=True) == [("from", sender), ("ref", ref)]
    assert [name for name, _ in request.headers] == ["X-From", "X-Ref", "Content-Type", "Authorization"]
    assert all(" " <= character <= "~" for _, value in request.headers for character in value)

    flat = {"text": "{text}", "to": "{to}", "to_digits": "{to_digits}"}
    expected = [("text", text), ("to", to), ("to_digits", to.removeprefix("+"))]
    form = build(send_as="form", send_fields=flat).write_send(part)
    assert parse_qsl(form.body.decode(), keep_blank_values=True) == expected
    query = build(send_as="query", send_fields=flat).write_send(part)
    assert parse_qsl(urlsplit(query.url).query, keep_blank_values=True) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{text.__class__}",
        "{text[0]}",
        "{text!r}",
        "{text:>100000000}",
        "{text:{ref}}",
        "{}",
        "{0}",
        "{env}",
        "}",
        "{text",
    ],
)
def test_a_template_is_names_and_nothing_else(template: str) -> None:
    for key, value in (
        ("send_fields", {"text": "{text}", "more": template}),
        ("send_url", f"https://acme.example/{template}"),
    ):
        with pytest.raises(ValueError, match=rf"^{key}: has a "):
            build(**{key: value})


def test_a_text_is_no_step_of_a_path() -> None:
    with pytest.raises(ValueError, match=r"^send_url: has the text in its path; "):
        build(send_url="https://acme.example/send/{text}")
    assert build(send_url="https://acme.example/send?t={text}")


def test_a_query_that_the_signature_does_not_cover_is_not_read() -> None:
    """Somebody who saw one signed receipt could otherwise send it on as another message's."""
    receipts = {"id": "id", "ref": "ref", "status": "status"}
    body = b'{"id": "m-9", "status": "delivered"}'
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    request = Request(
        method="POST",
        url=f"{HOOK}/receipt?ref=msg_01.1.1",
        headers=Headers({"Content-Type": "application/json", "X-Sig": signature}),
        body=body,
    )
    flat = {"kind": "", "text_kinds": None, "receipt_kinds": None, "events": "", "receipts": receipts}
    adapter = build(**flat, signature={"header": "X-Sig"})
    adapter.verify(request, 0)
    [receipt] = adapter.read_webhook(request)
    assert isinstance(receipt, Receipt)
    assert (receipt.carrier_message_id, receipt.part_ref) == ("m-9", "")


TEXTS = ACCOUNT["settings"]["texts"]


@pytest.mark.parametrize("paths", [[], ["message.at"], ["a"] * 9])
def test_an_id_is_made_of_several_paths_or_is_at_one(paths: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^texts\.id: is no list of 2 to 8 paths; "):
        build(texts={**TEXTS, "id": paths})


@pytest.mark.parametrize(("name", "paths"), [("id", ["message.at", "a..b"]), ("from", ["message.from", "message.at"])])
def test_each_path_is_a_path(name: str, paths: list[str]) -> None:
    with pytest.raises(ValueError, match=rf"^texts\.{name}: is no path; "):
        build(texts={**TEXTS, name: paths})


def test_an_id_that_is_made_tells_nothing_of_what_it_is_made_of_and_cannot_be_made_otherwise() -> None:
    adapter = build(
        signature=None,
        webhook_secret="a" * 24,
        events="",
        kind="",
        text_kinds=None,
        receipt_kinds=None,
        texts={"id": ["from", "at"], "from": "from", "to": "to", "text": "text"},
    )

    def id_of(sender: str, at: str) -> str:
        body = json.dumps({"from": sender, "at": at, "to": "72345", "text": "Hi"}).encode()
        [text] = adapter.read_webhook(Request(method="POST", url=HOOK, body=body))
        assert isinstance(text, InboundMessage)
        return text.carrier_message_id

    assert id_of("14155550142", "1") == id_of("14155550142", "1")
    assert len({id_of("14155550142", "1"), id_of("14155550142", "2"), id_of("1415555014", "21")}) == 3
    assert "14155550142" not in id_of("14155550142", "1")
    assert id_of("14155550142", "half a \ud83d") != id_of("14155550142", "half a \ude00")


@pytest.mark.parametrize("prefix", ["", "SHA256="])
def test_hexadecimal_digits_may_be_large(prefix: str) -> None:
    """.NET writes them so."""
    adapter = build(signature={"header": "X-Sig", "prefix": prefix} if prefix else {"header": "X-Sig"})
    signature = hmac.new(SECRET.encode(), b"{}", hashlib.sha256).hexdigest()
    for written in (signature, signature.upper()):
        headers = Headers({"X-Sig": prefix + written})
        adapter.verify(Request(method="POST", url=HOOK, headers=headers, body=b"{}"), 0)
    with pytest.raises(BadSignature):
        headers = Headers({"X-Sig": prefix + signature[:-1].upper()})
        adapter.verify(Request(method="POST", url=HOOK, headers=headers, body=b"{}"), 0)


@pytest.mark.parametrize(("now_s", "taken"), [(1_790_000_300, True), (1_790_000_301, False), (1_789_999_699, False)])
@pytest.mark.parametrize("written", ["1790000000", "1790000000000"])
def test_a_signature_holds_for_a_while(now_s: int, taken: bool, written: str) -> None:
    adapter = build(signature={"header": "X-Sig", "of": "{timestamp}{body}", "timestamp_header": "X-Time"})
    signature = hmac.new(SECRET.encode(), written.encode() + b"{}", hashlib.sha256).hexdigest()
    request = Request(method="POST", url=HOOK, headers=Headers({"X-Sig": signature, "X-Time": written}), body=b"{}")
    if taken:
        adapter.verify(request, now_s * 1000)
        return
    with pytest.raises(BadSignature, match="X-Time is 301 s from now"):
        adapter.verify(request, now_s * 1000)


def by_key(**changed: Any) -> Generic:
    """An account whose secret is in the URL, as plain as can be."""
    plain = {"signature": None, "events": "", "kind": "", "text_kinds": None, "receipt_kinds": None}
    return build(**plain, webhook_secret=KEY, texts={name: name for name in ("id", "from", "to", "text")}, **changed)


KEY = "a-key-in-the-url-of-acme"


@pytest.mark.parametrize("charset", CHARSETS)
def test_a_text_is_read_in_the_charset_of_the_account(charset: str) -> None:
    words = "plain & 100 % " + (bytes(range(0xE0, 0xF0)).decode(charset, "ignore") if charset != "utf-8" else "é☺")
    fields = {"id": "9", "from": "14155550142", "to": "72345", "text": words}
    form = urlencode(fields, encoding=charset)
    adapter, url = by_key(charset=charset), f"{HOOK}?key={KEY}"
    for request in (
        Request(method="GET", url=f"{url}&{form}"),
        Request(method="POST", url=url, headers=Headers({"Content-Type": FORM}), body=form.encode()),
        Request(method="POST", url=url, body=json.dumps(fields, ensure_ascii=False).encode(charset)),
    ):
        adapter.verify(request, 0)
        [text] = adapter.read_webhook(request)
        assert isinstance(text, InboundMessage)
        assert text.text == words


def test_a_text_in_another_charset_is_no_sign_of_a_stranger() -> None:
    request = Request(method="GET", url=f"{HOOK}?id=9&text=caf%E9&key={KEY}")
    by_key().verify(request, 0)
    with pytest.raises(Unreadable):
        by_key().read_webhook(request)
    with pytest.raises(BadSignature):
        by_key().verify(Request(method="GET", url=f"{HOOK}?id=9&text=caf%E9&key={KEY}x&key={KEY}"), 0)


def test_the_codes_of_the_settings_are_no_unknown_ones() -> None:
    assert "2001" not in Generic.codes
    assert build().codes["2001"].cause is Cause.UNREACHABLE
    assert build().codes["1004"].retry
    assert set(Generic.codes) < set(build().codes)
