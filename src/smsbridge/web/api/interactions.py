"""The life of interactions, and their transcripts."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from smsbridge.contracts.store import Tx
from smsbridge.domain.errors import CannotSend, FieldError, Invalid
from smsbridge.domain.message import Agent, Interaction
from smsbridge.flows import agents, interactions, numbers, resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import check_hands, read_agent, read_before_id, read_id, read_reader, require_agent
from smsbridge.web.api.transcripts import read_transcript
from smsbridge.web.endpoint import Answer, Call, Endpoint, Principal, write_page
from smsbridge.web.problems import NotPermitted


async def create(call: Call) -> Answer:
    body = call.body(models.InteractionIn)
    await numbers.look_up_before(call.bridge, body.to)

    def begin(tx: Tx) -> dict[str, Any] | CannotSend:
        opened = interactions.open_outbound(
            tx,
            call.bridge,
            to=body.to,
            from_sender=body.from_ or "",
            agent=read_agent(call, body.agent),
            force=body.force,
        )
        return opened if isinstance(opened, CannotSend) else resources.interaction(opened)

    return await call.write(begin, location="/v1/interactions/{id}")


async def show(call: Call) -> dict[str, Any]:
    interaction_id = read_id(call, "interaction")
    return await call.read(lambda tx: resources.interaction(interactions.find(tx, interaction_id)))


async def list_all(call: Call) -> dict[str, Any]:
    query = call.query(models.InteractionQuery)
    before_id = read_before_id(query)
    reader = read_reader(call, query.reader)

    def read(tx: Tx) -> dict[str, Any]:
        found = tx.list_interactions(
            states=frozenset(query.state),
            agent_id=query.agent,
            contact_id=query.contact or "",
            limit=query.limit + 1,
            before_id=before_id,
        )
        shown = resources.interaction_summaries(tx, call.bridge, found, agent_id=reader)
        return write_page(shown, query.limit, itemgetter("id"))

    return await call.read(read)


async def show_transcript(call: Call) -> dict[str, Any]:
    interaction_id = read_id(call, "interaction")

    def read(tx: Tx) -> dict[str, Any]:
        interactions.find(tx, interaction_id)
        return read_transcript(tx, call, interaction_id=interaction_id)

    return await call.read(read)


async def accept(call: Call) -> Answer:
    body = call.body(models.AcceptIn)
    agent = require_agent(call, body.agent)
    interaction_id = read_id(call, "interaction")
    return await call.write(
        lambda tx: resources.interaction(interactions.accept(tx, call.bridge, interaction_id, agent))
    )


async def end(call: Call) -> Answer:
    agent = read_agent(call, call.body(models.EndIn).agent)
    return await _change(call, lambda tx, found: interactions.end(tx, call.bridge, found, agent=agent))


async def mark_done(call: Call) -> Answer:
    body = call.body(models.DoneIn)

    def finish(tx: Tx, found: str) -> Interaction:
        return interactions.mark_done(
            tx,
            call.bridge,
            found,
            agent=read_agent(call, body.agent),
            disposition=body.disposition,
            note=body.note,
        )

    return await _change(call, finish)


async def take_note(call: Call) -> Answer:
    body = call.body(models.InteractionPatch)
    return await _change(
        call,
        lambda tx, found: interactions.take_note(tx, call.bridge, found, note=body.note, disposition=body.disposition),
    )


async def reactivate(call: Call) -> Answer:
    agent = read_agent(call, call.body(models.ReactivateIn).agent)
    return await _change(call, lambda tx, found: interactions.reactivate(tx, call.bridge, found, agent=agent))


async def assign(call: Call) -> Answer:
    body = call.body(models.AssignIn)
    by = read_agent(call, body.by)

    def give(tx: Tx, found: str) -> Interaction:
        agent = Agent(id=body.agent.id, name=body.agent.name) if body.agent else None
        if agent is not None and call.principal is not None and call.principal.agent is not None:
            agent = _at_the_desk(tx, call.principal, found, agent)
        return interactions.assign(tx, call.bridge, found, agent=agent, by=by)

    return await _change(call, give)


def _at_the_desk(tx: Tx, giver: Principal, interaction_id: str, taker: Agent) -> Agent:
    """Who gets it. What nobody has is an agent's own to take, and only a supervisor's to give to others."""
    giver_id = giver.agent.id if giver.agent else ""
    nobody_has_it = interactions.find(tx, interaction_id).agent is None
    if nobody_has_it and taker.id != giver_id and not giver.supervises:
        raise NotPermitted("Only a supervisor gives a waiting text to somebody else.")
    known = agents.known_as(tx, taker)
    if known is None:
        raise Invalid(f"There is no agent {taker.id}.", FieldError("/agent", "is no agent"))
    return known


async def mark_read(call: Call) -> Answer:
    interaction_id = read_id(call, "interaction")
    body = call.body(models.ReadIn)
    agent_id = require_agent(call, body.agent).id

    def mark(tx: Tx) -> None:
        interactions.mark_read(tx, call.bridge, interaction_id, agent_id=agent_id, up_to_seq=body.up_to_seq)

    return await call.write(mark)


async def _change(call: Call, step: Callable[[Tx, str], Interaction]) -> Answer:
    interaction_id = read_id(call, "interaction")

    def work(tx: Tx) -> dict[str, Any]:
        check_hands(tx, call, interaction_id)
        return resources.interaction(step(tx, interaction_id))

    return await call.write(work)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/interactions",
        summary="Create an SMS interaction",
        description="The one that is open with this contact and sender is given back as it is, an ended one goes on.",
        tag="interactions",
        scope="interactions:write",
        handler=create,
        body=models.InteractionIn,
        answer=models.Interaction,
        status=201,
        creates=True,
        problems=(409, 422),
    ),
    Endpoint(
        method="GET",
        path="/v1/interactions",
        summary="List interactions, newest first",
        tag="interactions",
        scope="messages:read",
        handler=list_all,
        query=models.InteractionQuery,
        answer=models.InteractionPage,
        problems=(422,),
    ),
    Endpoint(
        method="GET",
        path="/v1/interactions/{id}",
        summary="Show an interaction",
        tag="interactions",
        scope="messages:read",
        handler=show,
        answer=models.Interaction,
        problems=(404,),
    ),
    Endpoint(
        method="PATCH",
        path="/v1/interactions/{id}",
        summary="Write down a note or a disposition while it goes on",
        tag="interactions",
        scope="interactions:write",
        handler=take_note,
        body=models.InteractionPatch,
        answer=models.Interaction,
        problems=(404, 409, 422),
    ),
    Endpoint(
        method="GET",
        path="/v1/interactions/{id}/transcript",
        summary="Show the transcript of an interaction",
        tag="interactions",
        scope="messages:read",
        handler=show_transcript,
        query=models.TranscriptQuery,
        answer=models.Transcript,
        problems=(404, 422),
    ),
    Endpoint(
        method="POST",
        path="/v1/interactions/{id}/accept",
        summary="Take a waiting interaction",
        tag="interactions",
        scope="interactions:write",
        handler=accept,
        body=models.AcceptIn,
        body_optional=True,
        answer=models.Interaction,
        problems=(404, 409, 422),
    ),
    Endpoint(
        method="POST",
        path="/v1/interactions/{id}/end",
        summary="End an interaction",
        tag="interactions",
        scope="interactions:write",
        handler=end,
        body=models.EndIn,
        body_optional=True,
        answer=models.Interaction,
        problems=(404, 409, 422),
    ),
    Endpoint(
        method="POST",
        path="/v1/interactions/{id}/done",
        summary="Mark an interaction done, for good",
        tag="interactions",
        scope="interactions:write",
        handler=mark_done,
        body=models.DoneIn,
        body_optional=True,
        answer=models.Interaction,
        problems=(404, 409, 422),
    ),
    Endpoint(
        method="POST",
        path="/v1/interactions/{id}/reactivate",
        summary="Make an ended interaction active again",
        tag="interactions",
        scope="interactions:write",
        handler=reactivate,
        body=models.ReactivateIn,
        body_optional=True,
        answer=models.Interaction,
        problems=(404, 409, 422),
    ),
    Endpoint(
        method="POST",
        path="/v1/interactions/{id}/assign",
        summary="Give an open interaction to an agent, or back to the queue",
        tag="interactions",
        scope="interactions:write",
        handler=assign,
        body=models.AssignIn,
        answer=models.Interaction,
        problems=(404, 409, 422),
    ),
    Endpoint(
        method="POST",
        path="/v1/interactions/{id}/read",
        summary="Say what an agent has had in view",
        tag="interactions",
        scope="interactions:write",
        handler=mark_read,
        body=models.ReadIn,
        body_optional=True,
        status=204,
        problems=(404, 422),
    ),
)
