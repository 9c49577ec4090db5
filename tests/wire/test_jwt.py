"""Tokens that a shared secret signs."""

from __future__ import annotations

import jwt
import pytest

from smsbridge.wire.encoding import Unreadable
from smsbridge.wire.jwt import read_jwt

SECRET = "a-secret-of-64-characters-0123456789-0123456789-0123456789-01234"
OTHER = SECRET[::-1]


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_claims_are_read_where_one_of_the_secrets_signed_them(algorithm: str) -> None:
    token = jwt.encode({"iss": "somebody", "exp": 7}, SECRET, algorithm=algorithm)
    assert read_jwt(token, [OTHER, SECRET]) == {"iss": "somebody", "exp": 7}
    assert read_jwt(token, [OTHER]) is None
    assert read_jwt(token, []) is None


def test_another_spelling_of_the_signature_is_another_signature() -> None:
    token = jwt.encode({"iss": "somebody"}, SECRET, algorithm="HS256")
    for other in (token + "=", token[:-1] + chr(ord(token[-1]) ^ 1), token + "\ud800"):
        assert read_jwt(other, [SECRET]) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "\ud800.a.b",
        jwt.encode({"a": 1}, None, algorithm="none"),
        "e30.e30.e30",
        "A" * 99_999,
    ],
    ids=range(9),
)
def test_what_is_no_such_token_is_unreadable(token: str) -> None:
    with pytest.raises(Unreadable):
        read_jwt(token, [SECRET])
