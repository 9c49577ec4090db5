"""docs/api.md says everything that a reader needs: each call, scope, problem, cause, notice kind, event and status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smsbridge.domain.cause import Cause
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import NoticeKind
from smsbridge.domain.status import Status
from smsbridge.web.api import ENDPOINTS
from smsbridge.web.auth import SCOPES
from smsbridge.web.endpoint import Endpoint
from smsbridge.web.events import EventsQuery
from smsbridge.web.problems import problem_names

GUIDE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_call_is_in_the_guide(endpoint: Endpoint) -> None:
    assert f"`{endpoint.method} {endpoint.path}`" in GUIDE


@pytest.mark.parametrize("word", [*SCOPES, *Cause, *NoticeKind, *EventType, *Status], ids=str)
def test_every_word_of_a_closed_list_is_in_the_guide(word: str) -> None:
    assert f"`{word}`" in GUIDE


@pytest.mark.parametrize("problem", sorted({problem.name for problem in problem_names()}))
def test_every_problem_type_is_in_the_guide(problem: str) -> None:
    assert f"| `{problem}` |" in GUIDE


def test_the_event_stream_is_in_the_guide() -> None:
    assert "`GET /v1/events`" in GUIDE
    for name in EventsQuery.model_fields:
        assert re.search(rf"[`?&]{name}[`=]", GUIDE), name


def test_every_query_parameter_is_in_the_guide() -> None:
    common = {"limit", "cursor"}
    missing = [
        (endpoint.name, name)
        for endpoint in ENDPOINTS
        if endpoint.query is not None
        for name in set(endpoint.query.model_fields) - common
        if f"`{name}`" not in GUIDE
    ]
    assert missing == []
