"""The OpenAPI document is valid, complete, and says of every request and answer what the code does with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import TypeAdapter, ValidationError

from smsbridge.web.api import ENDPOINTS
from smsbridge.web.auth import SCOPES
from smsbridge.web.endpoint import Answer, BadIdempotencyKey, Call, Endpoint, read_idempotency_key
from smsbridge.web.openapi import TAGS, write_document
from smsbridge.web.problems import Problem, problem_names

DOCUMENT = write_document(ENDPOINTS, public_url="https://bridge.example")
OPERATIONS = {operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()}


async def nothing(_call: Call) -> Answer:
    return Answer()


def holds(schema: Any, value: Any) -> list[str]:
    """What is wrong with `value` by `schema`; nothing, if it holds."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def parameters(endpoint: Endpoint, where: str) -> dict[str, Any]:
    listed = OPERATIONS[endpoint.name].get("parameters", [])
    return {each["name"]: each for each in listed if each["in"] == where}


def test_it_is_openapi_3_1() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_call_is_in_it_once_under_its_own_id() -> None:
    assert len(OPERATIONS) == len(ENDPOINTS)
    for endpoint in ENDPOINTS:
        assert DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]["operationId"] == endpoint.name


def test_every_call_names_its_scope_in_words_and_for_programs() -> None:
    for endpoint in ENDPOINTS:
        operation = OPERATIONS[endpoint.name]
        assert operation["x-scope"] == endpoint.scope
        assert operation["security"] == [{"bearer": [endpoint.scope]}]
        assert f"`{endpoint.scope}`: {SCOPES[str(endpoint.scope)]}" in operation["description"]


def test_what_anybody_may_call_says_so_and_promises_no_refusal_of_keys() -> None:
    public = Endpoint(
        method="GET", path="/v1/x", summary="X", tag="messages", scope=None, handler=nothing, body_kind="none"
    )
    operation = write_document([public], public_url="https://e.example")["paths"]["/v1/x"]["get"]
    assert operation["security"] == []
    assert set(operation["responses"]) == {"200", "400", "503"}


def test_a_tag_that_nobody_described_is_an_error_and_not_a_gap() -> None:
    stray = Endpoint(method="GET", path="/v1/x", summary="X", tag="strays", scope=None, handler=nothing)
    with pytest.raises(KeyError, match="strays"):
        write_document([stray], public_url="https://e.example")


def test_every_tag_in_use_is_described_and_no_other_is_listed() -> None:
    used = {endpoint.tag for endpoint in ENDPOINTS}
    assert [tag["name"] for tag in DOCUMENT["tags"]] == [name for name in TAGS if name in used]
    assert used <= set(TAGS)


def test_the_query_models_are_the_parameters() -> None:
    for endpoint in ENDPOINTS:
        fields = endpoint.query.model_fields if endpoint.query else {}
        assert set(parameters(endpoint, "query")) == {field.alias or name for name, field in fields.items()}


def test_what_a_parameter_may_be_is_what_the_model_takes() -> None:
    """Each end of each limit, on both sides, by the schema and by the model."""
    checked = 0
    for endpoint in ENDPOINTS:
        asked = parameters(endpoint, "query")
        needed = {name: "x" for name, parameter in asked.items() if parameter.get("required")}
        for name, parameter in asked.items():
            schema = parameter["schema"]
            for value in edges(schema):
                assert endpoint.query is not None
                try:
                    TypeAdapter(endpoint.query).validate_python({**needed, name: value})
                except ValidationError:
                    taken = False
                else:
                    taken = True
                assert taken is (not holds(schema, value)), (endpoint.name, name, value)
                checked += 1
    assert checked > 100


def edges(schema: dict[str, Any]) -> Iterator[Any]:
    if "minimum" in schema:
        yield from (schema["minimum"] - 1, schema["minimum"], schema["maximum"], schema["maximum"] + 1)
    if "maxLength" in schema:
        least, most = schema.get("minLength", 0), schema["maxLength"]
        yield from ("x" * max(0, least - 1), "x" * least, "x" * most, "x" * (most + 1), "a\nb", "\x7f", "é😊")


