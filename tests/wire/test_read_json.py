"""What is wrong with JSON is said so that its author finds it, and never repeats what stood there."""

from __future__ import annotations

import pytest

from smsbridge.wire.encoding import Unreadable, read_json


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"text": "Hi",\n secret}', "not readable JSON at line 2, column 2"),
        (b"", "not readable JSON at line 1, column 1"),
        (b'{"text": "\xff"}', "not readable JSON: not UTF-8"),
        (b"[" * 100_000, "not readable JSON: nested too deeply"),
        (b'{"secret": 1, "secret": 2}', "not readable JSON: a name stands twice in one object"),
        (b'{"rate": NaN}', "not readable JSON: NaN is not JSON"),
        (b'{"rate": ' + b"9" * 5_000 + b"}", "not readable JSON: a number has too many digits"),
    ],
    ids=lambda value: value[18:] if isinstance(value, str) else "",
)
def test_the_problem_is_named_and_nothing_is_repeated(body: bytes, problem: str) -> None:
    with pytest.raises(Unreadable) as raised:
        read_json(body)
    assert str(raised.value) == problem
