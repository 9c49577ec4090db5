"""What is put into a store comes out of it the same, each thing once, and lists are pages of one order."""

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smsbridge.contracts.store import (
    AgentStatus,
    ApiKey,
    Arrived,
    KeptAnswer,
    MessageFilter,
    PartRef,
    StandardResponse,
    Store,
    StoreUnavailable,
    Tx,
)
from smsbridge.domain.cause import Cause
from smsbridge.domain.interaction import EndReason, State
from smsbridge.domain.journal import Border, BorderMark, EntryKind, EventType
from smsbridge.domain.message import (
    Agent,
    AttachmentProblem,
    AttachmentState,
    Capability,
    ContactId,
    Direction,
    InteractionId,
    Message,
    MessageId,
    Number,
    SmsCapable,
)
from smsbridge.domain.outcome import Evidence
from smsbridge.domain.status import Status
from store import made
from store.made import AMY, ANN, NOW, SENDER

OUT = Direction.OUTBOUND


# --- contacts, conversations, interactions


async def test_a_thread_is_contact_conversation_and_newest_interaction(store: Store) -> None:
    assert await store.read(lambda tx: tx.thread(ANN, SENDER)) is None
    await store.write(lambda tx: tx.insert_contact(made.contact()))
    thread = await store.read(lambda tx: tx.thread(ANN, SENDER))
    assert thread is not None
    assert (thread.contact, thread.conversation, thread.interaction) == (made.contact(), None, None)
    await store.write(lambda tx: tx.insert_conversation(made.conversation()))
    await store.write(lambda tx: tx.insert_interaction(made.interaction("int_1", state=State.DONE)))
    await store.write(lambda tx: tx.insert_interaction(made.interaction("int_2")))
    thread = await store.read(lambda tx: tx.thread(ANN, SENDER))
    assert thread is not None
    assert (thread.conversation, thread.interaction) == (made.conversation(), made.interaction("int_2"))
    other = await store.read(lambda tx: tx.thread(ANN, "+15005550010"))
    assert other is not None
    assert other.conversation is None


async def test_contacts_come_back_as_they_were_and_change(store: Store) -> None:
    full = made.contact(name="Ann Ä", attributes={"vip": True, "list": [1, None]}, assigned_to="amy")
    await store.write(lambda tx: tx.insert_contact(full))
    assert await store.read(lambda tx: (tx.contact("con_1"), tx.contact_by_number(ANN))) == (full, full)
    changed = replace(full, name="Ann B", attributes={}, assigned_to="", updated_at_ms=NOW + 1)
    await store.write(lambda tx: tx.update_contact(changed))
    assert await store.read(lambda tx: tx.contact("con_1")) == changed
    assert await store.read(lambda tx: (tx.contact("con_2"), tx.contact_by_number("+1"))) == (None, None)


async def test_two_contacts_cannot_have_one_number(store: Store) -> None:
    await store.write(lambda tx: tx.insert_contact(made.contact()))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.insert_contact(made.contact("con_2")))
    assert await store.read(lambda tx: tx.contact("con_2")) is None


async def test_contacts_are_listed_and_found_by_name_number_and_agent(store: Store) -> None:
    people = [
        made.contact("con_1", number=Number("+14155550101"), name="Ann Müller", assigned_to="amy"),
        made.contact("con_2", number=Number("+14155550102"), name="Bob 100%", assigned_to="amy"),
        made.contact("con_3", number=Number("+14155550103"), name="Cat_Smith"),
    ]

    def fill(tx: Tx) -> None:
        for at_ms, person in enumerate(people):
            tx.insert_contact(person)
            for sender, later_ms in ((SENDER, 0), ("+15005550010", 10 * (person.id == "con_2"))):
                tx.insert_conversation(
                    made.conversation(
                        f"cnv_{person.id}{sender}",
                        contact_id=person.id,
                        contact_number=person.number,
                        sender=sender,
                        last_message_at_ms=at_ms + later_ms,
                    )
                )
        tx.insert_contact(made.contact("con_4", number=Number("+14155550104"), name="Never heard of"))

    await store.write(fill)

    async def found(**wanted: Any) -> list[str]:
        return [each.contact.id for each in await store.read(lambda tx: tx.list_contacts(**wanted))]

    assert await found() == ["con_2", "con_3", "con_1"]
    first = await store.read(lambda tx: tx.list_contacts(limit=2))
    assert [each.contact.id for each in first] == ["con_2", "con_3"]
    assert await found(before=first[-1].position) == ["con_1"]
    assert await found(before=first[0].position, assigned_to="amy") == ["con_1"]
    assert await found(assigned_to="amy") == ["con_2", "con_1"]
    assert await found(assigned_to="") == ["con_3"]
    assert await found(query="MÜLLER") == ["con_1"]
    assert await found(query="5550102") == ["con_2"]
    assert await found(query="(415) 555-0102") == ["con_2"]
    assert await found(query="+1 415 555 01") == ["con_2", "con_3", "con_1"]
    assert await found(query="%") == ["con_2"]
    assert await found(query="_") == ["con_3"]
    assert await found(query="nobody") == []


