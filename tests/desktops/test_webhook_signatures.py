"""The signatures of the webhook desktop against the published vectors and the `standardwebhooks` package."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from smsbridge.contracts.desktop import Delivery
from smsbridge.desktops.webhook import WebhookDesktop
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.message import EventId
from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.http import Headers, Request

SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
PREVIOUS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_MS = 1_772_637_944_000
BODY = b'{"type":"message.delivered","timestamp":"2026-03-04T15:25:44.000Z","data":{"id":"msg_01"}}'
GOOD = {
    "webhook-id": "evt_01HZX3Q8V2R7K5D9M4B6T1N0CE",
    "webhook-timestamp": "1772637944",
    "webhook-signature": "v1,fpvEjxDmo2E00nU2OLrqLj01vVkqz44zvCGUFd8YN2U=",
}


def desktop(**settings: Any) -> WebhookDesktop:
    return WebhookDesktop.from_settings({"url": "https://agents.example.com/sms", "secret": SECRET, **settings})


def posted(headers: Any, body: bytes = BODY) -> Request:
    return Request(method="POST", url="https://b.example.com/hooks/desktops/x", headers=Headers(headers), body=body)


@pytest.mark.parametrize(
    ("secret", "headers", "body", "now_s"),
    [
        pytest.param(SECRET, GOOD, BODY, 1_772_637_944, id="32 key bytes"),
        pytest.param(
            PREVIOUS,
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
            b'{"test": 2432232314}',
            1_614_265_330,
            id="the value that every library tests with",
        ),
    ],
)
def test_published_vectors_verify(secret: str, headers: dict[str, str], body: bytes, now_s: int) -> None:
    desktop(secret=secret).verify(posted(headers, body), now_s * 1000)


@pytest.mark.parametrize("secrets", [{}, {"secret_previous": PREVIOUS}], ids=["one secret", "while rotating"])
def test_the_package_verifies_what_we_post_with_either_secret(secrets: dict[str, str]) -> None:
    now_ms = time.time_ns() // 1_000_000  # the package reads the clock itself
    delivery = Delivery(event_id=EventId("evt_1"), type="message.received", at_ms=NOW_MS, data={"text": "Grüße 😀"})
    request = desktop(**secrets).write_delivery(delivery, now_ms)
    assert request is not None
    for secret in (SECRET, *secrets.values()):
        read = Webhook(secret).verify(request.body, dict(request.headers))
        assert read == {
            "type": "message.received",
            "timestamp": "2026-03-04T15:25:44.000Z",
            "data": {"text": "Grüße 😀"},
        }


@given(
    key=st.binary(min_size=24, max_size=64),
    webhook_id=st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True),
    body=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)
def test_what_the_package_signs_verifies(key: bytes, webhook_id: str, body: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    signature = Webhook(secret).sign(webhook_id, datetime.fromtimestamp(NOW_MS // 1000, UTC), body)
    headers = {"webhook-id": webhook_id, "webhook-timestamp": str(NOW_MS // 1000), "webhook-signature": signature}
    desktop(secret=secret).verify(posted(headers, body.encode()), NOW_MS)


@pytest.mark.parametrize("signature", ["v1a,abc= {}", "{} v2,abc=", "v1,AAAA {} v1,", "{} {}"])
def test_one_good_signature_among_others_is_enough(signature: str) -> None:
    listed = signature.replace("{}", GOOD["webhook-signature"])
    desktop().verify(posted({**GOOD, "webhook-signature": listed}), NOW_MS)


def test_header_names_may_be_written_in_any_case() -> None:
    desktop().verify(posted({name.title(): value for name, value in GOOD.items()}), NOW_MS)


def test_every_flipped_bit_of_the_body_fails() -> None:
    for position, bit in itertools.product(range(len(BODY)), range(8)):
        flipped = bytearray(BODY)
        flipped[position] ^= 1 << bit
        with pytest.raises(BadSignature):
            desktop().verify(posted(GOOD, bytes(flipped)), NOW_MS)


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"\n", b"", b"\xff\xfe"])
def test_a_longer_shorter_or_unreadable_body_fails(body: bytes) -> None:
    with pytest.raises(BadSignature):
        desktop().verify(posted(GOOD, body), NOW_MS)


def test_two_thousand_malformed_headers_are_bad_signatures_and_nothing_else() -> None:
    corpus = malformed()
    assert len(corpus) >= 2_000
    for headers in corpus:
        with pytest.raises(BadSignature) as caught:
            desktop().verify(posted(headers), NOW_MS)
        assert GOOD["webhook-signature"][3:] not in str(caught.value)


def malformed() -> list[list[tuple[str, str]]]:
    """The good headers with one of them spoilt: by hand where others are known to stumble, then at random."""
    rng = random.Random(7)
    spoilt: dict[str, list[str]] = {
        "webhook-id": [
            "",
            " ",
            ".",
            "evt.1",
            "é",
            "\0",
            "\udcff",
            "a\r\nb",
            "x" * 256,
            "x" * 100_000,
            "٣",
            GOOD["webhook-id"] + " ",
        ],
        "webhook-timestamp": [
            *(
                "",
                " ",
                "NaN",
                "nan",
                "inf",
                "-inf",
                "Infinity",
                "1e9",
                "1.7726379e9",
                "1772637944.0",
                "+1772637944",
                "0",
            ),
            *("-1772637944", "-1", " 1772637944", "1772637944 ", "1772637944\n", "1_772_637_944", "0x69a84c38", "null"),
            *(
                "9" * 12,
                "9" * 400,
                "1" * 100_000,
                "١٧٧٢٦٣٧٩٤٤",
                "１７７２６３７９４４",
                "²",
                "\udcb2",
                "01772637944",
                "1772637945",
            ),
        ],
        "webhook-signature": [
            *(
                "",
                " ",
                ",",
                "v1",
                "v1,",
                "v1,,",
                "v1,a,b",
                ",v1",
                "v1 ,x",
                "v1,=",
                "v1,====",
                "v1,é",
                "v1,\udcff",
                "v1,😀",
                "v1,\0",
            ),
            *(GOOD["webhook-signature"].removeprefix("v1,"), GOOD["webhook-signature"].replace("v1", "V1")),
            *(GOOD["webhook-signature"].replace("v1", version) for version in ("v0", "v2", "v1a", "v10", "v1 ")),
            *(GOOD["webhook-signature"].rstrip("="), GOOD["webhook-signature"] + "=", GOOD["webhook-signature"] + "\n"),
            *(GOOD["webhook-signature"].replace(",", sep) for sep in ("=", ";", ", ", ":", "")),
            *("v1," * 20_000, " ".join(["v1,AAAA"] * 5_000), "v1,whsec_AAAA"),
        ],
    }
    for position in range(3, len(GOOD["webhook-signature"])):
        for other in "A+z/9=":
            if GOOD["webhook-signature"][position] != other:
                text = GOOD["webhook-signature"]
                spoilt["webhook-signature"].append(text[:position] + other + text[position + 1 :])
    alphabet = [chr(rng.randrange(1, 0x2FF)) for _ in range(200)] + list("v1,=+/ \t\r\n.-0123456789\0\udc80\ud83d😀٣")
    for wrongs in spoilt.values():
        wrongs += ["".join(rng.choices(alphabet, k=rng.randrange(1, 30))) for _ in range(650)]
    corpus = [
        [(key, wrong if key == name else value) for key, value in GOOD.items()]
        for name, wrongs in spoilt.items()
        for wrong in wrongs
    ]
    corpus += [[pair for pair in GOOD.items() if pair[0] not in left_out] for left_out in subsets()]
    corpus += [[*GOOD.items(), (name, value)] for name, value in GOOD.items()]  # twice, even if alike
    return corpus


def subsets() -> list[set[str]]:
    return [set(chosen) for count in (1, 2, 3) for chosen in itertools.combinations(GOOD, count)]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        pytest.param(SECRET.encode(), "decode the base64", id="the whole secret as text"),
        pytest.param(SECRET.removeprefix("whsec_").encode(), "decode the base64", id="its base64 as text"),
        pytest.param(b"no key of ours at all...", "", id="a stranger"),
    ],
)
def test_a_usual_mistake_is_named_but_never_accepted(key: bytes, hint: str) -> None:
    content = f"{GOOD['webhook-id']}.{GOOD['webhook-timestamp']}.".encode() + BODY
    signature = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    with pytest.raises(BadSignature) as caught:
        desktop().verify(posted({**GOOD, "webhook-signature": signature}), NOW_MS)
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)


def test_a_wrong_clock_is_told_only_to_who_knows_the_secret() -> None:
    with pytest.raises(BadSignature, match="set both clocks"):
        desktop().verify(posted(GOOD), NOW_MS + 3_600_000)
    with pytest.raises(BadSignature, match="did not match") as caught:
        desktop(secret=PREVIOUS).verify(posted(GOOD), NOW_MS + 3_600_000)
    assert "clock" not in str(caught.value)


def test_the_answer_says_how_many_were_understood_and_why_others_were_not() -> None:
    made = desktop()
    good = posted({"webhook-id": "m1"}, b'{"type":"interaction.end","data":{"interaction_id":"int_1"}}')
    odd = posted({"webhook-id": "m2"}, b'{"type":"message.recall","data":{}}')
    nameless = posted({}, good.body)
    answers = [json.loads(made.acknowledge(made.read_webhook(request)).body) for request in (good, odd, nameless)]
    assert answers == [
        {"accepted": 1},
        {"accepted": 0, "unrecognized": ["unknown_type"]},
        {"accepted": 0, "unrecognized": ["no_webhook_id"]},
    ]


def test_deeply_nested_json_is_no_crash() -> None:
    with pytest.raises(Unreadable):
        desktop().read_webhook(posted({"webhook-id": "m1"}, b'{"data":' + b"[" * 100_000))
