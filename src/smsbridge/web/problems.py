"""Errors as answers: one table from what went wrong to an RFC 9457 problem."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from smsbridge.contracts.store import StoreUnavailable
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import (
    BadSignature,
    BridgeError,
    CannotSend,
    Conflict,
    FieldError,
    Invalid,
    NoRoom,
    NotFound,
    Unavailable,
)
from smsbridge.web.endpoint import BadCursor, BadIdempotencyKey, KeyInFlight, KeyReused
from smsbridge.wire.encoding import write_json

CONTENT_TYPE: Final = "application/problem+json"
MAX_FIELD_ERRORS: Final = 50
MAX_NAMES_LISTED: Final = 16
TYPES_AT: Final = "/docs/problems#"
"""A problem's `type` is a reference into the documentation that every bridge serves."""
INSTANCE: Final = "urn:smsbridge:request:"
"""A problem's `instance` ends with the id of the request, as in the answer's X-Request-Id and in the log."""


@dataclass(frozen=True, slots=True)
class ProblemType:
    """`name` is the fragment of its `type`; `title` never changes for one type (RFC 9457, 3.1.3)."""

    name: str
    status: int
    title: str


class NotAuthenticated(BridgeError):
    """No key, or one that is not known (any more)."""


class NotPermitted(BridgeError):
    """The key does not have the scope."""


class TooManyAttempts(BridgeError):
    """Too many wrong keys from one address."""


class TooLarge(BridgeError):
    """The body is over its limit."""


class WrongMediaType(BridgeError):
    """The body is of a type that this call does not read."""


class NotReadable(BridgeError):
    """The body is not what its type says."""


class TooSlow(BridgeError):
    """The body did not arrive in time."""


class NoLongerKept(BridgeError):
    """What is asked for was kept once."""


PROBLEMS: Final[Mapping[type[Exception], ProblemType]] = {
    CannotSend: ProblemType("cannot-send", 422, "The text cannot be sent"),
    Invalid: ProblemType("invalid", 422, "The request is not valid"),
    NotFound: ProblemType("not-found", 404, "There is no such thing"),
    Conflict: ProblemType("conflict", 409, "Not possible in this state"),
    KeyReused: ProblemType("idempotency-key-reused", 422, "The Idempotency-Key was used for another request"),
    KeyInFlight: ProblemType("idempotency-key-in-flight", 409, "The first request with this key is still running"),
    BadIdempotencyKey: ProblemType("idempotency-key-invalid", 400, "The Idempotency-Key is missing or not readable"),
    BadCursor: ProblemType("cursor-invalid", 400, "The cursor is not one of ours"),
    BadSignature: ProblemType("not-proven", 401, "The signature did not match"),
    NotAuthenticated: ProblemType("not-authenticated", 401, "The API key is missing or not known"),
    NotPermitted: ProblemType("not-permitted", 403, "The API key may not do this"),
    TooManyAttempts: ProblemType("too-many-attempts", 429, "Too many wrong keys"),
    NotReadable: ProblemType("not-readable", 400, "The body cannot be read"),
    TooSlow: ProblemType("too-slow", 408, "The body did not arrive in time"),
    NoLongerKept: ProblemType("no-longer-kept", 410, "It is no longer kept"),
    TooLarge: ProblemType("too-large", 413, "The body is too large"),
    WrongMediaType: ProblemType("wrong-media-type", 415, "The body is of another type"),
    Unavailable: ProblemType("unavailable", 503, "Not possible right now"),
    NoRoom: ProblemType("no-room", 507, "There is no room on the disk"),
    StoreUnavailable: ProblemType("unavailable", 503, "Not possible right now"),
}
"""Looked up by the error's class; the message of the error is the detail."""

BY_STATUS: Final[Mapping[int, ProblemType]] = {
    404: ProblemType("not-found", 404, "There is no such thing"),
    405: ProblemType("method-not-allowed", 405, "This URL takes other methods"),
    400: PROBLEMS[NotReadable],
}
INTERNAL: Final = ProblemType("internal", 500, "Something is wrong here")
RETRY_AFTER_S: Final = 5


def write_problem(error: Exception, request_id: str = "") -> web.Response:
    kind = PROBLEMS.get(type(error))
    if kind is None:
        return _response(INTERNAL, {"detail": "The log has it under this request id."}, request_id)
    members: dict[str, Any] = {"detail": str(error)}
    headers: dict[str, str] = {}
    match error:
        case CannotSend():
            members |= {"cause": error.cause, "notice": error.notice, "overridable": error.overridable}
            members["errors"] = [{"pointer": error.field, "detail": str(error)}] if error.field else []
        case Invalid():
            members |= {"cause": error.cause} if error.cause else {}
            members["errors"] = [_field(each) for each in error.errors]
        case Conflict():
            members["code"] = error.code
        case Unavailable():
            headers["Retry-After"] = str(error.retry_after_s)
        case StoreUnavailable():
            members["detail"] = "The store cannot be written to right now. Nothing was changed."
            headers["Retry-After"] = str(RETRY_AFTER_S)
        case NotAuthenticated() | BadSignature():
            headers["WWW-Authenticate"] = 'Bearer realm="smsbridge"'
        case TooManyAttempts():
            headers["Retry-After"] = "30"
        case _:
            pass
    return _response(kind, members, request_id, headers)


