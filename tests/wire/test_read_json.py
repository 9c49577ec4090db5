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
    ("body", "where"),
    [
        (b"", "Expecting value at line 1, column 1"),
        (MARK, "Expecting value at line 1, column 1"),
        (b'{"to": "+14155550123",\n "text" "Hi"}', "Expecting ':' delimiter at line 2, column 9"),
        (b'{"text": "Hi', "Unterminated string starting at line 1, column 10"),
        (b'{"text": "H\ni"}', "Invalid control character at line 1, column 12"),
        (b'{"text": "caf\xe9"}', "not UTF-8 at byte 14"),
        ('{"text": "Hi"}'.encode("utf-16"), "not UTF-8 at byte 1"),
        (b'{"a": 1, "a": 2}', "a name is twice in one object"),
        (b"[NaN]", "NaN is none of its numbers"),
        (b"[" + b"1" * 5_000 + b"]", "a number is too long"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"[" * 70 + b"]" * 70, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(body: bytes, where: str) -> None:
    with pytest.raises(Unreadable) as found:
        read_json(body)
    assert str(found.value) == f"not readable JSON: {where}"


def test_nothing_is_told_of_what_it_holds() -> None:
    for body in (
        b'{"text": "Secret',
        b'"Secret\x01"',
        b'["Secret" "Secret"]',
        b'{"Secret": 1, "Secret": 2}',
        b"Secret",
    ):
        with pytest.raises(Unreadable) as found:
            read_json(body)
        assert "Secret" not in str(found.value)
