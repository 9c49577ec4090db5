"""Forms are read by hand, because every webhook waits for it; urllib's reader says what is right."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.wire.encoding import MAX_FORM_FIELDS, Unreadable, read_form, write_form

pieces = st.sampled_from(
    ["a", "B", "=", "&", "+", "%", "%2B", "%2b", "%41", "%E2%98%BA", "%C3", "é", "☺", " ", ";", "\x00", "%0"]
)


@given(st.lists(pieces, max_size=25).map("".join))
def test_a_form_is_read_as_urllib_reads_it(text: str) -> None:
    try:
        right = tuple(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        with pytest.raises(Unreadable):
            read_form(text)
        return
    assert read_form(text) == right
    assert read_form(text.encode()) == right


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=10))
def test_what_was_written_is_read(pairs: list[tuple[str, str]]) -> None:
    encodable = [pair for pair in pairs if "".join(pair).isprintable()]
    assert list(read_form(write_form(encodable))) == encodable


def test_a_form_has_a_largest_number_of_fields() -> None:
    assert len(read_form("&".join(["a="] * MAX_FORM_FIELDS))) == MAX_FORM_FIELDS
    with pytest.raises(Unreadable, match="fields"):
        read_form("&".join(["a="] * (MAX_FORM_FIELDS + 1)))
    with pytest.raises(Unreadable):
        read_form("&" * MAX_FORM_FIELDS)


@pytest.mark.parametrize("body", [b"a=\xff", b"a=%ff", b"\xed\xa0\x80=1", b"%C3=1"])
def test_a_form_that_is_not_utf_8_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="UTF-8"):
        read_form(body)
