"""Reading and writing the body formats carriers use: forms, of either kind, and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlencode

from pydantic_core import to_json

MAX_FORM_FIELDS: Final = 1_000
MAX_JSON_DEPTH: Final = 64
_MAX_NUMBER: Final = 10**40
"""No id has more digits, and Python refuses to write numbers that have thousands."""


class Unreadable(ValueError):
    """Bytes that are not what their sender said they are. The message says what was wrong, never what they held."""


@lru_cache(maxsize=32)
def read_form(body: bytes | str) -> tuple[tuple[str, str], ...]:
    """The pairs of an `application/x-www-form-urlencoded` body or a query, blanks kept, order kept.

    A webhook passes here twice before it is answered, to be verified and to be read: the second time costs nothing.
    """
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        if text.count("&") >= MAX_FORM_FIELDS:
            raise Unreadable(f"not a readable form: more than {MAX_FORM_FIELDS} fields")
        # What urllib's parse_qsl gives, in a fraction of its time.
        halves = [field.partition("=") for field in text.replace("+", " ").split("&") if field]
        if "%" not in text:
            return tuple([(name, value) for name, _, value in halves])
        return tuple(
            [
                (
                    unquote_to_bytes(name).decode() if "%" in name else name,
                    unquote_to_bytes(value).decode() if "%" in value else value,
                )
                for name, _, value in halves
            ]
        )
    except UnicodeError:
        raise Unreadable("not a readable form: not UTF-8") from None


def read_multipart(content_type: str, body: bytes) -> tuple[tuple[str, bytes], ...]:
    """The fields of a `multipart/form-data` body (RFC 7578), in its order. Of a file the value is its name."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Unreadable("not a readable form: its parts have no boundary")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + (found[1] or found[2]).encode())
    if not parts or not parts.pop().startswith(b"--"):
        raise Unreadable("not a readable form: its last part is cut off")
    if len(parts) > MAX_FORM_FIELDS:
        raise Unreadable(f"not a readable form: more than {MAX_FORM_FIELDS} fields")
    return tuple(_read_part(part) for part in parts)


def _read_part(part: bytes) -> tuple[str, bytes]:
    head, _, value = part.partition(b"\r\n\r\n")
    name, filename = _NAME.search(head), _FILENAME.search(head)
    if name is None:
        raise Unreadable("not a readable form: a part has no name")
    return _said(name), value if filename is None else _said(filename).encode()


def _said(found: re.Match[bytes]) -> str:
    return (found[1] or found[2] or b"").decode("utf-8", "replace")


def _parameter(name: str) -> re.Pattern[bytes]:
    written = rf"""^content-disposition:[^\r\n]*; *{name}=(?:"([^"\r\n]*)"|([^\s;"]+))"""
    return re.compile(written.encode(), re.IGNORECASE | re.MULTILINE)


_NAME: Final = _parameter("name")
_FILENAME: Final = _parameter("filename")
_BOUNDARY: Final = re.compile(r"""; *boundary=(?:"([ !#-~]{1,200})"|([!#-:<-~]{1,200}))""", re.IGNORECASE)


def write_form(pairs: Iterable[tuple[str, str]]) -> bytes:
    return urlencode(list(pairs)).encode("ascii")


def read_json(body: bytes) -> Any:
    """A JSON value. Refuses NaN, duplicate names, more than `MAX_JSON_DEPTH` levels and anything not UTF-8.

    A byte order mark in front is passed over, as RFC 8259, 8.1 allows: without that the id in an answer is not seen,
    and a text that was taken is uncertain.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_constant)
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not readable JSON: {_why_not(error)}") from None
    _check_depth(value, MAX_JSON_DEPTH)
    return value


def _why_not(error: ValueError | RecursionError) -> str:
    """Where to look, for whoever wrote it."""
    match error:
        case json.JSONDecodeError():
            return f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"
        case UnicodeDecodeError():
            return f"not UTF-8 at byte {error.start + 1}"
        case RecursionError():
            return "nested too deeply"
        case _:
            return "a number is too long"


def read_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object in an answer; an empty one for anything else, such as the page of a gateway in between."""
    try:
        value = read_json(body)
    except Unreadable:
        return {}
    return value if isinstance(value, dict) else {}


def text_at(fields: object, *names: str) -> str:
    """The text at the end of a path of names in JSON, or an empty one where there is none."""
    value = value_at(fields, *names)
    return value if isinstance(value, str) else ""


def word_at(fields: object, *names: str) -> str:
    """A text or a whole number at the end of a path, as text: carriers write ids and codes both ways."""
    value = value_at(fields, *names)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_NUMBER else ""


def list_at(fields: object, *names: str) -> Sequence[Any]:
    """The list at the end of a path, or an empty one."""
    value = value_at(fields, *names)
    return value if isinstance(value, list) else ()


def value_at(fields: object, *names: str) -> Any:
    """What lies at the end of a path of names in JSON; None where a step is missing or leads into no object."""
    for name in names:
        if not isinstance(fields, Mapping):
            return None
        fields = fields.get(name)
    return fields


def write_json(value: Any) -> bytes:
    """Compact UTF-8 JSON; the same value always gives the same bytes. Raises ValueError for what UTF-8 cannot hold."""
    return to_json(value)  # pydantic's, which takes a quarter of the time of json.dumps


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Unreadable("not readable JSON: a name is twice in one object")
    return made


def _no_constant(name: str) -> None:
    raise Unreadable(f"not readable JSON: {name} is none of its numbers")


def _check_depth(value: Any, left: int) -> None:
    if left < 0:
        raise Unreadable("not readable JSON: nested too deeply")
    if isinstance(value, dict):
        for item in value.values():
            _check_depth(item, left - 1)
    elif isinstance(value, list):
        for item in value:
            _check_depth(item, left - 1)