def write_status(
    status: int, detail: str, request_id: str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    """For what aiohttp itself refuses: an unknown URL, another method."""
    kind = BY_STATUS.get(status) or ProblemType("refused", status, "The request was refused")
    return _response(kind, {"detail": detail}, request_id, headers)


def explain_validation(error: ValidationError, model: type[BaseModel], *, body: bool) -> Invalid:
    """Every wrong field with a plain sentence. Pointers are JSON Pointers in a body, names in a query."""
    found = error.errors(include_url=False, include_input=False)[:MAX_FIELD_ERRORS]
    fields = [_explain(each, model, body=body) for each in found]
    where = "body" if body else "query"
    one = fields[0]
    count = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    sentence = f"The {where} is not valid: {one.pointer or where} {one.detail}{count}"
    return Invalid(sentence if sentence.endswith("?") else f"{sentence}.", *fields)


def _explain(error: ErrorDetails, model: type[BaseModel], *, body: bool) -> FieldError:
    facts = error.get("ctx", {})
    # What several fields have to settle among them is told of the one that a person would look at first.
    pointer = _pointer([*error["loc"], facts["field"]] if "field" in facts else error["loc"], body=body)
    if error["type"] == "extra_forbidden":
        known = _names_at(error["loc"][:-1], model)
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        meant = f"did you mean {_pointer([*error['loc'][:-1], near[0]], body=body)}?" if near else _listed(known)
        return FieldError(pointer, f"is not a known field; {meant}" if meant else "is not a known field")
    sentence = _SENTENCES.get(error["type"])
    if sentence is not None:
        return FieldError(pointer, sentence.format_map(facts))
    words = error["msg"].removeprefix("Value error, ").replace("Input should be ", "must be ").rstrip(".")
    return FieldError(pointer, words[:1].lower() + words[1:])


_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "string_too_long": "is too long: it may have at most {max_length} characters",
    "string_too_short": "is too short: it must have at least {min_length}",
    "too_long": "has {actual_length} entries: at most {max_length} are taken",
    "string_type": "must be a text",
    "string_unicode": "holds half of a surrogate pair, which is no character",
    "string_pattern_mismatch": "holds characters that it may not have",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
"""What to do about each kind of error that pydantic tells (https://docs.pydantic.dev/latest/errors/validation_errors/).
Those that our own validators raise are sentences already."""


def _pointer(location: Sequence[int | str], *, body: bool) -> str:
    steps = [str(step) for step in location]
    if not body:
        return ".".join(steps)
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps)


def _names_at(location: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """The names of the fields that the object at `location` takes, by the model's own JSON Schema."""
    schema = model.model_json_schema()
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    nodes = _objects(schema, definitions)
    for step in location:
        inner = [node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step) for node in nodes]
        nodes = [found for node in inner if node for found in _objects(node, definitions)]
    return [name for node in nodes for name in node.get("properties", {})]


def _objects(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The node itself, or what it refers to; of a union its members."""
    if "$ref" in node:
        return _objects(definitions[node["$ref"].rpartition("/")[2]], definitions)
    if "properties" not in node and "anyOf" in node:
        return [found for member in node["anyOf"] for found in _objects(member, definitions)]
    return [node]


def _listed(names: Sequence[str]) -> str:
    return f"there are {', '.join(names)}" if 0 < len(names) <= MAX_NAMES_LISTED else ""


def _field(error: FieldError) -> dict[str, str]:
    return {"pointer": error.pointer, "detail": error.detail}


def _response(
    kind: ProblemType, members: Mapping[str, Any], request_id: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = {"type": TYPES_AT + kind.name, "title": kind.title, "status": kind.status, **members}
    if request_id:
        body["instance"] = INSTANCE + request_id
    return web.Response(
        status=kind.status, body=write_json(body), headers={**(headers or {}), "Content-Type": CONTENT_TYPE}
    )


def problem_names() -> Sequence[ProblemType]:
    """Every type there is, for the page that explains them."""
    return [*PROBLEMS.values(), *BY_STATUS.values(), INTERNAL]


class ProblemField(BaseModel):
    """One wrong field."""

    pointer: str = Field(description="A JSON Pointer into the body, or the name of a parameter.", examples=["/txt"])
    detail: str = Field(description="What is wrong with it and, where that is known, what would be right.")


class Problem(BaseModel):
    """An error (RFC 9457). Programs decide by `type`; `detail` is a sentence for people and may change."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": f"{TYPES_AT}invalid",
                    "title": PROBLEMS[Invalid].title,
                    "status": 422,
                    "detail": "The body is not valid: /txt is not a known field; did you mean /text?",
                    "errors": [{"pointer": "/txt", "detail": "is not a known field; did you mean /text?"}],
                    "instance": f"{INSTANCE}0af7651916cd43dd8448eb211c80319c",
                }
            ]
        }
    )

    type: str = Field(description="The kind of problem: a reference to its description.")
    title: str = Field(description="The same for all problems of a type.")
    status: int
    detail: str
    instance: str = Field(description="Ends with the id of the request, as in X-Request-Id and in the log.")
    cause: Cause | None = Field(None, description="Why a text cannot go out.")
    code: str | None = Field(None, description="A fixed word for the state that does not allow it (409).")
    notice: str | None = Field(None, description="The kind of notice that tells the agent the same.")
    overridable: bool | None = Field(None, description="The same call with `force: true` is taken.")
    errors: list[ProblemField] | None = Field(None, description="Every wrong field.")
