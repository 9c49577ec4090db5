"""Handing a text to the carrier: again only when it certainly does not have it, and the agent hears how it ends."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, PlainCarrier, World, lost, ok, refused
from flows.conftest import on_sqlite
from smsbridge.carriers.twilio import Twilio
from smsbridge.contracts.bridge import Account, Policy
from smsbridge.contracts.carrier import AccountUrls
from smsbridge.contracts.jobs import Outdated
from smsbridge.contracts.store import Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import CannotSend
from smsbridge.domain.journal import EventType
from smsbridge.domain.message import Certainty, NoticeKind
from smsbridge.domain.outcome import Evidence, Rejected, RetryLater, Uncertain
from smsbridge.domain.status import Status
from smsbridge.flows import outbound
from smsbridge.flows.sending import begin_send, let_go_send, read_outcome, send
from smsbridge.wire.http import Answered, MaybeSent, Performed, Request, Response

MakeWorld = Callable[..., World]


async def status(world: World, message_id: str) -> Status:
    return (await world.message(message_id)).status


async def kinds(world: World, number: str = ANN) -> list[NoticeKind]:
    return [notice.kind for notice in await world.notices(number)]


def answering(send: Performed, find: Performed | None = None) -> Callable[[Request], Performed]:
    """One answer to every send, another to every question after a lost one."""
    absent = Answered(response=Response(status=404), elapsed_ms=1)
    return lambda request: send if "/send" in request.url else find or absent


# --- how a send ends


async def test_a_text_kept_back_at_the_last_moment_is_queued_again_without_a_doubt(world: World) -> None:
    """The process was frozen while the connection was made: others may have taken the text over."""
    message = await world.send()
    claimed = await world.claim()
    assert claimed is not None
    job, sending = claimed
    late = replace(job, is_ours=lambda: False)
    with pytest.raises(Outdated):
        await send(world.bridge, replace(sending, job=late))
    assert world.network.requests == []
    assert await status(world, message.id) is Status.SENDING, "what others go on from, if they have noticed"

    def end(tx: Tx) -> None:
        assert tx.postpone_job(job, world.clock.now, counts=False)
        let_go_send(tx, world.bridge, job)

    await world.write(end)
    assert await status(world, message.id) is Status.QUEUED
    await world.run_due()
    assert await status(world, message.id) is Status.SENT
    (part,) = await world.parts(message.id)
    assert (len(world.network.requests), part.tries) == (1, 1)
    assert await kinds(world) == []


async def test_an_accepted_text_is_sent_and_has_the_carriers_id(world: World) -> None:
    message = await world.send()
    await world.run_due()
    (part,) = await world.parts(message.id)
    assert (part.status, part.carrier_message_id, part.tries) == (Status.SENT, "C1", 1)
    kept = await world.message(message.id)
    assert (kept.status, kept.sent_at_ms) == (Status.SENT, world.clock.now)
    assert await world.notices() == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("sender_not_registered", NoticeKind.WRONG_SENDER_NUMBER),
        ("not_mobile", NoticeKind.NOT_SMS_CAPABLE),
        ("blocked", NoticeKind.UNDELIVERED),
        ("opted_out", NoticeKind.OPTED_OUT),
        ("content_rejected", NoticeKind.CONTENT_REJECTED),
        ("balance", NoticeKind.SERVICE_PROBLEM),
        ("unknown", NoticeKind.UNDELIVERED),
    ],
)
async def test_a_rejected_text_failed_and_its_one_notice_has_the_evidence(
    world: World, code: str, kind: NoticeKind
) -> None:
    world.network.answer = lambda _request: ok({"code": code}, status=400)
    message = await world.send()
    await world.run_due()
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.FAILED, Cause(code))
    (notice,) = await world.notices()
    assert (notice.kind, notice.cause, notice.certainty) == (kind, Cause(code), Certainty.CERTAIN)
    assert (notice.evidence.code, notice.message_id) == (code, message.id)


async def test_a_number_the_carrier_says_takes_no_texts_is_warned_of_next_time(world: World) -> None:
    world.network.answer = lambda _request: ok({"code": "not_mobile"}, status=400)
    await world.send()
    await world.run_due()
    refusal = await world.submit(to=ANN, text="Again")
    assert isinstance(refusal, CannotSend)
    assert (refusal.cause, refusal.overridable) == (Cause.NOT_MOBILE, True)


async def test_an_opt_out_at_the_carrier_is_ours_from_then_on(world: World) -> None:
    world.network.answer = lambda _request: ok({"code": "opted_out"}, status=400)
    await world.send()
    await world.run_due()
    known = await world.store.read(lambda tx: tx.opt_out(OUR_NUMBER, ANN))
    assert known is not None
    assert known.opted_out


HALF = "\ud83d"
"""Half a character, as JSON may hold it and no store can."""


async def test_half_a_character_in_what_the_carrier_answers_harms_nothing(world: World) -> None:
    accepted = Response(status=200, body=b'{"id": "C\\ud83d"}')
    refused_with_it = Response(status=400, body=b'{"code": "blocked", "why": "\\ud83d"}')
    for response, ended in ((accepted, Status.SENT), (refused_with_it, Status.FAILED)):
        world.network.answer = lambda _request, response=response: Answered(response=response, elapsed_ms=1)
        message = await world.send()
        await world.run_due()
        assert await status(world, message.id) is ended
    told = Evidence(code=HALF, text=f"no {HALF}")
    assert (told.code, told.text) == ("\N{REPLACEMENT CHARACTER}", "no \N{REPLACEMENT CHARACTER}")


async def test_what_the_contact_says_counts_more_than_the_failure_of_a_text_from_before(world: World) -> None:
    """A carrier that keeps who said STOP refuses our confirmation of it, and says so whenever it likes."""
    said_ms = world.clock.now
    await world.text("STOP", at_ms=said_ms)
    world.network.answer = lambda _request: ok({"code": "opted_out"}, status=400)
    await world.run_due()
    assert [each["text"] for each in world.sent()] == [world.bridge.policy.stop_confirmation]
    world.clock.now += 500
    await world.text("START", at_ms=said_ms + 400)
    assert (await kinds(world))[-1] is NoticeKind.OPTED_IN

    world.network.answer = lambda _request: ok({"id": "C1"})
    world.clock.now += 1
    message = await world.send()
    await world.run_due()
    for word in ("STOP", "START"):
        world.clock.now += 1_000
        await world.text(word, at_ms=world.clock.now)
    await world.webhook({"type": "receipt", "id": "C1", "status": "failed", "cause": "opted_out"})
    assert await status(world, message.id) is Status.FAILED
    known = await world.store.read(lambda tx: tx.opt_out(OUR_NUMBER, ANN))
    assert known is not None
    assert not known.opted_out


async def test_what_never_left_is_sent_again_until_it_goes(world: World) -> None:
    world.network.answer = lambda _request: refused()
    message = await world.send()
    for _ in range(3):
        await world.run_due()
        assert await status(world, message.id) is Status.QUEUED
        world.clock.now += 10_000
    world.network.answer = lambda _request: ok({"id": "C"})
    await world.run_due()
    assert await status(world, message.id) is Status.SENT
    assert [sent["ref"].rpartition(".")[2] for sent in world.sent()] == ["1", "2", "3", "4"]


async def test_a_carrier_that_asks_for_time_gets_it(world: World) -> None:
    world.network.answer = lambda _request: ok({"after_s": 60}, status=429)
    await world.send()
    await world.run_due()
    world.clock.now += 59_999
    assert await world.run_due() == 0


async def test_a_text_that_waits_again_and_again_tells_of_its_status_only_when_it_changes(world: World) -> None:
    world.network.answer = lambda _request: ok({"after_s": 1}, status=429)
    message = await world.send()
    for _ in range(3):
        assert await world.run_due() == 1
        assert await status(world, message.id) is Status.QUEUED
        world.clock.now += 60_000
    world.network.answer = lambda _request: ok({"id": "C"})
    await world.run_due()
    events = await world.store.read(lambda tx: tx.events_after(0, 100))
    assert [event.detail["status"] for event in events if event.type is EventType.MESSAGE_STATUS] == ["sent"]


async def test_a_text_that_waits_is_told_of_once_with_the_time_we_go_on_until(world: World) -> None:
    world.network.answer = lambda _request: refused()
    message = await world.send()
    for _ in range(8):
        await world.run_due()
        world.clock.now += 60_000
    (notice,) = await world.notices()
    assert (notice.kind, notice.cause) == (NoticeKind.DELAYED, Cause.CARRIER_OUTAGE)
    until = datetime.fromtimestamp((message.give_up_at_ms or 0) / 1000, UTC)
    assert f"{until:%H:%M} UTC" in notice.text


async def test_a_text_that_waits_a_moment_only_is_not_told_of(world: World) -> None:
    world.network.answer = lambda _request: refused()
    await world.send()
    await world.run_due()
    assert await world.notices() == []


async def test_what_could_not_be_handed_over_in_time_is_given_up_and_told(world: World) -> None:
    world.network.answer = lambda _request: refused()
    message = await world.send()
    for _ in range(100):
        await world.run_due()
        world.clock.now += 300_000
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.FAILED, Cause.EXPIRED)
    assert await kinds(world) == [NoticeKind.DELAYED, NoticeKind.UNDELIVERED]
    assert kept.give_up_at_ms is not None
    assert len(world.sent()) > 40


async def test_a_text_found_too_old_is_not_sent(world: World) -> None:
    message = await world.send()
    world.clock.now += 4 * 3_600_000
    await world.run_due()
    assert (await status(world, message.id), world.sent()) == (Status.FAILED, [])
    assert await kinds(world) == [NoticeKind.UNDELIVERED]


async def test_a_sender_whose_account_is_gone_fails_with_the_reason(world: World) -> None:
    message = await world.send()
    begin = begin_send(replace(world.bridge, accounts={}))
    (job,) = await world.write(lambda tx: tx.claim("send:plain", now_ms=world.clock.now, lease_until_ms=0, limit=1))
    await world.write(lambda tx: begin(tx, job))
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.FAILED, Cause.SENDER_NOT_OURS)
    assert await kinds(world) == [NoticeKind.WRONG_SENDER_NUMBER]


async def test_a_text_is_not_sent_from_another_number_than_its_own(make_world: Callable[..., World]) -> None:
    """An account that sends from its one number whatever it is asked, and a text that waits there from another."""
    world = make_world(carrier=PlainCarrier(only_sender=OTHER_NUMBER))
    message = await world.send(from_sender=OUR_NUMBER)
    await world.run_due()
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.FAILED, Cause.SENDER_NOT_OURS)
    assert world.sent() == []
    [notice] = await world.notices()
    assert notice.kind is NoticeKind.WRONG_SENDER_NUMBER
    assert f"plain sends from {OTHER_NUMBER} alone" in notice.admin_text


async def test_texts_to_one_contact_leave_in_the_order_they_were_written(world: World) -> None:
    answers = iter([refused(), ok({"id": "C1"}), ok({"id": "C2"})])
    world.network.answer = lambda _request: next(answers)
    await world.send("first")
    await world.send("second")
    await world.run_due()
    world.clock.now += 10_000
    await world.run_due()
    assert [sent["text"] for sent in world.sent()] == ["first", "first", "second"]


async def test_a_contact_whose_text_is_stuck_holds_up_no_other(world: World) -> None:
    world.network.answer = lambda request: refused() if ANN in request.body.decode() else ok({"id": "C"})
    stuck, free = await world.send(to=ANN), await world.send(to=BOB)
    await world.run_due()
    assert (await status(world, stuck.id), await status(world, free.id)) == (Status.QUEUED, Status.SENT)


# --- uncertain


@pytest.mark.parametrize("answer", [lost(), Answered(response=Response(status=502, body=b"{}"), elapsed_ms=1)])
async def test_what_may_have_left_is_uncertain_and_not_sent_again(world: World, answer: Performed) -> None:
    world.network.answer = answering(answer)
    message = await world.send()
    for _ in range(20):
        await world.run_due()
        world.clock.now += 600_000
    assert await status(world, message.id) is Status.UNCERTAIN
    assert len(world.sent("/send")) == 1


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [(400, Rejected), (401, Rejected), (429, RetryLater), (408, Uncertain), (201, Uncertain), (502, Uncertain),
     (None, Uncertain)],
)  # fmt: skip
def test_a_refusal_that_broke_off_after_its_status_line_is_a_refusal(seen: int | None, outcome: type) -> None:
    urls = AccountUrls(webhook="https://bridge.example/hooks/carriers/twilio")
    adapter = Twilio.from_settings({"account_sid": "AC" + "5f" * 16, "auth_token": "token"}, urls)
    account = Account(name="twilio", adapter=adapter)
    assert type(read_outcome(account, MaybeSent(reason="the answer broke off", status=seen))) is outcome


async def test_an_attempt_that_a_crash_cut_short_is_uncertain_and_never_sent_again(world: World) -> None:
    message = await world.send()
    assert await world.claim() is not None
    await world.restart()
    await world.run_due()
    assert await status(world, message.id) is Status.UNCERTAIN
    assert world.sent("/send") == []


async def test_a_crash_between_two_parts_loses_and_doubles_none(world: World) -> None:
    message = await world.send("word " * 100)
    claimed = await world.claim()
    assert claimed is not None
    await world.finish(*claimed)
    await world.restart()
    await world.run_due()
    assert await status(world, message.id) is Status.SENT
    assert [sent["ref"].partition(".")[2] for sent in world.sent()] == ["1.1", "2.1"]


async def test_a_receipt_with_our_reference_settles_the_doubt(world: World) -> None:
    world.network.answer = answering(lost())
    message = await world.send()
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C9", "ref": f"{message.id}.1.1", "status": "delivered"})
    (part,) = await world.parts(message.id)
    assert (part.status, part.carrier_message_id) == (Status.DELIVERED, "C9")
    world.clock.now += 3_600_000
    await world.run_due()
    assert await world.notices() == []
    assert world.sent("/find") == []


async def test_the_carrier_is_asked_and_what_it_has_is_sent(world: World) -> None:
    world.network.answer = answering(lost(), ok({"id": "C9"}))
    message = await world.send()
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C9", "status": "delivered"})  # parked: nobody knows whose it is
    world.clock.now += 5_000
    await world.run_due()
    assert await status(world, message.id) is Status.DELIVERED
    assert await world.notices() == []


async def test_the_carrier_is_asked_at_each_time_and_then_the_agent_decides(world: World) -> None:
    world.network.answer = answering(lost())
    message = await world.send()
    asked = []
    for _ in range(400):
        await world.run_due()
        asked.append(len(world.sent("/find")))
        world.clock.now += 1_000
    assert [asked.index(count) for count in (1, 2, 3)] == [5, 60, 300]
    assert max(asked) == 3
    (notice,) = await world.notices()
    assert (notice.kind, notice.certainty, notice.message_id) == (
        NoticeKind.DELIVERY_UNCERTAIN,
        Certainty.POSSIBLE,
        message.id,
    )
    assert await status(world, message.id) is Status.UNCERTAIN


async def test_an_answer_that_decides_nothing_does_not_count_as_absent(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(uncertain="resend_if_absent", settle_after_ms=(5_000,)))
    world.network.answer = answering(lost(), Answered(response=Response(status=500), elapsed_ms=1))
    message = await world.send()
    await world.run_due()
    world.clock.now += 5_000
    await world.run_due()
    assert await status(world, message.id) is Status.UNCERTAIN
    assert await kinds(world) == [NoticeKind.DELIVERY_UNCERTAIN]


async def test_what_the_carrier_certainly_never_had_is_sent_again_where_the_policy_says_so(
    make_world: MakeWorld,
) -> None:
    world = make_world(policy=Policy(uncertain="resend_if_absent", settle_after_ms=(5_000, 60_000)))
    world.network.answer = answering(lost())
    message = await world.send()
    await world.run_due()
    world.network.answer = answering(ok({"id": "C2"}))
    for _ in range(6):
        assert await status(world, message.id) is Status.UNCERTAIN
        world.clock.now += 61_000
        await world.run_due()
    assert await status(world, message.id) is Status.SENT
    assert [sent["ref"].rpartition(".")[2] for sent in world.sent("/send")] == ["1", "2"]
    assert await world.notices() == []


async def test_a_receipt_that_comes_while_the_carrier_is_asked_is_not_overwritten(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(uncertain="resend", settle_after_ms=(5_000,)))
    world.network.answer = answering(lost())
    message = await world.send()
    await world.run_due()
    world.clock.now += 5_000

    async def receipt_first(_request: Request) -> Performed:
        await world.webhook({"type": "receipt", "id": "C9", "ref": f"{message.id}.1.1", "status": "delivered"})
        return Answered(response=Response(status=404), elapsed_ms=1)

    world.network.answer = receipt_first
    await world.run_due()
    kept = await world.message(message.id)
    assert (kept.status, kept.delivered_at_ms) == (Status.DELIVERED, world.clock.now)
    assert len(world.sent("/send")) == 1


@pytest.mark.parametrize("seen", ["by a receipt", "by asking"])
async def test_the_parts_behind_a_doubt_go_on_when_it_is_settled(world: World, seen: str) -> None:
    answers = iter([lost(), ok({"id": "C2"})])
    world.network.answer = lambda request: next(answers) if "/send" in request.url else ok({"id": "C1"})
    message = await world.send("word " * 100)
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.UNCERTAIN, Status.QUEUED]
    if seen == "by a receipt":
        await world.webhook({"type": "receipt", "id": "C1", "ref": f"{message.id}.1.1", "status": "sent"})
    world.clock.now += 5_000
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.SENT, Status.SENT]
    assert await status(world, message.id) is Status.SENT


async def test_a_receipt_that_overtakes_a_lost_answer_leaves_no_doubt_and_no_part_behind(world: World) -> None:
    async def taken_told_and_lost(request: Request) -> Performed:
        if len(world.sent()) > 1:
            return ok({"id": f"C{len(world.sent())}"})
        await world.webhook({"type": "receipt", "id": "C1", "ref": f"{message.id}.1.1", "status": "sent"})
        return lost()

    world.network.answer = taken_told_and_lost
    message = await world.send("word " * 100)
    await world.send("behind it")
    await world.run_due()
    assert await status(world, message.id) is Status.SENT
    assert [sent["text"] for sent in world.sent()][2:] == ["behind it"]


async def test_the_parts_go_on_even_when_the_receipt_comes_after_the_agent_was_told(world: World) -> None:
    answers = iter([lost(), ok({"id": "C2"})])
    absent = Answered(response=Response(status=404), elapsed_ms=1)
    world.network.answer = lambda request: next(answers) if "/send" in request.url else absent
    message = await world.send("word " * 100)
    for _ in range(10):
        await world.run_due()
        world.clock.now += 60_000
    assert await kinds(world) == [NoticeKind.DELIVERY_UNCERTAIN]
    await world.webhook({"type": "receipt", "id": "C1", "ref": f"{message.id}.1.1", "status": "delivered"})
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.DELIVERED, Status.SENT]


async def test_the_parts_behind_one_that_failed_are_not_sent(world: World) -> None:
    world.network.answer = lambda _request: ok({"code": "filtered"}, status=400)
    message = await world.send("word " * 150)
    await world.run_due()
    assert len(world.sent()) == 1
    kept = await world.message(message.id)
    assert (kept.status, kept.cause) == (Status.FAILED, Cause.FILTERED)
    assert len(await world.notices()) == 1


async def test_an_opt_out_between_two_parts_stops_the_second(world: World) -> None:
    message = await world.send("word " * 100)
    claimed = await world.claim()
    assert claimed is not None
    await world.finish(*claimed)
    await world.text("STOP")
    await world.run_due()
    assert [part.status for part in await world.parts(message.id)] == [Status.SENT, Status.FAILED]
    assert len([sent for sent in world.sent() if "word" in sent["text"]]) == 1


# --- the answer to a later try


async def test_each_try_has_its_own_carrier_id_and_the_newest_is_shown(world: World) -> None:
    await world.text("Hello")
    message = await world.send()
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C1", "status": "undelivered", "cause": "unreachable"})
    await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
    await world.run_due()
    (part,) = await world.parts(message.id)
    assert (part.carrier_message_id, part.tries, part.status) == ("C2", 2, Status.SENT)
    await world.webhook({"type": "receipt", "id": "C1", "status": "failed", "cause": "blocked"})
    assert await status(world, message.id) is Status.SENT  # bad news of the earlier try
    await world.webhook({"type": "receipt", "id": "C2", "status": "delivered"})
    assert await status(world, message.id) is Status.DELIVERED


async def test_an_earlier_try_that_arrives_after_all_takes_back_the_waiting_one(world: World) -> None:
    message = await world.send()
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C1", "status": "undelivered", "cause": "unreachable"})
    await world.write(lambda tx: outbound.retry(tx, world.bridge, message.id))
    await world.webhook({"type": "receipt", "id": "C1", "status": "delivered"})
    await world.run_due()
    assert await status(world, message.id) is Status.DELIVERED
    assert len(world.sent()) == 1


# --- the sender's rate


async def test_a_senders_rate_is_never_exceeded(make_world: MakeWorld) -> None:
    world = make_world(rate_per_s=2, burst=1)
    for number in range(20):
        await world.send(to=f"+141555501{number:02d}")
    left: list[int] = []
    for _ in range(200):
        before = len(world.sent())
        await world.run_due()
        left += [world.clock.now] * (len(world.sent()) - before)
        world.clock.now += 100
    assert len(left) == 20
    assert all(later - earlier >= 500 for earlier, later in pairwise(left))


async def test_a_text_that_waits_for_its_turn_long_is_told_of(make_world: MakeWorld) -> None:
    world = make_world(rate_per_s=0.02)
    await world.send(to=BOB)
    await world.send(to=ANN)
    await world.run_due()
    (notice,) = await world.notices(ANN)
    assert (notice.kind, notice.cause) == (NoticeKind.DELAYED, Cause.RATE_LIMITED)


@on_sqlite  # a matter of the flow, and long
async def test_a_thousand_that_wait_for_their_turn_ask_once_each(make_world: MakeWorld) -> None:
    """And not all of them whenever one may go, which would be half a million times."""
    world = make_world(rate_per_s=1)
    for number in range(300):
        await world.send(to=f"+1415555{number:04d}")
    asked = 0
    for _ in range(300):
        asked += await world.run_due()
        world.clock.now += 1_000
    assert len(world.sent()) == 300
    assert asked <= 2 * 300


async def test_after_a_standstill_the_rate_holds_for_those_whose_turn_has_passed(make_world: MakeWorld) -> None:
    world = make_world(rate_per_s=1)
    for number in range(20):
        await world.send(to=f"+141555501{number:02d}")
    await world.run_due()
    world.clock.now += 3_600_000
    left = []
    for _ in range(25):
        before = len(world.sent())
        await world.run_due()
        left.append(len(world.sent()) - before)
        world.clock.now += 1_000
    assert left[:19] == [1] * 19


async def test_the_parts_of_a_text_go_out_together_and_count_together(make_world: MakeWorld) -> None:
    world = make_world(rate_per_s=1)
    await world.send("word " * 100, to=ANN)
    await world.send("short", to=BOB)
    await world.run_due()
    assert len(world.sent()) == 2
    world.clock.now += 4_000 - 1
    await world.run_due()
    assert len(world.sent()) == 2
    world.clock.now += 1
    await world.run_due()
    assert [sent["text"] for sent in world.sent()][2:] == ["short"]


@on_sqlite  # a matter of the flow, and long
async def test_with_twice_as_many_as_may_go_as_many_go_as_may(make_world: MakeWorld) -> None:
    """The turns of those whose time is over before do not stay empty, so it is one a second for as long as it lasts."""
    patient = Policy()
    patient = replace(patient, send_retry=replace(patient.send_retry, max_age_s=20))
    world = make_world(rate_per_s=1, policy=patient)
    for second in range(100):
        for number in (2 * second, 2 * second + 1):
            await world.send(to=f"+1415555{number:04d}")
        await world.run_due()
        world.clock.now += 1_000
    assert len(world.sent()) == 100


async def test_texts_that_are_taken_back_hold_up_nobody(make_world: MakeWorld) -> None:
    world = make_world(rate_per_s=1)
    messages = [await world.send(to=f"+141555501{number:02d}") for number in range(10)]
    await world.run_due()
    for message in messages[1:]:
        await world.write(lambda tx, message=message: outbound.cancel(tx, world.bridge, message.id))
    world.clock.now += 1_000
    new = await world.send(to=BOB)
    await world.run_due()
    assert await status(world, new.id) is Status.SENT


async def test_a_text_that_an_opt_out_ended_leaves_its_turn_to_others(make_world: MakeWorld) -> None:
    world = make_world(rate_per_s=1)
    await world.send(to=ANN)
    long = await world.send("word " * 100, to=BOB)
    await world.run_due()
    await world.text("STOP", sender=BOB)
    world.clock.now += 1_000
    await world.run_due()
    assert await status(world, long.id) is Status.FAILED
    assert world.sent()[-1]["text"] == world.bridge.policy.stop_confirmation, "its four segments hold up nobody"


async def test_a_turn_that_would_come_too_late_is_not_waited_for(make_world: MakeWorld) -> None:
    world = make_world(rate_per_s=0.0001)
    await world.send(to=BOB)
    late = [await world.send(to=ANN), await world.send(to=ANN)]
    for after_ms in (0, 10_000_000, 4 * 3_600_000 - 10_000_000):
        world.clock.now += after_ms
        await world.run_due()
    assert [await status(world, each.id) for each in late] == [Status.SENT, Status.FAILED]
