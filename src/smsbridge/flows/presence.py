"""Who has an interaction in view: agents see each other, and who is writing, before they answer the same contact."""

from __future__ import annotations

from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import Presence, Tx
from smsbridge.domain.message import Agent, Interaction
from smsbridge.flows import interactions, resources
from smsbridge.flows.journal import tell_of_presence

LASTS_MS: Final = 45_000
"""Whoever has not said so again by then has gone; desks say it every 20 seconds."""


def look(tx: Tx, bridge: Bridge, interaction_id: str, agent: Agent, *, writing: bool) -> list[Presence]:
    """Everybody who is there now, `agent` among them. The others are told when that changes something."""
    interaction = interactions.find(tx, interaction_id)
    before = _there(tx, bridge, interaction)
    tx.save_presence(Presence(interaction_id=interaction_id, agent=agent, writing=writing, at_ms=bridge.now_ms()))
    return _tell_if_changed(tx, bridge, interaction, before)


def leave(tx: Tx, bridge: Bridge, interaction_id: str, agent: Agent) -> None:
    interaction = interactions.find(tx, interaction_id)
    before = _there(tx, bridge, interaction)
    tx.delete_presence(interaction_id, agent.id)
    _tell_if_changed(tx, bridge, interaction, before)


def _there(tx: Tx, bridge: Bridge, interaction: Interaction) -> list[Presence]:
    return tx.presences(interaction.id, bridge.now_ms() - LASTS_MS)


def _tell_if_changed(tx: Tx, bridge: Bridge, interaction: Interaction, before: list[Presence]) -> list[Presence]:
    there = _there(tx, bridge, interaction)
    if [(each.agent, each.writing) for each in there] != [(each.agent, each.writing) for each in before]:
        tell_of_presence(tx, bridge, interaction, resources.presence(interaction, there))
    return there
