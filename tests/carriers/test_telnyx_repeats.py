"""On what it rests that a send to Telnyx whose answer was lost may be repeated."""

from __future__ import annotations

from dataclasses import replace

from smsbridge.carriers.telnyx import Telnyx
from smsbridge.domain.message import OutboundPart
from smsbridge.domain.outcome import Uncertain
from smsbridge.wire.http import Response

TELNYX = Telnyx(api_key="KEY0123456789", public_key="", webhook="https://bridge.example.net/hooks/carriers/telnyx")
PART = OutboundPart(ref="msg_1.2.3", sender="+17735550002", to="+13125550001", text="Hi", validity_s=60, at_ms=1)


def test_a_repeat_has_the_same_bytes_and_the_same_key() -> None:
    first, again = TELNYX.write_send(PART), TELNYX.write_send(replace(PART, validity_s=59, at_ms=9_000))
    assert first == again
    assert first.headers.get("Idempotency-Key") == "msg_1:2:3"


def test_another_try_is_no_repeat() -> None:
    assert TELNYX.write_send(replace(PART, ref="msg_1.2.4")).headers.get("Idempotency-Key") == "msg_1:2:4"


def test_a_repeat_that_differs_is_never_taken_for_the_refusal_of_the_first() -> None:
    """A picture's address ends differently after a quarter of an hour. Telnyx documents the 422 and not its words."""
    for body in (b"", b"{}", b'{"errors": [{"code": "10027", "title": "x"}]}', b'{"errors": [{"code": "99999"}]}'):
        assert isinstance(TELNYX.read_send(Response(status=422, body=body)), Uncertain)
