"""Who has an interaction in view."""

from __future__ import annotations

from typing import Any, Final

from smsbridge.contracts.store import Tx
from smsbridge.flows import interactions, presence, resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import read_id, require_agent
from smsbridge.web.endpoint import Answer, Call, Endpoint


async def look(call: Call) -> Answer:
    interaction_id = read_id(call, "interaction")
    body = call.body(models.PresenceIn)
    agent = require_agent(call, body.agent)

    def note(tx: Tx) -> dict[str, Any]:
        there = presence.look(tx, call.bridge, interaction_id, agent, writing=body.writing)
        return resources.presence(interactions.find(tx, interaction_id), there)

    return await call.write(note)


async def leave(call: Call) -> Answer:
    interaction_id = read_id(call, "interaction")
    agent = require_agent(call, call.body(models.LeaveIn).agent)
    return await call.write(lambda tx: presence.leave(tx, call.bridge, interaction_id, agent))


ENDPOINTS: Final = (
    Endpoint(
        method="PUT",
        path="/v1/interactions/{id}/presence",
        summary="Say that an agent has an interaction in view",
        description="To be said again every 20 seconds; who has not said it for 45 seconds has gone.",
        tag="interactions",
        scope="interactions:write",
        handler=look,
        body=models.PresenceIn,
        body_optional=True,
        answer=models.Presence,
        problems=(404, 422),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/interactions/{id}/presence",
        summary="Say that an agent has looked away",
        tag="interactions",
        scope="interactions:write",
        handler=leave,
        body=models.LeaveIn,
        body_optional=True,
        status=204,
        problems=(404, 422),
    ),
)
