"""Agents of the built-in desk: who may sign in, and who is there to be offered a text."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import AgentAccount, AgentStatus, Tx
from smsbridge.domain.errors import NotFound
from smsbridge.domain.interaction import State
from smsbridge.domain.message import Agent
from smsbridge.flows import contacts, interactions, resources
from smsbridge.flows.journal import tell_of_agent

_AT_ONCE: Final = 200
ABSENT_MS: Final = 900_000
"""Whose desk has been closed for so long is not there. An open one is seen every five minutes at least."""
AWAY: Final = "Away"


def let_in(tx: Tx, bridge: Bridge, account: AgentAccount) -> None:
    """Somebody who is there already has to sign in anew."""
    tx.end_sessions_of(account.id)
    tx.save_agent(account)
    stand_down(tx, bridge, account.id)


def let_go(tx: Tx, bridge: Bridge, agent_id: str) -> None:
    """Ends their sessions and lets them in no more. What they had goes back to the queue: contacts wait for answers."""
    if not tx.delete_agent(agent_id):
        raise NotFound("agent", agent_id)
    stand_down(tx, bridge, agent_id)
    while held := tx.list_interactions(states=[State.ACTIVE], agent_id=agent_id, limit=_AT_ONCE):
        for interaction in held:
            waiting = interactions.assign(tx, bridge, interaction.id, agent=None)
            interactions.offer(tx, bridge, waiting, contacts.find(tx, waiting.contact_id))


def stand_down(tx: Tx, bridge: Bridge, agent_id: str) -> None:
    """Nothing is offered to somebody who is not there."""
    if (status := tx.agent_status(agent_id)) is not None:
        keep_status(tx, bridge, replace(status, ready=False))


def stand_down_absent(tx: Tx, bridge: Bridge) -> int:
    """For those who closed the browser and said nothing: texts would be offered to an empty chair."""
    before_ms = bridge.now_ms() - ABSENT_MS
    gone = [
        status
        for status in tx.list_agent_statuses()
        if status.ready
        and status.changed_at_ms < before_ms
        and tx.agent(status.id) is not None
        and all(session.seen_at_ms < before_ms for session in tx.sessions_of(status.id))
    ]
    for status in gone:
        keep_status(tx, bridge, replace(status, ready=False, reason=AWAY))
    return len(gone)


def keep_status(tx: Tx, bridge: Bridge, status: AgentStatus) -> AgentStatus:
    """As it is kept: under the name of the agent's account, where there is one. `changed_at_ms` is since when they are
    Ready or not, by which offers are distributed. Others are told of what changed."""
    known, account = tx.agent_status(status.id), tx.agent(status.id)
    if account is not None:
        status = replace(status, name=account.name)
    if known is None or known.ready is not status.ready:
        status = replace(status, changed_at_ms=bridge.now_ms())
    if status != known:
        tx.save_agent_status(status)
        tell_of_agent(tx, bridge, resources.agent_status(status))
    return status


def known_as(tx: Tx, agent: Agent) -> Agent | None:
    """By the name that is known here; None for an id that nobody has ever used."""
    known = tx.agent(agent.id) or tx.agent_status(agent.id)
    return Agent(id=agent.id, name=known.name or agent.name) if known else None
