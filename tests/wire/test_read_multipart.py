"""The other kind of form. httpx, which writes it, says what is right."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsbridge.wire.encoding import MAX_FORM_FIELDS, Unreadable, read_multipart

names = st.text(st.characters(exclude_categories=["C"], exclude_characters='"\\'), min_size=1)
values = st.binary() | st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b"--", b"\r\n--", b"Content-Disposition: form-data; name=x\r\n\r\n"]
)


@given(st.lists(st.tuples(names, values), min_size=1, max_size=8))
def test_what_httpx_wrote_is_read(pairs: list[tuple[str, bytes]]) -> None:
    request = httpx.Request("POST", "https://bridge.example", files=[(name, (None, value)) for name, value in pairs])
    assert list(read_multipart(request.headers["Content-Type"], request.read())) == pairs


@given(names, values)
def test_a_file_has_its_name_for_a_value(filename: str, content: bytes) -> None:
    request = httpx.Request("POST", "https://bridge.example", files={"photo": (filename, content, "image/png")})
    assert read_multipart(request.headers["Content-Type"], request.read()) == (("photo", filename.encode()),)


def test_it_has_a_largest_number_of_fields() -> None:
    fields = [("a", (None, b""))] * (MAX_FORM_FIELDS + 1)
    request = httpx.Request("POST", "https://bridge.example", files=fields)
    with pytest.raises(Unreadable, match="fields"):
        read_multipart(request.headers["Content-Type"], request.read())


@given(st.text(max_size=40), st.binary(max_size=80))
def test_garbage_is_unreadable_or_fields(content_type: str, body: bytes) -> None:
    for kind in (content_type, f"multipart/form-data; boundary={content_type}", "multipart/form-data; boundary=b"):
        try:
            assert isinstance(read_multipart(kind, b"--b\r\n" + body + b"\r\n--b--"), tuple)
        except Unreadable:
            continue