def test_every_example_is_one_that_its_schema_takes() -> None:
    shown = [
        (operation["operationId"], content)
        for operation in OPERATIONS.values()
        for place in (operation.get("requestBody", {}), *operation["responses"].values())
        for content in place.get("content", {}).values()
        if "example" in content
    ]
    assert len(shown) > len(ENDPOINTS) // 2
    for name, content in shown:
        assert holds(content["schema"], content["example"]) == [], name


def test_every_example_of_a_request_is_one_that_is_taken() -> None:
    bodies = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None]
    assert bodies
    for endpoint in bodies:
        example = OPERATIONS[endpoint.name]["requestBody"]["content"]["application/json"]["example"]
        assert endpoint.body is not None
        endpoint.body.model_validate(example)


def test_every_example_of_a_parameter_holds() -> None:
    for operation in OPERATIONS.values():
        for parameter in operation.get("parameters", []):
            for example in parameter["schema"].get("examples", []):
                assert holds(parameter["schema"], example) == []


def test_a_body_that_may_be_left_out_says_so() -> None:
    for endpoint in ENDPOINTS:
        body = OPERATIONS[endpoint.name].get("requestBody")
        if endpoint.body_kind == "none":
            assert body is None
        elif endpoint.body is not None:
            assert body["required"] is not endpoint.body_optional


def test_what_creates_takes_a_key_and_says_when_it_gives_an_answer_again() -> None:
    for endpoint in ENDPOINTS:
        has_key = "Idempotency-Key" in parameters(endpoint, "header")
        headers = OPERATIONS[endpoint.name]["responses"][str(endpoint.status)].get("headers", {})
        assert has_key is endpoint.creates
        assert ("Idempotency-Replayed" in headers) is endpoint.creates


@pytest.mark.parametrize(
    "key", ["a", '"a"', "x" * 255, '"' + "x" * 255 + '"', "x" * 256, '""', '"', '"a', 'a"b', "é", "a\tb"]
)
def test_a_key_that_the_document_allows_is_taken(key: str) -> None:
    schema = parameters(next(each for each in ENDPOINTS if each.creates), "header")["Idempotency-Key"]["schema"]
    try:
        read_idempotency_key(key, required=True)
    except BadIdempotencyKey:
        assert holds(schema, key) != []


def test_every_refusal_is_a_problem_and_names_its_types() -> None:
    responses = DOCUMENT["components"]["responses"]
    for operation in OPERATIONS.values():
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            response = responses[answer["$ref"].rpartition("/")[2]]
            assert list(response["content"]) == ["application/problem+json"]
            names = {kind.name for kind in problem_names() if kind.status == int(status)}
            assert names
            assert all(f"`{name}`" in response["description"] for name in names)


def test_a_call_with_a_body_can_be_refused_for_its_body() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.body is not None or endpoint.body_kind == "multipart":
            assert {"400", "408", "413", "415", "422"} <= set(OPERATIONS[endpoint.name]["responses"])


def test_a_problem_leaves_out_what_it_has_not_to_say() -> None:
    """Never null: so says the schema, and so is every problem that the edge writes."""
    schema = DOCUMENT["components"]["schemas"]["Problem"]
    assert "null" not in json.dumps(schema["properties"])
    for example in Problem.model_json_schema()["examples"]:
        assert holds(schema, example) == []
    assert (
        holds(schema, {"type": "t", "title": "t", "status": 422, "detail": "d", "instance": "i", "cause": None}) != []
    )


def test_no_schema_is_there_that_nothing_refers_to() -> None:
    text = json.dumps(DOCUMENT)
    unused = [name for name in DOCUMENT["components"]["schemas"] if f'"#/components/schemas/{name}"' not in text]
    assert unused == []