async def test_conversations_are_listed_by_the_last_word(store: Store) -> None:
    await store.write(made.thread)
    other = made.conversation("cnv_2", sender="+15005550010", last_message_at_ms=NOW + 5)
    await store.write(lambda tx: tx.insert_conversation(other))
    assert [each.id for each in await store.read(lambda tx: tx.conversations_of("con_1"))] == ["cnv_2", "cnv_1"]
    await store.write(lambda tx: tx.touch_conversation(made.conversation().id, "second", NOW + 9))
    touched = await store.read(lambda tx: tx.conversation("cnv_1"))
    assert touched == made.conversation(account="second", last_message_at_ms=NOW + 9)
    assert [each.id for each in await store.read(lambda tx: tx.conversations_of("con_1"))] == ["cnv_1", "cnv_2"]


async def test_interactions_come_back_as_they_were_and_change(store: Store) -> None:
    await store.write(made.thread)
    changed = made.interaction(
        state=State.DONE,
        external_id="theirs",
        agent=AMY,
        accepted_at_ms=NOW + 1,
        ended_at_ms=NOW + 2,
        end_reason=EndReason.IDLE,
        done_at_ms=NOW + 3,
        disposition="solved",
        note="Ä",
        last_activity_ms=NOW + 4,
        reactivations=2,
    )
    await store.write(lambda tx: tx.update_interaction(changed))
    assert await store.read(lambda tx: tx.interaction("int_1")) == changed
    assert await store.read(lambda tx: tx.interaction_by_external_id("desk", "theirs")) == changed
    assert await store.read(lambda tx: tx.interaction_by_external_id("other", "theirs")) is None
    await store.write(lambda tx: tx.touch_interaction(InteractionId("int_1"), NOW + 9))
    touched = await store.read(lambda tx: tx.interaction("int_1"))
    assert touched == replace(changed, last_activity_ms=NOW + 9)


async def test_a_conversation_has_at_most_one_open_interaction(store: Store) -> None:
    await store.write(made.thread)
    for state in (State.WAITING, State.ACTIVE):
        with pytest.raises(Exception, match=r"(?i)unique"):
            await store.write(lambda tx, state=state: tx.insert_interaction(made.interaction("int_2", state=state)))
    await store.write(lambda tx: tx.insert_interaction(made.interaction("int_2", state=State.ENDED)))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.update_interaction(made.interaction("int_2", state=State.ACTIVE)))


async def test_interactions_are_listed_by_state_agent_and_contact(store: Store) -> None:
    def fill(tx: Tx) -> None:
        made.thread(tx)
        tx.insert_contact(made.contact("con_2", number=Number("+14155550143")))
        for number, (state, agent, contact_id) in enumerate(
            [
                (State.ACTIVE, AMY, "con_2"),
                (State.DONE, AMY, "con_1"),
                (State.ENDED, None, "con_1"),
                (State.DONE, Agent(id="ben"), "con_2"),
            ],
            start=2,
        ):
            conversation = made.conversation(f"cnv_{number}", contact_id=contact_id, sender=f"sender{number}")
            tx.insert_conversation(conversation)
            tx.insert_interaction(
                made.interaction(
                    f"int_{number}",
                    conversation_id=conversation.id,
                    contact_id=contact_id,
                    state=state,
                    agent=agent,
                )
            )

    await store.write(fill)

    async def found(**wanted: Any) -> list[str]:
        return [each.id[4:] for each in await store.read(lambda tx: tx.list_interactions(**wanted))]

    assert await found() == ["5", "4", "3", "2", "1"]
    assert await found(states=[State.WAITING]) == ["1"]
    assert await found(states=[State.DONE]) == ["5", "3"]
    assert await found(states=[State.WAITING, State.ACTIVE]) == ["2", "1"]
    assert await found(agent_id="amy") == ["3", "2"]
    assert await found(agent_id="") == ["4", "1"]
    assert await found(states=[State.ACTIVE], agent_id="ben") == []
    assert await found(contact_id="con_2") == ["5", "2"]
    assert await found(contact_id="con_1", states=[State.DONE], agent_id="amy") == ["3"]
    assert await found(limit=2, before_id="int_4") == ["3", "2"]


async def test_idle_ones_are_active_or_waiting_where_asked_longest_first(store: Store) -> None:
    def fill(tx: Tx) -> None:
        tx.insert_contact(made.contact())
        for number, (state, desktop, last_ms) in enumerate(
            [
                (State.ACTIVE, "desk", NOW - 1),
                (State.ACTIVE, "desk", NOW - 2),
                (State.ACTIVE, "desk", NOW),
                (State.WAITING, "desk", NOW - 9),
                (State.WAITING, "other", NOW - 9),
                (State.ENDED, "desk", NOW - 9),
            ]
        ):
            conversation = made.conversation(f"cnv_{number}", sender=f"sender{number}")
            tx.insert_conversation(conversation)
            tx.insert_interaction(
                made.interaction(
                    f"int_{number}",
                    conversation_id=conversation.id,
                    state=state,
                    desktop=desktop,
                    last_activity_ms=last_ms,
                )
            )

    await store.write(fill)

    async def idle(**more: Any) -> list[str]:
        return [each.id for each in await store.read(lambda tx: tx.idle_interactions(NOW, 10, **more))]

    assert await idle() == ["int_1", "int_0"]
    assert await idle(waiting_at=["other"]) == ["int_4", "int_1", "int_0"]
    assert len(await store.read(lambda tx: tx.idle_interactions(NOW, 1))) == 1


