"""What the store keeps for the built-in desk. Every test runs on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smsbridge.contracts.store import AgentAccount, MessageFilter, Presence, Role, Session, Store, Tx
from smsbridge.domain.interaction import State
from smsbridge.domain.message import Agent
from store import made
from store.made import NOW

AMY, BEN = Agent(id="amy", name="Amy"), Agent(id="ben", name="")
ACCOUNT = AgentAccount(id="amy", name="Amy", role=Role.SUPERVISOR, passcode_hash="scrypt$a$b", created_at_ms=NOW)


def session(number: int, agent_id: str = "amy", seen_at_ms: int = NOW) -> Session:
    return Session(hash=f"h{number}", agent_id=agent_id, created_at_ms=NOW, seen_at_ms=seen_at_ms)


async def test_agents_are_kept_changed_and_dropped_with_their_sessions(store: Store) -> None:
    other = AgentAccount(id="ben", passcode_hash="x", created_at_ms=NOW)
    for account in (other, ACCOUNT):
        await store.write(lambda tx, account=account: tx.save_agent(account))
    assert await store.read(lambda tx: tx.list_agents()) == [ACCOUNT, other]
    changed = replace(ACCOUNT, name="Amy Lee", role=Role.AGENT, passcode_hash="new", created_at_ms=NOW + 5)
    await store.write(lambda tx: tx.save_agent(changed))
    assert await store.read(lambda tx: tx.agent("amy")) == replace(changed, created_at_ms=NOW)
    for each in (session(1), session(2), session(3, "ben")):
        await store.write(lambda tx, each=each: tx.insert_session(each))
    assert await store.write(lambda tx: tx.delete_agent("amy")) is True
    assert await store.write(lambda tx: tx.delete_agent("amy")) is False
    assert await store.read(lambda tx: (tx.agent("amy"), tx.sessions_of("amy"), tx.session("h1"))) == (None, [], None)
    assert await store.read(lambda tx: tx.session("h3")) == session(3, "ben")
    assert "scrypt" not in repr(ACCOUNT)


async def test_sessions_live_as_long_as_they_are_seen(store: Store) -> None:
    def fill(tx: Tx) -> None:
        tx.save_agent(ACCOUNT)
        for number in range(4):
            tx.insert_session(session(number))
        tx.touch_session("h0", NOW + 100)
        tx.delete_session("h1")

    await store.write(fill)
    assert await store.write(lambda tx: tx.trim_sessions(NOW)) == 0
    assert await store.write(lambda tx: tx.trim_sessions(NOW + 100)) == 2
    assert await store.read(lambda tx: tx.sessions_of("amy")) == [session(0, seen_at_ms=NOW + 100)]
    await store.write(lambda tx: tx.end_sessions_of("amy"))
    assert await store.read(lambda tx: tx.session("h0")) is None


async def test_presences_are_those_since_then_one_for_each_agent(store: Store) -> None:
    def there(agent: Agent, at_ms: int, **more: Any) -> Presence:
        return Presence(**{"interaction_id": "int_1", "agent": agent, "writing": False, "at_ms": at_ms, **more})

    last = [there(AMY, 30, writing=True), there(BEN, 20)]
    for each in (there(AMY, 10), *last, there(AMY, 40, interaction_id="int_2")):
        await store.write(lambda tx, each=each: tx.save_presence(each))
    assert await store.read(lambda tx: tx.presences("int_1", 20)) == last
    assert await store.read(lambda tx: tx.presences("int_1", 21)) == last[:1]
    await store.write(lambda tx: tx.delete_presence("int_1", "amy"))
    assert await store.write(lambda tx: tx.trim_presences(40)) == 1
    assert await store.read(lambda tx: (tx.presences("int_1", 0), len(tx.presences("int_2", 0)))) == ([], 1)


async def test_how_many_everybody_has_counts_what_is_active(store: Store) -> None:
    def fill(tx: Tx) -> None:
        made.thread(tx)
        for number, (state, agent) in enumerate([(State.ACTIVE, AMY), (State.ENDED, AMY), (State.DONE, BEN)]):
            tx.insert_conversation(made.conversation(f"cnv_x{number}", sender=f"+1500555100{number}"))
            tx.insert_interaction(
                made.interaction(f"int_x{number}", conversation_id=f"cnv_x{number}", state=state, agent=agent)
            )

    await store.write(fill)
    assert await store.read(lambda tx: tx.open_interactions_by_agent()) == {"amy": 1}


async def test_an_offer_is_kept_with_its_interaction(store: Store) -> None:
    await store.write(made.thread)
    offered = made.interaction(offered_to="amy", offered_until_ms=NOW + 20_000)
    await store.write(lambda tx: tx.update_interaction(offered))
    assert await store.read(lambda tx: tx.interaction("int_1")) == offered


async def test_quick_replies_are_listed_apart(store: Store) -> None:
    def fill(tx: Tx) -> None:
        made.thread(tx)
        for number in range(4):
            tx.insert_message(
                made.message(f"msg_{number}", carrier_message_id=f"C{number}", quick_reply=number % 2 == 1)
            )

    await store.write(fill)

    async def listed(quick: bool | None, **more: Any) -> list[str]:
        wanted = MessageFilter(quick_reply=quick)
        return [each.id for each in await store.read(lambda tx: tx.list_messages(wanted, **more))]

    assert await listed(True) == ["msg_3", "msg_1"]
    assert await listed(True, before_id="msg_3") == ["msg_1"]
    assert await listed(False) == ["msg_2", "msg_0"]
    assert len(await listed(None)) == 4
