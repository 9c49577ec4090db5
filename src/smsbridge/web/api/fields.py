"""The kinds of field that requests and resources are made of, each with its limit, its refusal and its example.

A limit that a JSON Schema can say is in the schema too, so that a reader of the OpenAPI document learns of it before
the first refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from smsbridge.wire.encoding import write_json
from smsbridge.wire.http import NO_WEB_ADDRESS, is_web_address

MAX_TEXT_CHARS: Final = 10_000
MAX_ATTRIBUTES: Final = 50
MAX_ATTRIBUTE_NAME_CHARS: Final = 100
MAX_ATTRIBUTE_CHARS: Final = 1_000
MAX_METADATA_BYTES: Final = 4_096
MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The greatest whole number that every JSON reader reads back as it was (RFC 8259, section 6)."""


@dataclass(frozen=True, slots=True)
class Chars:
    """A text of `least` to `most` characters: one line without control characters or, with `lines`, any but NUL."""

    most: int
    least: int = 0
    lines: bool = False

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        check = _check_text if self.lines else _check_line
        length = core_schema.str_schema(min_length=self.least, max_length=self.most)
        return core_schema.no_info_after_validator_function(check, length)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": _TEXT_PATTERN if self.lines else _LINE_PATTERN}


def _check_line(value: str) -> str:
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in value):
        raise PydanticCustomError("control_character", "must be one line without control characters")
    return value


def _check_text(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("control_character", "must not hold NUL characters")
    return value


_LINE_PATTERN: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_TEXT_PATTERN: Final = r"^[^\u0000]*$"


def _check_url(value: str) -> str:
    if not is_web_address(value):
        raise _wrong(NO_WEB_ADDRESS)
    return value


def _check_attributes(values: dict[str, Any]) -> dict[str, Any]:
    if len(values) > MAX_ATTRIBUTES:
        raise _wrong(f"has {len(values)} attributes; at most {MAX_ATTRIBUTES} are kept")
    for name, value in values.items():
        if not name or len(name) > MAX_ATTRIBUTE_NAME_CHARS:
            raise _wrong(f"an attribute's name has 1 to {MAX_ATTRIBUTE_NAME_CHARS} characters")
        _check_line(_check_unicode(name))
        if isinstance(value, str) and len(value) > MAX_ATTRIBUTE_CHARS:
            raise _wrong(f"an attribute's text has at most {MAX_ATTRIBUTE_CHARS} characters")
        if not isinstance(value, str | int | float | bool | None):
            raise _wrong("an attribute is a text, a number, true, false or null; lists and objects are not kept")
        _check_value(value)
    return values


def _check_metadata(values: dict[str, Any]) -> dict[str, Any]:
    _check_value(values)
    size_bytes = len(write_json(values))
    if size_bytes > MAX_METADATA_BYTES:
        raise _wrong(f"has {size_bytes} bytes as JSON; at most {MAX_METADATA_BYTES} are kept")
    return values


def _check_value(value: Any) -> None:
    """Whether every store keeps it and every JSON reader reads it back as it was."""
    match value:
        case str():
            _check_text(_check_unicode(value))
        case int() | float() if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            raise _wrong(f"a number lies between -{MAX_SAFE_INTEGER} and {MAX_SAFE_INTEGER}")
        case dict():
            for name, item in value.items():
                _check_text(_check_unicode(name))
                _check_value(item)
        case list():
            for item in value:
                _check_value(item)
        case _:
            pass


def _check_unicode(value: str) -> str:
    """JSON can spell half a surrogate pair, UTF-8 cannot. Fields of the type `str` are checked by pydantic itself."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _wrong("holds half of a surrogate pair, which is no character") from None
    return value


def _wrong(detail: str) -> PydanticCustomError:
    return PydanticCustomError("value", "{detail}", {"detail": detail})


_ATTRIBUTES_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "maxProperties": MAX_ATTRIBUTES,
    "propertyNames": {"minLength": 1, "maxLength": MAX_ATTRIBUTE_NAME_CHARS, "pattern": _LINE_PATTERN},
    "additionalProperties": {
        "anyOf": [
            {"type": "string", "maxLength": MAX_ATTRIBUTE_CHARS, "pattern": _TEXT_PATTERN},
            {"type": "number", "minimum": -MAX_SAFE_INTEGER, "maximum": MAX_SAFE_INTEGER},
            {"type": "boolean"},
            {"type": "null"},
        ]
    },
}

_URL_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "maxLength": 2_048,
    "pattern": r"^https://[!-~]+$",
    "examples": ["https://example.com/map.png"],
}
_METADATA_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": f"Any JSON object of at most {MAX_METADATA_BYTES} bytes.",
}

Text = Annotated[str, Chars(MAX_TEXT_CHARS, lines=True)]
Name = Annotated[str, Chars(200)]
Word = Annotated[str, Chars(200, least=1)]
Reference = Annotated[str, Chars(64, least=1)]
"""One of our ids in a request. What it names is looked up, so its shape is not checked."""
Number = Annotated[str, Chars(64, least=1), Field(examples=["+15005550010"])]
"""A phone number as a person or a program writes it; what is wrong with it is said by the flow that reads it."""
AgentId = Annotated[str, Chars(100, least=1), Field(examples=["ag-7"])]
AgentFilter = Annotated[str, Chars(100)]
Url = Annotated[str, Chars(2_048, least=1), AfterValidator(_check_url), WithJsonSchema(_URL_SCHEMA)]
Attributes = Annotated[dict[str, Any], AfterValidator(_check_attributes), WithJsonSchema(_ATTRIBUTES_SCHEMA)]
Metadata = Annotated[dict[str, Any], AfterValidator(_check_metadata), WithJsonSchema(_METADATA_SCHEMA)]

# In answers:
MessageId = Annotated[str, Field(pattern=r"^msg_[0-9a-z]+$", examples=["msg_01jd9x5m3v8z2k7q4n6p0r1s2t"])]
InteractionId = Annotated[str, Field(pattern=r"^int_[0-9a-z]+$", examples=["int_01jd9x5m3v8z2k7q4n6p0r1s2t"])]
ConversationId = Annotated[str, Field(pattern=r"^cnv_[0-9a-z]+$", examples=["cnv_01jd9x5m3v8z2k7q4n6p0r1s2t"])]
ContactId = Annotated[str, Field(pattern=r"^con_[0-9a-z]+$", examples=["con_01jd9x5m3v8z2k7q4n6p0r1s2t"])]
AttachmentId = Annotated[str, Field(pattern=r"^att_[0-9a-z]+$", examples=["att_01jd9x5m3v8z2k7q4n6p0r1s2t"])]
NoticeId = Annotated[str, Field(pattern=r"^ntc_[0-9a-z]+$", examples=["ntc_01jd9x5m3v8z2k7q4n6p0r1s2t"])]
EventId = Annotated[str, Field(pattern=r"^evt_[0-9a-z]+$", examples=["evt_01jd9x5m3v8z2k7q4n6p0r1s2t"])]
Time = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$",
        examples=["2026-11-03T14:06:58.123Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
