"""Agents and whether they are ready for texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from smsbridge.contracts.store import AgentStatus, Tx
from smsbridge.domain.errors import FieldError, Invalid, NotFound
from smsbridge.flows import resources
from smsbridge.flows.journal import tell_of_agent
from smsbridge.web.api import models
from smsbridge.web.api.fields import AgentId
from smsbridge.web.endpoint import Answer, Call, Endpoint


async def list_all(call: Call) -> dict[str, Any]:
    kept = await call.read(lambda tx: tx.list_agent_statuses())
    return {"items": [resources.agent_status(each) for each in kept], "next_cursor": None}


async def show_status(call: Call) -> dict[str, Any]:
    agent_id = call.path["id"]
    if not _can_be_an_id(agent_id):
        raise NotFound("agent", agent_id)
    status = await call.read(lambda tx: tx.agent_status(agent_id))
    if status is None:
        raise NotFound("agent", agent_id)
    return resources.agent_status(status)


async def set_status(call: Call) -> Answer:
    agent_id = call.path["id"]
    if not _can_be_an_id(agent_id):
        raise Invalid(
            "An agent's id is one line of 1 to 100 characters.", FieldError("id", "must have 1 to 100 characters")
        )
    body = call.body(models.AgentStatusIn)

    def change(tx: Tx) -> dict[str, Any]:
        known = tx.agent_status(agent_id)
        changed = _changed(known or AgentStatus(id=agent_id), body)
        if known is None or known.ready is not changed.ready:
            changed = replace(changed, changed_at_ms=call.bridge.now_ms())
        shown = resources.agent_status(changed)
        if changed != known:
            tx.save_agent_status(changed)
            tell_of_agent(tx, call.bridge, shown)
        return shown

    return await call.write(change)


def _changed(known: AgentStatus, body: models.AgentStatusIn) -> AgentStatus:
    """`changed_at_ms` stays: it is since when the agent is ready or not, by which offers are distributed."""
    kept_reason = "" if body.ready else known.reason
    return replace(
        known,
        ready=body.ready,
        reason=kept_reason if body.reason is None else body.reason,
        auto_answer=known.auto_answer if body.auto_answer is None else body.auto_answer,
        name=known.name if body.name is None else body.name,
    )


def _can_be_an_id(text: str) -> bool:
    try:
        TypeAdapter(AgentId).validate_python(text)
    except ValidationError:
        return False
    return True


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/agents",
        summary="List agents and their status",
        tag="agents",
        scope="desk:read",
        handler=list_all,
        answer=models.AgentStatusList,
    ),
    Endpoint(
        method="GET",
        path="/v1/agents/{id}/status",
        summary="Show whether an agent is ready",
        tag="agents",
        scope="desk:read",
        handler=show_status,
        answer=models.AgentStatus,
        problems=(404,),
    ),
    Endpoint(
        method="PUT",
        path="/v1/agents/{id}/status",
        summary="Say that an agent is ready, or not",
        tag="agents",
        scope="desk:write",
        handler=set_status,
        body=models.AgentStatusIn,
        answer=models.AgentStatus,
        problems=(422,),
    ),
)
