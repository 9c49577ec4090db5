"""What a request may say and what it is told when it may not; and that resources are what the models say they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from smsbridge.web.api import models

TO = {"to": "+15005550010"}


def refusal(model: type[BaseModel], body: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return [("/" + "/".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]


def test_an_agent_is_an_id_or_an_object() -> None:
    by_id = models.MessageIn.model_validate({**TO, "agent": "ag-7"}).agent
    by_object = models.MessageIn.model_validate({**TO, "agent": {"id": "ag-7", "name": "Bo"}}).agent
    assert by_id == models.AgentIn(id="ag-7")
    assert by_object == models.AgentIn(id="ag-7", name="Bo")


def test_nobody_to_send_to_is_refused_and_null_is_nobody() -> None:
    for body in ({}, {"text": "hi"}, {"to": None}, {"to": None, "interaction_id": None}):
        assert refusal(models.MessageIn, body) == [("/", "is missing: give a number, or an interaction_id")]


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"text": "a\0b"}, "/text", "NUL"),
        ({"text": "\ud83d"}, "/text", "unicode"),
        ({"text": "x" * 10_001}, "/text", "10000"),
        ({"text": 7}, "/text", "string"),
        ({"to": "+1\n500"}, "/to", "one line"),
        ({"to": "1" * 65}, "/to", "64"),
        ({"form": "+15005550006"}, "/form", "not permitted"),
        ({"agent": ""}, "/agent/id", "at least 1"),
        ({"agent": 7}, "/agent", "AgentIn"),
        ({"agent": {"id": "a", "nick": "b"}}, "/agent/nick", "not permitted"),
        ({"agent": {"id": "a" * 101}}, "/agent/id", "100"),
        ({"client_reference": "r" * 201}, "/client_reference", "200"),
        ({"client_reference": "a\x1bb"}, "/client_reference", "control"),
        ({"force": "true"}, "/force", "boolean"),
        ({"force": 1}, "/force", "boolean"),
        ({"media": [{}]}, "/media/0", "either url or attachment_id"),
        ({"media": [{"url": "https://e.example/", "attachment_id": "att_1"}]}, "/media/0", "either"),
        ({"media": [{"url": "file:///etc/passwd"}]}, "/media/0/url", "https://"),
        ({"media": [{"url": "https://e.example/a b"}]}, "/media/0/url", "blanks"),
        ({"media": [{"url": "http://[::1"}]}, "/media/0/url", "a host"),
        ({"media": [{"url": "https://e.example:99999999/"}]}, "/media/0/url", "a host"),
        ({"media": [{"url": "https://ann:secret@e.example/"}]}, "/media/0/url", "without a password"),
        ({"media": [{"url": "https://e.example/" + "a" * 2_048}]}, "/media/0/url", "2048"),
        ({"media": [{"attachment_id": "att_1"}] * 11}, "/media", "10"),
        ({"metadata": []}, "/metadata", "dictionary"),
        ({"metadata": {"a": "x" * 4_096}}, "/metadata", "4096"),
        ({"metadata": {"a": ["\0"]}}, "/metadata", "NUL"),
        ({"metadata": {"a": {"\ud800": 1}}}, "/metadata", "surrogate"),
        ({"metadata": {"a": [[{"b": "\udfff"}]]}}, "/metadata", "surrogate"),
        ({"metadata": {"a": 2**53}}, "/metadata", "a number lies"),
        ({"metadata": {"a": float("inf")}}, "/metadata", "a number lies"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(body: dict[str, Any], pointer: str, words: str) -> None:
    ((where, what),) = refusal(models.MessageIn, {**TO, **body})
    assert where == pointer
    assert words in what


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({f"a{n}": 1 for n in range(51)}, "50"),
        ({"": 1}, "name"),
        ({"a" * 101: 1}, "name"),
        ({"a\nb": 1}, "one line"),
        ({"a": "x" * 1_001}, "1000"),
        ({"a": [1]}, "lists"),
        ({"a": {"b": 1}}, "lists"),
        ({"a": "\0"}, "NUL"),
        ({"a": "\ud800"}, "surrogate"),
        ({"\ud800": "a"}, "surrogate"),
        ({"a": -(2**60)}, "a number lies"),
        ({"a": float("nan")}, "a number lies"),
    ],
)
def test_attributes_have_limits(attributes: dict[str, Any], words: str) -> None:
    ((where, what),) = refusal(models.ContactPatch, {"attributes": attributes})
    assert where == "/attributes"
    assert words in what


def test_attributes_keep_what_they_are_given() -> None:
    given = {"customer": 4711, "vip": True, "since": None, "rate": 1.5, "note": "zwei\nZeilen 😊"}
    assert models.ContactPatch.model_validate({"attributes": given}).attributes == given


@pytest.mark.parametrize("shortcut", ["", "two words", "a/b", "a\0", "a" * 41, "tab\t"])
def test_a_shortcut_can_be_typed_after_a_slash(shortcut: str) -> None:
    ((where, _what),) = refusal(models.StandardResponseIn, {"shortcut": shortcut, "title": "t", "text": "x"})
    assert where == "/shortcut"


def test_every_example_in_the_schemas_is_one_that_is_taken() -> None:
    requests = [each for each in vars(models).values() if isinstance(each, type) and issubclass(each, models.Request)]
    shown = [(model, example) for model in requests for example in model.model_json_schema().get("examples", [])]
    assert len(shown) >= 4
    for model, example in shown:
        model.model_validate(example)


def test_schemas_show_no_empty_defaults_and_no_repeated_titles() -> None:
    schema = json.dumps(models.MessageIn.model_json_schema())
    assert '"default": ""' not in schema
    assert '"default": null' not in schema
    assert '"title": "Client Reference"' not in schema


def test_resources_may_grow_but_requests_are_strict() -> None:
    assert models.MessageIn.model_json_schema()["additionalProperties"] is False
    assert "additionalProperties" not in models.Message.model_json_schema()
