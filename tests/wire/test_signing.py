"""Comparing what is shown with what our secrets make."""

import pytest

from smsbridge.wire.signing import is_one_of


@pytest.mark.parametrize(
    ("given", "right", "fits"),
    [
        ("old", ["new", "old"], True),
        ("new", ["new", "old"], True),
        ("other", ["new", "old"], False),
        ("", ["new"], False),
        ("anything", [], False),
        ("\udcff", ["\udcff"], True),
        ("é", ["e"], False),
    ],
)
def test_any_of_several_secrets_will_do_and_nothing_else(given: str, right: list[str], fits: bool) -> None:
    assert is_one_of(given, right) is fits


def test_all_are_compared_whichever_fits() -> None:
    """So the time does not tell which secret is the new one."""
    asked = []
    assert is_one_of("a", (asked.append(each) or each for each in ("a", "b", "c")))
    assert asked == ["a", "b", "c"]