async def test_opt_outs_are_by_sender_and_number(store: Store) -> None:
    assert await store.read(lambda tx: tx.opt_out(SENDER, ANN)) is None
    await store.write(lambda tx: tx.set_opt_out(SENDER, ANN, opted_out=True, at_ms=NOW))
    await store.write(lambda tx: tx.set_opt_out("INFO", ANN, opted_out=True, at_ms=NOW))
    await store.write(lambda tx: tx.set_opt_out("INFO", ANN, opted_out=False, at_ms=NOW + 1))
    states = await store.read(lambda tx: tx.opt_outs_of(ANN))
    assert [(each.sender, each.opted_out, each.changed_at_ms) for each in states] == [
        (SENDER, True, NOW),
        ("INFO", False, NOW + 1),
    ]
    assert await store.read(lambda tx: tx.opt_outs_of("+14155550143")) == []


async def test_an_opt_out_knows_whose_clock_timed_it_and_forgets_that_with_the_next(store: Store) -> None:
    for account, carrier_at_ms in (("plain", NOW - 5), ("", None)):
        await store.write(
            lambda tx, account=account, carrier_at_ms=carrier_at_ms: tx.set_opt_out(  # type: ignore[misc]
                SENDER, ANN, opted_out=True, at_ms=NOW, account=account, carrier_at_ms=carrier_at_ms
            )
        )
        state = await store.read(lambda tx: tx.opt_out(SENDER, ANN))
        assert state is not None
        assert (state.account, state.carrier_at_ms) == (account, carrier_at_ms)


async def test_what_was_learnt_of_a_number_expires(store: Store) -> None:
    learnt = Capability(
        number=ANN,
        valid=True,
        type="mobile",
        sms_capable=SmsCapable.NO,
        reason="It cannot.",
        source="receipts",
        checked_at_ms=NOW,
        expires_at_ms=NOW + 10,
    )
    await store.write(lambda tx: tx.save_capability(learnt))
    assert await store.read(lambda tx: (tx.capability(ANN, NOW + 9), tx.capability(ANN, NOW + 10))) == (learnt, None)
    for_ever = replace(learnt, sms_capable=SmsCapable.YES, expires_at_ms=None)
    await store.write(lambda tx: tx.save_capability(for_ever))
    assert await store.read(lambda tx: tx.capability(ANN, NOW * 2)) == for_ever
    await store.write(lambda tx: tx.forget_capability(ANN))
    assert await store.read(lambda tx: tx.capability(ANN, NOW)) is None


# --- messages


async def test_messages_come_back_as_they_were_and_change(store: Store) -> None:
    full = made.message(
        direction=OUT,
        agent=AMY,
        client_reference="ref",
        metadata={"a": [1, {"b": None}]},
        segments=3,
        encoding="UCS-2",
        units=140,
        has_media=True,
        held_for_media=True,
        give_up_at_ms=NOW + 5,
    )
    await store.write(made.thread)
    assert await store.write(lambda tx: tx.insert_message(full))
    assert await store.read(lambda tx: tx.message("msg_1")) == full
    changed = replace(
        full,
        status=Status.FAILED,
        cause=Cause.BLOCKED,
        account="second",
        carrier_message_id="C1",
        held_for_media=False,
        sent_at_ms=NOW + 1,
        delivered_at_ms=NOW + 2,
        give_up_at_ms=None,
        rerouted_from="plain",
    )
    await store.write(lambda tx: tx.update_message(changed))
    assert await store.read(lambda tx: tx.message("msg_1")) == changed
    assert await store.read(lambda tx: tx.messages(["msg_1", "msg_2"])) == {"msg_1": changed}


async def test_an_inbound_text_is_kept_once_for_each_account(store: Store) -> None:
    await store.write(made.thread)
    first = made.message("msg_1", carrier_message_id="C1")
    assert await store.write(lambda tx: tx.insert_message(first))
    assert not await store.write(lambda tx: tx.insert_message(replace(first, id=MessageId("msg_2"))))
    assert await store.read(lambda tx: tx.message("msg_2")) is None
    assert await store.write(lambda tx: tx.insert_message(replace(first, id=MessageId("msg_3"), account="second")))
    assert await store.read(lambda tx: (tx.has_inbound("plain", "C1"), tx.has_inbound("plain", "C2"))) == (True, False)
    for identifier in ("msg_4", "msg_5"):  # of ours many may have none yet
        out = made.message(identifier, direction=OUT)
        assert await store.write(lambda tx, out=out: tx.insert_message(out))


async def test_a_direction_and_a_status_that_do_not_fit_are_refused(store: Store) -> None:
    await store.write(made.thread)
    with pytest.raises(Exception, match=r"(?i)check"):
        await store.write(lambda tx: tx.insert_message(made.message(status=Status.QUEUED)))


