"""What every list and every path has in common: ids that are looked up, cursors that go on from an id."""

from __future__ import annotations

import re
from typing import Final

from smsbridge.contracts.store import Tx
from smsbridge.domain.errors import FieldError, Invalid, NotFound
from smsbridge.domain.message import Agent
from smsbridge.flows import interactions
from smsbridge.web.api.models import AgentIn, PageQuery
from smsbridge.web.endpoint import BadCursor, Call, read_cursor
from smsbridge.web.problems import NotPermitted

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


def read_agent(call: Call, said: AgentIn | None) -> Agent | None:
    """Who acts. At the desk that is whoever is signed in, and nobody speaks for anybody else."""
    signed_in = call.principal.agent if call.principal else None
    if signed_in is None:
        return Agent(id=said.id, name=said.name) if said else None
    if said is not None and said.id != signed_in.id:
        raise NotPermitted(f"You are signed in as {signed_in.id} and cannot act for {said.id}.")
    return signed_in


def require_agent(call: Call, said: AgentIn | None) -> Agent:
    """The same where somebody must act."""
    agent = read_agent(call, said)
    if agent is None:
        raise Invalid("The body is not valid: /agent is missing.", FieldError("/agent", "is missing"))
    return agent


def check_hands(tx: Tx, call: Call, interaction_id: str) -> None:
    """At the desk, an interaction is in one pair of hands: only its own agent and a supervisor change it."""
    principal = call.principal
    if principal is not None and principal.agent is not None and not principal.supervises:
        interactions.check_owner(tx, interactions.find(tx, interaction_id), principal.agent)


def read_reader(call: Call, asked: str) -> str:
    """Whose unread counts are shown: the agent asked for, else whoever is signed in."""
    signed_in = call.principal.agent if call.principal else None
    return asked or (signed_in.id if signed_in else "")
