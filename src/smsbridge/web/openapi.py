"""The OpenAPI 3.1 document, written from the endpoints and the very models that validate their requests.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from smsbridge import __version__
from smsbridge.web.auth import SCOPES
from smsbridge.web.endpoint import Endpoint
from smsbridge.web.problems import CONTENT_TYPE, Problem, problem_names

Json = dict[str, Any]

REF: Final = "#/components/schemas/{model}"
BEARER: Final = "bearer"

DESCRIPTION: Final = """\
Send texts, follow what becomes of them, run interactions, read transcripts.

Requests and answers are JSON; times are RFC 3339, UTC, with milliseconds; numbers are E.164 (`+15005550010`), and in a
URL the plus is written `%2B`. A field or parameter that the API does not know is refused, so that a misspelt one is not
overlooked. Answers may get more fields in later versions: ignore those you do not know.

Lists come in pages: give `next_cursor` as `cursor`, with the same filters, until it is null."""

TAGS: Final[Mapping[str, str]] = {
    "messages": "Texts in and out, and what became of them.",
    "interactions": "Chat sessions with a beginning and an end: `waiting → active → ended → done`.",
    "contacts": "The people outside, each known by their number.",
    "numbers": "What is known of a number before a text goes to it.",
    "attachments": "Pictures and files.",
    "notices": "Our words to the agent: what went wrong, and what to do about it.",
    "events": "Everything that happens, in order: as a stream, or page by page.",
    "agents": "Who is ready for texts.",
    "standard responses": "Texts that agents send often.",
    "operations": "For whoever runs the bridge: senders, what was given up, what was not understood.",
}
"""Every tag that an endpoint may have, in the order in which the documentation shows them."""

_FILE: Final[Json] = {"type": "string", "contentMediaType": "application/octet-stream"}
_IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "Any text that is unique to this request, best a UUID, with or without quotes around it. Repeating the request "
        "with the same key gives the same answer and does nothing a second time. The configuration may demand it."
    ),
    "required": False,
    "schema": {
        "type": "string",
        "pattern": r'^(?:"(?:[ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~](?:[ -~]{0,253}[!-~])?)$',
        "examples": ['"8e03978e-40d5-43e8-bc93-6894a57f9324"'],
    },
}
_LAST_EVENT_ID: Final[Json] = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The `id` of the last event that was read. What happened since comes first.",
    "required": False,
    "schema": {"type": "string", "pattern": r"^\d{1,15}$", "examples": ["48213"]},
}
_REPLAYED: Final[Json] = {
    "description": "`true` when the request was answered before and this is that answer.",
    "schema": {"type": "string", "const": "true"},
}
_LOCATION: Final[Json] = {
    "description": "Where the resource can be read from now on.",
    "schema": {"type": "string", "format": "uri-reference"},
}
_PROBLEM_HEADERS: Final[Mapping[int, Json]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": r"^\d+$"}}},
    503: {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": r"^\d+$"}}},
    507: {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": r"^\d+$"}}},
}
_MEANS: Final[Mapping[int, str]] = {
    400: "The request cannot be read.",
    401: "There is no key, or it is not known.",
    403: "The key does not have the scope.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "It is not possible in this state.",
    410: "It is no longer kept.",
    413: "The body is too large.",
    415: "The body is of a type that this call does not read.",
    422: "The request is readable and wrong; the detail says why.",
    429: "Too many wrong keys came from this address.",
    503: "It is not possible right now; nothing was changed. Repeat it.",
    507: "The disk is nearly full, so nothing new is taken from agents; nothing was changed. Repeat it later.",
}
_PATH_PARAMETERS: Final[Mapping[str, Json]] = {
    "/v1/messages": {"examples": ["msg_01jd9x5m3v8z2k7q4n6p0r1s2t"]},
    "/v1/interactions": {"examples": ["int_01jd9x5m3v8z2k7q4n6p0r1s2t"]},
    "/v1/contacts": {"examples": ["con_01jd9x5m3v8z2k7q4n6p0r1s2t"]},
    "/v1/attachments": {"examples": ["att_01jd9x5m3v8z2k7q4n6p0r1s2t"]},
    "/v1/notices": {"examples": ["ntc_01jd9x5m3v8z2k7q4n6p0r1s2t"]},
    "/v1/standard-responses": {"examples": ["std_01jd9x5m3v8z2k7q4n6p0r1s2t"]},
    "/v1/arrivals": {"examples": ["arr_01jd9x5m3v8z2k7q4n6p0r1s2t"]},
    "/v1/dead-letters": {"examples": ["7"]},
    "/v1/agents": {"maxLength": 100, "examples": ["ag-7"]},
    "/v1/numbers": {"maxLength": 64, "examples": ["+15005550010"]},
}
"""What the ids below a path look like."""


def write_document(endpoints: Sequence[Endpoint], *, public_url: str) -> Json:
    """The document as plain values. Raises KeyError for a tag or a scope that is nowhere described."""
    schemas = _write_schemas(endpoints)
    queries = {endpoint.query.__name__ for endpoint in endpoints if endpoint.query is not None}
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _write_operation(endpoint, schemas)
    used = {endpoint.tag for endpoint in endpoints}
    statuses = sorted({status for endpoint in endpoints for status in _problem_statuses(endpoint)})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smsbridge",
            "version": __version__,
            "summary": "A durable bridge between SMS carriers and agent desktops.",
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "responses": {_problem_name(status): _write_problem_response(status) for status in statuses},
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "smsb_…",
                    "description": "An API key, made by `smsbridge keys create`. Each call names the scope it needs.",
                }
            },
        },
    }


def write_example(schema: Mapping[str, Any], schemas: Mapping[str, Json]) -> Any:
    """A value that the schema takes, made of the examples in it. Fields that may be left out and say nothing, are."""
    if "$ref" in schema:
        return write_example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _write_chosen(schema[key], schemas)
    match schema.get("type"):
        case "object":
            wanted = schema.get("properties", {})
            return {name: write_example(each, schemas) for name, each in wanted.items()}
        case "array":
            return [write_example(schema["items"], schemas)]
        case "string":
            return "…" * max(1, schema.get("minLength", 1))
        case "integer" | "number":
            return schema.get("default", max(1, schema.get("minimum", 1)))
        case "boolean":
            return schema.get("default", False)
        case _:
            return None


def _write_chosen(options: Sequence[Mapping[str, Any]], schemas: Mapping[str, Json]) -> Any:
    """Of what may be null: an object, or what has an example. A cause picked from a list would be a wrong story."""
    if {"type": "null"} not in options:
        return write_example(options[0], schemas)
    for each in options:
        meant = schemas[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        if meant.get("examples") or meant.get("type") == "object":
            return write_example(meant, schemas)
    return None


# --- operations


def _write_operation(endpoint: Endpoint, schemas: Mapping[str, Json]) -> Json:
    if endpoint.tag not in TAGS:
        raise KeyError(f"{endpoint.path}: the tag {endpoint.tag!r} is not described")
    operation: Json = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": _describe(endpoint),
        "parameters": _write_parameters(endpoint, schemas),
        "responses": _write_responses(endpoint, schemas),
    }
    if (body := _write_body(endpoint, schemas)) is not None:
        operation["requestBody"] = body
    if endpoint.scope is None:
        operation["security"] = []
    else:
        operation["security"] = [{BEARER: [endpoint.scope]}]
        operation["x-scope"] = endpoint.scope
    if not operation["parameters"]:
        del operation["parameters"]
    return operation


def _describe(endpoint: Endpoint) -> str:
    sentences = [endpoint.description] if endpoint.description else []
    if endpoint.scope is None:
        sentences.append("Anybody may call it; no key is needed.")
    else:
        sentences.append(f"Needs the scope `{endpoint.scope}`: {SCOPES[endpoint.scope]}.")
    return "\n\n".join(sentences)


def _write_parameters(endpoint: Endpoint, schemas: Mapping[str, Json]) -> list[Json]:
    parameters = [_write_path_parameter(endpoint.path, name) for name in re.findall(r"{(\w+)}", endpoint.path)]
    if endpoint.query is not None:
        model = schemas[endpoint.query.__name__]
        required = model.get("required", [])
        parameters += [
            _write_query_parameter(name, schema, required=name in required)
            for name, schema in model["properties"].items()
        ]
    if endpoint.creates:
        parameters.append(_IDEMPOTENCY_KEY)
    if "text/event-stream" in endpoint.content_types:
        parameters.append(_LAST_EVENT_ID)
    return parameters


def _write_path_parameter(path: str, name: str) -> Json:
    about = next((facts for begin, facts in _PATH_PARAMETERS.items() if path.startswith(f"{begin}/")), {})
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, **about}}


def _write_query_parameter(name: str, schema: Mapping[str, Any], *, required: bool) -> Json:
    """A parameter cannot be null: it is there, or it is not."""
    shape = _without_null(schema)
    about = {"description": shape.pop("description")} if "description" in shape else {}
    return {"name": name, "in": "query", "required": required, **about, "schema": shape}


def _write_body(endpoint: Endpoint, schemas: Mapping[str, Json]) -> Json | None:
    if endpoint.body_kind == "multipart":
        form = {"type": "object", "properties": {"file": _FILE}, "required": ["file"]}
        return {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}, "application/octet-stream": {"schema": {}}},
        }
    if endpoint.body is None or endpoint.body_kind != "json":
        return None
    schema = {"$ref": REF.format(model=endpoint.body.__name__)}
    shown = {"schema": schema, "example": write_example(schema, schemas)}
    return {"required": not endpoint.body_optional, "content": {"application/json": shown}}


# --- answers


def _write_responses(endpoint: Endpoint, schemas: Mapping[str, Json]) -> Json:
    answer: Json = {"description": endpoint.answer.__name__ if endpoint.answer else "It is done."}
    if content := {kind: _write_content(kind, endpoint, schemas) for kind in _content_types(endpoint)}:
        answer["content"] = content
        if endpoint.answer is None:
            answer["description"] = "The file."
        else:
            answer["description"] = _first_sentence(schemas[endpoint.answer.__name__], endpoint.answer.__name__)
    if endpoint.creates:
        answer["headers"] = {"Location": _LOCATION, "Idempotency-Replayed": _REPLAYED}
    refusals = {
        str(status): {"$ref": f"#/components/responses/{_problem_name(status)}"}
        for status in _problem_statuses(endpoint)
    }
    return {str(endpoint.status): answer, **refusals}


def _content_types(endpoint: Endpoint) -> Sequence[str]:
    return endpoint.content_types if endpoint.status != _NO_CONTENT else ()


def _write_content(kind: str, endpoint: Endpoint, schemas: Mapping[str, Json]) -> Json:
    if kind == "application/json" and endpoint.answer is not None:
        schema = {"$ref": REF.format(model=endpoint.answer.__name__)}
        return {"schema": schema, "example": write_example(schema, schemas)}
    if kind.startswith("text/"):
        return {"schema": {"type": "string"}}
    return {}  # bytes: 3.1 has no schema for them


def _problem_statuses(endpoint: Endpoint) -> list[int]:
    """Each status that the call can be refused with, by itself or by what stands before it."""
    statuses = {400, 503, *endpoint.problems}
    if endpoint.scope is not None:
        statuses |= {401, 403, 429}
    if endpoint.query is not None:
        statuses.add(422)
    if endpoint.body is not None or endpoint.body_kind == "multipart":
        statuses |= {408, 413, 415, 422}
    if endpoint.creates:
        statuses |= {409, 422}
    return sorted(statuses)


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _write_problem_response(status: int) -> Json:
    names = sorted({kind.name for kind in problem_names() if kind.status == status})
    response: Json = {
        "description": f"{_MEANS[status]} Types: {', '.join(f'`{name}`' for name in names)}.",
        "content": {CONTENT_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}},
    }
    if status in _PROBLEM_HEADERS:
        response["headers"] = _PROBLEM_HEADERS[status]
    return response


# --- schemas


def _write_schemas(endpoints: Iterable[Endpoint]) -> dict[str, Json]:
    """What is taken is described as it is validated, what is given as it is serialized."""
    taken = {model for each in endpoints for model in (each.query, each.body) if model is not None}
    given = {each.answer for each in endpoints if each.answer is not None}
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in sorted(taken, key=_name)),
        *((model, "serialization") for model in sorted(given, key=_name)),
        (Problem, "validation"),
    ]
    _, made = models_json_schema(wanted, by_alias=True, ref_template=REF)
    schemas: dict[str, Json] = {name: _without_field_titles(made["$defs"][name]) for name in sorted(made["$defs"])}
    # A member of a problem that has nothing to say is left out, and never null.
    problem = schemas[Problem.__name__]
    problem["properties"] = {name: _without_null(each) for name, each in problem["properties"].items()}
    return schemas


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _without_null(schema: Mapping[str, Any]) -> Json:
    shape = dict(schema)
    if "default" in shape and shape["default"] is None:
        del shape["default"]
    options = [each for each in shape.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) == 1:
        del shape["anyOf"]
        shape = {**options[0], **shape}
    return shape


def _without_field_titles(schema: Json) -> Json:
    """The title of a field is its name in other letters."""
    properties = schema.get("properties", {})
    bare = {name: {key: value for key, value in each.items() if key != "title"} for name, each in properties.items()}
    return {**schema, "properties": bare} if properties else schema


def _first_sentence(schema: Mapping[str, Any], fallback: str) -> str:
    text = " ".join(str(schema.get("description", "")).split())
    return text.partition(". ")[0].rstrip(".") + "." if text else f"{_as_words(fallback)}."


def _as_words(name: str) -> str:
    """`StandardResponseList` → `Standard response list`."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).capitalize()


_NO_CONTENT: Final = 204