async def test_messages_are_listed_by_whatever_is_asked(store: Store) -> None:
    def fill(tx: Tx) -> None:
        made.thread(tx)
        for number, status in enumerate([Status.RECEIVED, Status.SENT, Status.FAILED, Status.DELIVERED, Status.SENT]):
            direction = Direction.INBOUND if status is Status.RECEIVED else OUT
            reference = "ref" if number % 2 else ""
            each = made.message(f"msg_{number}", direction=direction, status=status, client_reference=reference)
            tx.insert_message(each)
            tx.append_message(each)

    await store.write(fill)

    async def found(limit: int = 50, before_id: str = "", **wanted: Any) -> str:
        messages = await store.read(
            lambda tx: tx.list_messages(MessageFilter(**wanted), limit=limit, before_id=before_id)
        )
        return "".join(each.id[4:] for each in messages)

    for scope in ({}, {"contact_id": "con_1"}, {"interaction_id": "int_1"}):
        assert await found(**scope) == "43210"
        assert await found(limit=2, before_id="msg_3", **scope) == "21"
        assert await found(direction=OUT, **scope) == "4321"
        assert await found(status=Status.SENT, **scope) == "41"
        assert await found(status=Status.DELIVERED, **scope) == "3"
        assert await found(status=Status.RECEIVED, **scope) == "0"
        assert await found(client_reference="ref", **scope) == "31"
        assert await found(client_reference="ref", status=Status.SENT, direction=OUT, **scope) == "1"
    assert await found(contact_id="con_9") == ""
    assert await found(contact_id="con_1", interaction_id="int_9") == ""


async def test_parts_come_back_in_order_and_change(store: Store) -> None:
    parts = [made.part(2, text="two"), made.part(1, text="one")]
    await store.write(made.thread)
    await store.write(lambda tx: tx.insert_message(made.message(direction=OUT)))
    await store.write(lambda tx: tx.insert_parts(MessageId("msg_1"), parts))
    assert await store.read(lambda tx: tx.parts("msg_1")) == [parts[1], parts[0]]
    changed = made.part(
        2,
        text="two",
        status=Status.FAILED,
        tries=3,
        carrier_message_id="C2",
        cause=Cause.UNKNOWN,
        evidence=Evidence(code="1", text="x" * 600, http_status=500),
        absent_since_ms=NOW,
        maybe_taken=True,
    )
    await store.write(lambda tx: tx.update_part(MessageId("msg_1"), changed))
    kept = (await store.read(lambda tx: tx.parts_of(["msg_1", "msg_2"])))[MessageId("msg_1")]
    assert kept == [parts[1], replace(changed, evidence=replace(changed.evidence, text="x" * 500))]


async def test_whose_a_carriers_id_is_never_changes(store: Store) -> None:
    ours, other = (PartRef(message_id=MessageId(f"msg_{n}"), part_number=n, try_number=1) for n in (1, 2))
    assert await store.write(lambda tx: tx.link_carrier_id("plain", "C1", ours))
    assert not await store.write(lambda tx: tx.link_carrier_id("plain", "C1", other))
    assert await store.read(lambda tx: tx.part_by_carrier_id("plain", "C1")) == ours
    assert await store.read(lambda tx: tx.part_by_carrier_id("second", "C1")) is None


async def test_the_carrier_ids_sent_to_a_number_are_known(store: Store) -> None:
    def fill(tx: Tx) -> None:
        made.thread(tx)
        for number in (1, 2):
            each = made.message(f"msg_{number}", direction=OUT, created_at_ms=NOW + number)
            tx.insert_message(each)
            tx.append_message(each)
            tx.insert_parts(each.id, [made.part(carrier_message_id=f"C{number}")])
            tx.link_carrier_id("plain", f"C{number}", PartRef(message_id=each.id, part_number=1, try_number=1))

    await store.write(fill)
    assert await store.read(lambda tx: tx.carrier_ids_to("plain", ANN, NOW)) == {"C1", "C2"}
    assert await store.read(lambda tx: tx.carrier_ids_to("plain", ANN, NOW + 2)) == {"C2"}
    assert await store.read(lambda tx: tx.carrier_ids_to("second", ANN, NOW)) == frozenset()


async def test_texts_without_a_receipt_are_walked_through_in_order(store: Store) -> None:
    def fill(tx: Tx) -> None:
        made.thread(tx)
        for identifier, status, sent_ms in [
            ("msg_c", Status.SENT, NOW),
            ("msg_a", Status.SENT, NOW + 1),
            ("msg_b", Status.SENT, NOW + 1),
            ("msg_d", Status.DELIVERED, NOW),
            ("msg_e", Status.SENT, NOW + 5),
        ]:
            tx.insert_message(made.message(identifier, direction=OUT, status=status, sent_at_ms=sent_ms))

    await store.write(fill)
    walked: list[str] = []
    after = (0, "")
    while found := await store.read(lambda tx, after=after: tx.sent_without_receipt(NOW + 5, 1, after=after)):
        walked += [each.id for each in found]
        after = (found[-1].sent_at_ms or 0, found[-1].id)
    assert walked == ["msg_c", "msg_a", "msg_b"]


