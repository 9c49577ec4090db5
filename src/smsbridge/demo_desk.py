"""What a team has on its desk before the first text comes: two agents, and the texts that they send often."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import AgentAccount, Role, StandardResponse, Tx
from smsbridge.flows import agents
from smsbridge.web.sessions import hash_passcode

AGENTS: Final = {"demo": ("Demo agent", Role.SUPERVISOR), "bo": ("Bo", Role.AGENT)}
"""Name and role by the name to sign in with."""
DISPOSITIONS: Final = ("Answered", "Order status", "Complaint", "Wrong number", "Other")
RESPONSES: Final = {
    "hello": ("Greeting", "Hi, thanks for your text! How can I help?"),
    "hours": ("Opening hours", "We are open Monday to Friday from 9 am to 5 pm."),
    "order": ("Ask for the order number", "Could you send me your order number, please? It is on your receipt."),
    "photo": ("Ask for a picture", "Could you send a picture of it, please? A JPEG or PNG works best."),
    "bye": ("Goodbye", "You are welcome. Have a good day!"),
}
"""Title and text by shortcut."""


async def furnish(bridge: Bridge, passcodes: Mapping[str, str]) -> None:
    """Adds what is not there yet: a kept demo stays as its agents left it, and signed in."""
    hashes = {each: await asyncio.to_thread(hash_passcode, passcodes[each]) for each in AGENTS}

    def add(tx: Tx) -> None:
        now_ms = bridge.now_ms()
        for agent_id, (name, role) in AGENTS.items():
            if tx.agent(agent_id) is None:
                account = AgentAccount(
                    id=agent_id, name=name, role=role, passcode_hash=hashes[agent_id], created_at_ms=now_ms
                )
                agents.let_in(tx, bridge, account)
        if not tx.list_standard_responses():
            for shortcut, (title, text) in RESPONSES.items():
                identifier = bridge.ids.new("std_")
                tx.save_standard_response(
                    StandardResponse(
                        id=identifier,
                        shortcut=shortcut,
                        title=title,
                        text=text,
                        created_at_ms=now_ms,
                        updated_at_ms=now_ms,
                    )
                )

    await bridge.store.write(add)
