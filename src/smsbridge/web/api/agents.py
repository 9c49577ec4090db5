"""Agents and whether they are ready for texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from smsbridge.contracts.store import AgentStatus, Tx
from smsbridge.domain.errors import FieldError, Invalid, NotFound
from smsbridge.flows import agents, resources
from smsbridge.web.api import models
from smsbridge.web.api.fields import AgentId
from smsbridge.web.api.reading import read_agent
from smsbridge.web.endpoint import Answer, Call, Endpoint


async def list_all(call: Call) -> dict[str, Any]:
    def read(tx: Tx) -> list[dict[str, Any]]:
        accounts = {account.id: account for account in tx.list_agents()}
        statuses = {status.id: status for status in tx.list_agent_statuses()}
        busy = tx.open_interactions_by_agent()
        return [
            {
                **resources.agent_status(statuses.get(each) or AgentStatus(id=each, name=accounts[each].name)),
                "role": accounts[each].role if each in accounts else None,
                "open_interactions": busy.get(each, 0),
            }
            for each in sorted(accounts.keys() | statuses.keys())
        ]

    return {"items": await call.read(read), "next_cursor": None}


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
    if call.principal is None or not call.principal.supervises:
        read_agent(call, models.AgentIn(id=agent_id))  # nobody speaks for anybody else
    body = call.body(models.AgentStatusIn)

    def change(tx: Tx) -> dict[str, Any]:
        known = tx.agent_status(agent_id) or AgentStatus(id=agent_id)
        return resources.agent_status(agents.keep_status(tx, call.bridge, _changed(known, body)))

    return await call.write(change)


def _changed(known: AgentStatus, body: models.AgentStatusIn) -> AgentStatus:
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
        answer=models.AgentList,
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