async def test_attachments_come_back_in_order_change_and_go(store: Store) -> None:
    first = made.attachment("att_1", message_id=MessageId("msg_1"), position=1, source_url="https://x.example/a")
    second = made.attachment("att_2", message_id=MessageId("msg_1"), position=0, direction=OUT)
    await store.write(lambda tx: (tx.insert_attachment(first), tx.insert_attachment(second)))
    assert await store.read(lambda tx: tx.attachments("msg_1")) == [second, first]
    stored = replace(
        first,
        state=AttachmentState.STORED,
        content_type="image/png",
        filename="ä.png",
        size_bytes=7,
        sha256="a" * 64,
        thumbnail_sha256="b" * 64,
    )
    await store.write(lambda tx: tx.update_attachment(stored))
    assert await store.read(lambda tx: tx.attachment("att_1")) == stored
    assert await store.read(lambda tx: tx.attachments_of(["msg_1"])) == {"msg_1": [second, stored]}
    in_use = await store.read(lambda tx: [tx.blob_in_use(digest) for digest in ("a" * 64, "b" * 64, "c" * 64, "")])
    assert in_use == [True, True, False, False]
    rejected = replace(second, state=AttachmentState.REJECTED, problem=AttachmentProblem.TOO_LARGE)
    await store.write(lambda tx: tx.update_attachment(rejected))
    assert await store.read(lambda tx: tx.attachment("att_2")) == rejected
    await store.write(lambda tx: tx.delete_attachment(first.id))
    assert await store.read(lambda tx: tx.attachment("att_1")) is None


async def test_a_stored_attachment_has_bytes(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)check"):
        await store.write(
            lambda tx: tx.insert_attachment(replace(made.attachment(), state=AttachmentState.STORED, sha256=""))
        )


async def test_uploads_that_no_message_took_are_found_oldest_first(store: Store) -> None:
    for identifier, at_ms, message_id in [
        ("att_1", 2, None),
        ("att_2", 1, None),
        ("att_3", 1, "msg_1"),
        ("att_4", 9, None),
    ]:
        kept = made.attachment(identifier, created_at_ms=at_ms, message_id=message_id)
        await store.write(lambda tx, kept=kept: tx.insert_attachment(kept))
    assert [each.id for each in await store.read(lambda tx: tx.unused_attachments(5, 10))] == ["att_2", "att_1"]
    assert [each.id for each in await store.read(lambda tx: tx.unused_attachments(5, 1))] == ["att_2"]


# --- receipts and notices


async def test_receipts_are_kept_once_parked_and_settled(store: Store) -> None:
    early = made.receipt("early", received_at_ms=NOW, cause=Cause.BLOCKED, evidence=Evidence(code="7"))
    late = made.receipt("late", received_at_ms=NOW + 1, status=Status.SENT, carrier_at_ms=NOW - 5)
    for each in (late, early):
        assert await store.write(lambda tx, each=each: tx.insert_receipt(each))
    assert not await store.write(lambda tx: tx.insert_receipt(early))
    assert await store.write(lambda tx: tx.insert_receipt(replace(early, account="second")))
    assert await store.read(lambda tx: tx.parked_receipts("plain", "C1")) == [early, late]
    assert len(await store.read(lambda tx: tx.list_unmatched_receipts())) == 3
    await store.write(lambda tx: tx.settle_receipt("early", "plain", MessageId("msg_1"), 2))
    assert await store.read(lambda tx: tx.parked_receipts("plain", "C1")) == [late]
    (settled,) = await store.read(lambda tx: tx.receipts_of("msg_1"))
    assert settled == replace(early, message_id=MessageId("msg_1"), part_number=2, applied=True)


async def test_a_notice_is_raised_once_for_each_key(store: Store) -> None:
    first = made.notice()
    assert await store.write(lambda tx: tx.insert_notice(first))
    assert not await store.write(lambda tx: tx.insert_notice(made.notice("ntc_2", key=first.key)))
    assert await store.read(lambda tx: (tx.notice("ntc_1"), tx.notice("ntc_2"))) == (first, None)
    assert await store.read(lambda tx: (tx.has_notice(first.key), tx.has_notice("other"))) == (True, False)
    await store.write(lambda tx: tx.update_notice(replace(first, acknowledged_at_ms=NOW)))
    await store.write(lambda tx: tx.insert_notice(made.notice("ntc_3", interaction_id="int_2", cause=None)))

    async def found(**wanted: Any) -> list[str]:
        return [each.id for each in await store.read(lambda tx: tx.list_notices(**wanted))]

    assert await found() == ["ntc_3", "ntc_1"]
    assert await found(acknowledged=True) == ["ntc_1"]
    assert await found(acknowledged=False) == ["ntc_3"]
    assert await found(interaction_id="int_1") == ["ntc_1"]
    assert await found(before_id="ntc_3", limit=1) == ["ntc_1"]
    assert set(await store.read(lambda tx: tx.notices(["ntc_1", "ntc_3", "ntc_9"]))) == {"ntc_1", "ntc_3"}


# --- the log and the transcript


