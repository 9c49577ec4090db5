"""What every list and every path has in common: ids that are looked up, cursors that go on from an id."""

from __future__ import annotations

import re
from typing import Final

from smsbridge.domain.errors import NotFound
from smsbridge.domain.message import Agent
from smsbridge.web.api.models import AgentIn, PageQuery
from smsbridge.web.endpoint import BadCursor, Call, read_cursor

_ID: Final = re.compile(r"[a-z]{2,4}_[0-9a-z]{1,40}")
_MAX_INTEGER_DIGITS: Final = 18


def read_id(call: Call, what: str) -> str:
    """The id in the path. One that no id of ours can look like is as unknown as any other, and not looked up."""
    text = call.path["id"]
    if not _ID.fullmatch(text):
        raise NotFound(what, text)
    return text


def read_integer_id(call: Call, what: str) -> int:
    text = call.path["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_INTEGER_DIGITS):
        raise NotFound(what, text)
    return int(text)


def read_before_id(query: PageQuery) -> str:
    """The id that the page before ended with; empty for the first page."""
    if not query.cursor:
        return ""
    before_id = read_cursor(query.cursor, str)
    if not _ID.fullmatch(before_id):
        raise BadCursor("This cursor is not one of ours. Leave it out to begin at the start.")
    return before_id


def read_before_integer_id(query: PageQuery) -> int | None:
    if not query.cursor:
        return None
    before_id = read_cursor(query.cursor, int)
    if not 0 <= before_id < 10**_MAX_INTEGER_DIGITS:
        raise BadCursor("This cursor is not one of ours. Leave it out to begin at the start.")
    return before_id


def read_agent(agent: AgentIn | None) -> Agent | None:
    return Agent(id=agent.id, name=agent.name) if agent else None
