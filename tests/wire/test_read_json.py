"""JSON as carriers and clients write it, byte order mark and all."""

from __future__ import annotations

import pytest

from smsbridge.wire.encoding import Unreadable, read_json, read_object

MARK = b"\xef\xbb\xbf"


def test_a_byte_order_mark_in_front_is_passed_over() -> None:
    assert read_json(MARK + b'{"id": "m-1"}') == {"id": "m-1"}
    assert read_object(MARK + b'{"id": "m-1"}') == {"id": "m-1"}


def test_a_byte_order_mark_anywhere_else_is_a_character_like_others() -> None:
    assert read_json(b'{"text": "' + MARK + b'Hi"}') == {"text": "\ufeffHi"}


@pytest.mark.parametrize(
    "body",
    [
        MARK,
        MARK + MARK + b"{}",
        b"{" + MARK + b"}",
        '{"id": 1}'.encode("utf-16"),
        b'{"a": "caf\xe9"}',
        b'{"a": 1, "a": 2}',
    ],
)
def test_what_is_not_json_in_utf_8_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(body)