async def test_the_log_gives_every_event_a_higher_number(store: Store) -> None:
    assert await store.read(lambda tx: tx.event_bounds()) == (0, 0)
    events = [made.event(f"evt_{n}", at_ms=NOW + n, detail={"n": n} if n else {}, contact_id="con_1") for n in range(5)]
    seqs = [await store.write(lambda tx, each=each: tx.append_event(each)) for each in events]
    assert seqs == sorted(set(seqs))
    kept = [replace(each, seq=seq) for each, seq in zip(events, seqs, strict=True)]
    assert await store.read(lambda tx: tx.events_after(seqs[1], 2)) == kept[2:4]
    assert await store.read(lambda tx: tx.event(seqs[4])) == kept[4]
    assert await store.write(lambda tx: tx.trim_events(NOW + 2)) == 2
    assert await store.read(lambda tx: tx.event_bounds()) == (seqs[2], seqs[4])
    assert await store.read(lambda tx: tx.events_after(0, 10)) == kept[2:]


async def test_a_number_is_not_given_again_after_the_newest_events_were_forgotten(store: Store) -> None:
    first = await store.write(lambda tx: tx.append_event(made.event()))
    assert await store.write(lambda tx: tx.trim_events(NOW + 1)) == 1
    assert await store.write(lambda tx: tx.append_event(made.event("evt_2"))) > first


def fill_transcript(tx: Tx, texts: list[str]) -> None:
    made.thread(tx)
    for number, text in enumerate(texts):
        each = made.message(f"msg_{number:03d}", text=text, created_at_ms=NOW + number)
        tx.insert_message(each)
        tx.append_message(each)


async def test_a_transcript_has_messages_notices_and_borders_in_one_order(store: Store) -> None:
    mark = BorderMark(
        border=Border.DONE,
        interaction_id=InteractionId("int_1"),
        state=State.DONE,
        agent=AMY,
        reason="agent",
        disposition="solved",
        note="Ä",
    )

    def fill(tx: Tx) -> None:
        made.thread(tx)
        tx.insert_message(made.message())
        tx.append_message(made.message())
        tx.insert_notice(made.notice())
        tx.append_notice(made.notice())
        tx.append_border(mark, conversation_id=made.conversation().id, contact_id=ContactId("con_1"), at_ms=NOW + 2)

    await store.write(fill)
    for scope in ({"contact_id": "con_1"}, {"interaction_id": "int_1"}):
        entries = await store.read(lambda tx, scope=scope: tx.transcript(**scope))
        assert [entry.kind for entry in entries] == [EntryKind.MESSAGE, EntryKind.NOTICE, EntryKind.INTERACTION]
        assert [entry.seq for entry in entries] == [1, 2, 3]
        assert (entries[0].message, entries[1].notice, entries[2].border) == (made.message(), made.notice(), mark)
    assert await store.read(lambda tx: tx.transcript(contact_id="con_9")) == []
    assert await store.read(lambda tx: tx.last_entry_seq("con_1")) == 3
    assert await store.read(lambda tx: tx.last_entry_seq("con_9")) == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 8), start=st.integers(0, 20))
async def test_pages_in_both_directions_are_the_whole(limit: int, start: int) -> None:
    from store.in_memory import memory_tx

    with memory_tx() as tx:
        fill_transcript(tx, [str(number) for number in range(17)])
        whole = [entry.seq for entry in tx.transcript(contact_id="con_1", limit=1_000)]
        backwards: list[int] = []
        before: int | None = None
        while page := [entry.seq for entry in tx.transcript(contact_id="con_1", limit=limit, before_seq=before)]:
            assert page == sorted(page)
            backwards = page + backwards
            before = page[0]
        assert backwards == whole
        forwards: list[int] = []
        after = start
        while page := [entry.seq for entry in tx.transcript(contact_id="con_1", limit=limit, after_seq=after)]:
            forwards += page
            after = page[-1]
        assert forwards == [seq for seq in whole if seq > start]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("HELLO", ["Hello there"]),
        ("grüße", ["GRÜSSE aus Köln"]),
        ("KÖLN", ["GRÜSSE aus Köln", "Ko\N{COMBINING DIAERESIS}ln"]),
        ("kö", ["GRÜSSE aus Köln", "Ko\N{COMBINING DIAERESIS}ln"]),
        ("100%", ["100% sure"]),
        ("%", ["100% sure"]),
        ("a_b", ["a_b"]),
        ("_", ["a_b"]),
        ("c:\\dir", ["C:\\dir"]),
        ("\\", ["C:\\dir"]),
        ("'; DROP", []),
        ("nowhere", []),
        ("there", ["Hello there"]),
    ],
)
async def test_a_search_finds_what_a_reader_would(store: Store, query: str, found: list[str]) -> None:
    texts = [
        "Hello there",
        "GRÜSSE aus Köln",
        "100% sure",
        "1000 more",
        "a_b",
        "axb",
        "C:\\dir",
        "Ko\N{COMBINING DIAERESIS}ln",
    ]
    await store.write(lambda tx: fill_transcript(tx, texts))
    entries = await store.read(lambda tx: tx.transcript(contact_id="con_1", query=query))
    assert [entry.message.text for entry in entries if entry.message] == found
    assert await store.read(lambda tx: tx.transcript(interaction_id="int_1", query=query)) == entries


async def test_unread_is_what_came_in_after_the_mark(store: Store) -> None:
    await store.write(lambda tx: fill_transcript(tx, ["one", "two", "three"]))
    out = made.message("msg_out", direction=OUT)
    await store.write(lambda tx: (tx.insert_message(out), tx.append_message(out)))
    assert await store.read(lambda tx: tx.unread_count("con_1", "amy")) == 3
    await store.write(lambda tx: tx.mark_read("con_1", "amy", 2))
    await store.write(lambda tx: tx.mark_read("con_1", "amy", 1))
    assert await store.read(lambda tx: tx.unread_counts(["con_1", "con_9"], "amy")) == {"con_1": 1, "con_9": 0}
    assert await store.read(lambda tx: tx.unread_count("con_1", "ben")) == 3


# --- the edge


async def test_arrivals_are_listed_counted_and_bounded(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for number, (outcome, account) in enumerate(
            [
                (Arrived.STORED, "plain"),
                (Arrived.REFUSED, "plain"),
                (Arrived.REFUSED, "second"),
                (Arrived.REFUSED, "plain"),
            ]
        ):
            tx.add_arrival(
                made.arrival(
                    f"arr_{number}",
                    outcome=outcome,
                    account=account,
                    at_ms=NOW + number,
                    request=bytes(range(256)),
                    reason="r",
                    kind="message",
                )
            )

    await store.write(fill)

    async def found(**wanted: Any) -> str:
        return "".join(each.id[4:] for each in await store.read(lambda tx: tx.list_arrivals(**wanted)))

    assert await found() == "3210"
    assert await found(outcome=Arrived.REFUSED) == "321"
    assert await found(outcome=Arrived.REFUSED, account="plain") == "31"
    assert await found(limit=2, before_id="arr_3") == "21"
    kept = await store.read(lambda tx: tx.arrival("arr_0"))
    assert kept is not None
    assert (kept.request, kept.replayed_at_ms) == (bytes(range(256)), None)
    await store.write(lambda tx: tx.mark_replayed("arr_0", NOW + 9))
    replayed = await store.read(lambda tx: tx.arrival("arr_0"))
    assert replayed is not None
    assert replayed.replayed_at_ms == NOW + 9
    assert await store.write(lambda tx: tx.trim_refused("plain", 1)) == 1
    assert await found() == "320"
    assert await store.write(lambda tx: tx.trim_arrivals(NOW + 3)) == 2
    assert await found() == "3"


async def test_keys_are_found_by_their_hash_and_revoked_once(store: Store) -> None:
    key = ApiKey(
        id="key_1", name="CRM", prefix="sb_1", hash="h" * 64, scopes=frozenset({"read", "send"}), created_at_ms=NOW
    )
    await store.write(lambda tx: tx.insert_api_key(key))
    assert await store.read(lambda tx: (tx.api_key_by_hash("h" * 64), tx.api_key_by_hash("x"))) == (key, None)
    await store.write(lambda tx: tx.touch_api_key("key_1", NOW + 1))
    assert await store.write(lambda tx: tx.revoke_api_key("key_1", NOW + 2))
    assert not await store.write(lambda tx: tx.revoke_api_key("key_1", NOW + 3))
    assert await store.read(lambda tx: tx.list_api_keys()) == [
        replace(key, last_used_ms=NOW + 1, revoked_at_ms=NOW + 2)
    ]


async def test_an_answer_is_kept_once_for_each_owner_and_key(store: Store) -> None:
    answer = KeptAnswer(fingerprint="f", status=202, body=b'{"a": "\xc3\xa4"}', location="/v1/messages/msg_1")
    await store.write(lambda tx: tx.keep_answer("key_1", "idem", answer, NOW))
    assert await store.read(lambda tx: tx.kept_answer("key_1", "idem")) == answer
    assert await store.read(lambda tx: tx.kept_answer("key_2", "idem")) is None
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.keep_answer("key_1", "idem", replace(answer, status=500), NOW))
    assert await store.write(lambda tx: tx.forget_answers(NOW)) == 0
    assert await store.write(lambda tx: tx.forget_answers(NOW + 1)) == 1
    assert await store.read(lambda tx: tx.kept_answer("key_1", "idem")) is None


async def test_agents_statuses_are_the_last_that_was_saved(store: Store) -> None:
    status = AgentStatus(id="amy", name="Amy", ready=True, auto_answer=True, changed_at_ms=NOW)
    away = replace(status, ready=False, reason="lunch", changed_at_ms=NOW + 1)
    for each in (status, away):
        await store.write(lambda tx, each=each: tx.save_agent_status(each))
    assert await store.read(lambda tx: (tx.agent_status("amy"), tx.agent_status("ben"))) == (away, None)
    assert await store.read(lambda tx: tx.list_agent_statuses()) == [away]


async def test_standard_responses_have_shortcuts_of_their_own(store: Store) -> None:
    first = StandardResponse(id="rsp_1", shortcut="hi", title="Greeting", text="Hello!", created_at_ms=NOW)
    second = StandardResponse(id="rsp_2", shortcut="bye", title="Farewell", text="Good bye!", created_at_ms=NOW)
    for each in (first, second):
        await store.write(lambda tx, each=each: tx.save_standard_response(each))
    assert await store.read(lambda tx: tx.list_standard_responses()) == [second, first]
    assert await store.read(lambda tx: tx.standard_response_by_shortcut("hi")) == first
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.save_standard_response(replace(second, shortcut="hi")))
    changed = replace(first, text="Hi!", updated_at_ms=NOW + 1)
    await store.write(lambda tx: tx.save_standard_response(changed))
    assert await store.read(lambda tx: tx.standard_response("rsp_1")) == changed
    assert await store.write(lambda tx: tx.delete_standard_response("rsp_1"))
    assert not await store.write(lambda tx: tx.delete_standard_response("rsp_1"))


async def test_desktops_events_are_remembered_and_forgotten(store: Store) -> None:
    for _ in range(2):
        await store.write(lambda tx: tx.see_desktop_event("desk", "e1", NOW))
    seen = await store.read(
        lambda tx: [tx.desktop_event_seen(*each) for each in (("desk", "e1"), ("desk", "e2"), ("other", "e1"))]
    )
    assert seen == [True, False, False]
    assert await store.write(lambda tx: (tx.trim_desktop_events(NOW), tx.trim_desktop_events(NOW + 1))) == (0, 1)
    assert not await store.read(lambda tx: tx.desktop_event_seen("desk", "e1"))


async def test_a_desktop_is_switched_off_with_the_reason_and_on_again(store: Store) -> None:
    assert await store.read(lambda tx: tx.desktop_switched_off("desk")) == ""
    await store.write(lambda tx: tx.switch_off_desktop("desk", "gone", NOW))
    assert "gone" in await store.read(lambda tx: tx.desktop_switched_off("desk"))
    assert await store.read(lambda tx: tx.desktop_switched_off("other")) == ""
    await store.write(lambda tx: tx.switch_on_desktop("desk"))
    assert await store.read(lambda tx: tx.desktop_switched_off("desk")) == ""


async def test_notes_of_the_daemon_are_the_last_that_was_set(store: Store) -> None:
    assert await store.read(lambda tx: tx.meta("key")) == ""
    for value in ("one", "two"):
        await store.write(lambda tx, value=value: tx.set_meta("key", value))
    assert await store.read(lambda tx: tx.meta("key")) == "two"


async def test_what_is_to_be_done_afterwards_is_done_for_what_was_kept_before_anybody_hears_of_it(store: Store) -> None:
    done: list[str] = []

    def in_part(tx: Tx) -> None:
        tx.afterwards(lambda: done.append("before"))
        with contextlib.suppress(LookupError), tx.savepoint():
            tx.afterwards(lambda: done.append("taken back"))
            raise LookupError
        tx.afterwards(lambda: done.append("after"))
        assert done == []

    def not_at_all(tx: Tx) -> None:
        tx.afterwards(lambda: done.append("never"))
        raise LookupError

    await store.write(in_part)
    assert done == ["before", "after"]
    with pytest.raises(LookupError):
        await store.write(not_at_all)
    await store.write(lambda tx: tx.set_meta("another", "write"))
    assert done == ["before", "after"]


async def test_reading_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        await store.read(lambda tx: tx.set_meta("key", "value"))
    assert await store.read(lambda tx: tx.meta("key")) == ""


async def test_many_ids_are_asked_for_at_once(store: Store) -> None:
    def fill(tx: Tx) -> list[Message]:
        made.thread(tx)
        messages = [made.message(f"msg_{number:04d}") for number in range(1_234)]
        for each in messages:
            tx.insert_message(each)
        return messages

    messages = await store.write(fill)
    found = await store.read(lambda tx: tx.messages([each.id for each in messages]))
    assert list(found.values()) == messages


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=40), name=st.text(max_size=10), data=st.dictionaries(st.text(max_size=5), st.integers()))
async def test_any_text_comes_back_as_it_was(text: str, name: str, data: dict[str, int]) -> None:
    from smsbridge.domain.characters import clean_text
    from store.in_memory import memory_tx

    with memory_tx() as tx:
        made.thread(tx)
        metadata = {clean_text(key): value for key, value in data.items() if abs(value) < 2**63}
        each = made.message(text=clean_text(text), metadata=metadata)
        tx.insert_message(each)
        person = made.contact(name=clean_text(name))
        tx.update_contact(person)
        assert (tx.message("msg_1"), tx.contact("con_1")) == (each, person)


def test_every_type_of_event_can_be_logged() -> None:
    from store.in_memory import memory_tx

    with memory_tx() as tx:
        for number, event_type in enumerate(EventType):
            tx.append_event(made.event(f"evt_{number}", type=event_type))
        assert [event.type for event in tx.events_after(0, 100)] == list(EventType)


async def test_the_senders_used_with_a_number_are_listed_by_the_last_word(store: Store) -> None:
    await store.write(made.thread)
    other = made.conversation("cnv_2", sender="+15005550010", last_message_at_ms=NOW + 5)
    await store.write(lambda tx: tx.insert_conversation(other))
    assert await store.read(lambda tx: tx.senders_used(ANN)) == ["+15005550010", SENDER]
    await store.write(lambda tx: tx.touch_conversation(made.conversation().id, "second", NOW + 9))
    assert await store.read(lambda tx: tx.senders_used(ANN)) == [SENDER, "+15005550010"]
    assert await store.read(lambda tx: tx.senders_used("+14155550199")) == []
