"""What a carrier could not push is asked for: all of it, once, in the order in which it was said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes import ANN, BOB, OTHER_NUMBER, OUR_NUMBER, START_MS, World
from listing import HOUR_MS, MINUTE_MS, CarrierList, ListsIds, ListsNothing, start
from smsbridge.contracts.bridge import Policy, Sender
from smsbridge.contracts.jobs import NewJob
from smsbridge.contracts.store import Arrived
from smsbridge.domain.message import NoticeKind
from smsbridge.flows import catch_up, lanes
from smsbridge.flows.restoring import CATCH_UP_SINCE
from smsbridge.outbox.worker import LONGEST_ATTEMPT_S
from smsbridge.wire.http import Performed, Request


async def away(world: World, *, minutes: int) -> None:
    """The bridge is down for so long, having looked for the last time before."""
    world.clock.now += minutes * MINUTE_MS


async def said(world: World, number: str = ANN) -> list[str]:
    return [message.text for message in await world.messages(number)]


@pytest.fixture
async def carrier(world: World) -> CarrierList:
    """A bridge that has run for a while."""
    made = CarrierList(world)
    await start(world)
    world.clock.now += 6 * HOUR_MS
    await world.run_due()
    made.asked.clear()
    return made


async def test_what_came_while_we_were_away_is_there_after_the_start(world: World, carrier: CarrierList) -> None:
    for number in range(7):
        world.clock.now += MINUTE_MS
        carrier.add(f"{number} of Ann")
        carrier.add(f"{number} of Bob", number=BOB)
    await away(world, minutes=1)
    await start(world)
    assert await said(world) == [f"{number} of Ann" for number in range(7)]
    assert await said(world, BOB) == [f"{number} of Bob" for number in range(7)]
    assert world.meter.counts["catch_up_texts_total", "plain", "recovered"] == 14
    arrivals = await world.store.read(lambda tx: tx.list_arrivals(outcome=Arrived.STORED))
    assert {(each.reason, each.kind) for each in arrivals} == {("listed", "message")}
    assert len(arrivals) == 14
    await start(world)
    assert len(await said(world)) == 7, "and the next start finds it known"


async def test_the_first_start_imports_nothing_of_the_past(world: World) -> None:
    carrier = CarrierList(world)
    carrier.add("long ago", at_ms=START_MS - HOUR_MS)
    carrier.add("just before", at_ms=START_MS - 1)
    await start(world)
    world.clock.now += 2 * HOUR_MS
    await world.run_due()
    assert await said(world) == []


async def test_texts_of_one_second_keep_their_order(world: World, carrier: CarrierList) -> None:
    for number in range(8):
        carrier.add(str(number))
    await away(world, minutes=1)
    await start(world)
    assert await said(world) == list("01234567")


async def test_a_text_that_was_pushed_is_not_taken_again_whichever_came_first(
    world: World, carrier: CarrierList
) -> None:
    pushed = carrier.add("pushed")
    await world.text("pushed", carrier_id=pushed)
    late = carrier.add("late")
    await away(world, minutes=1)
    await start(world)
    report = await world.text("late", carrier_id=late)
    assert report.outcomes == ((Arrived.DUPLICATE, "message"),)
    assert await said(world) == ["pushed", "late"]


async def test_while_we_run_a_young_text_is_left_to_the_push(world: World, carrier: CarrierList) -> None:
    carrier.add("on its way")
    world.clock.now += 59_000
    await world.run_due()
    assert await said(world) == []
    world.clock.now += world.bridge.policy.catch_up_every_ms
    await world.run_due()
    assert await said(world) == ["on its way"]


async def test_a_long_absence_is_read_hour_by_hour_the_oldest_first(world: World, carrier: CarrierList) -> None:
    for number in range(30):
        world.clock.now += 20 * MINUTE_MS
        carrier.add(str(number))
    await away(world, minutes=1)
    await start(world)
    assert await said(world) == [str(number) for number in range(30)]
    assert carrier.asked.count(OTHER_NUMBER) == 11


async def test_the_attachments_of_a_listed_text_are_fetched_as_if_it_had_been_posted(
    world: World, carrier: CarrierList
) -> None:
    url = "https://plain.example/media/1"
    world.network.files[url] = b"\xff\xd8\xff\xe0 a photo"
    carrier.media[carrier.add("Look", attachments=1)] = [url]
    await away(world, minutes=1)
    await start(world)
    (message,) = await world.messages()
    (attachment,) = await world.store.read(lambda tx: tx.attachments(message.id))
    assert (attachment.state, attachment.content_type) == ("stored", "image/jpeg")


async def test_a_text_waits_for_the_list_of_its_attachments_and_holds_up_nobody_else(
    world: World, carrier: CarrierList
) -> None:
    look = carrier.add("Look", attachments=2)
    carrier.add("at this")
    carrier.add("Hello", number=BOB)
    carrier.media[look] = []
    carrier.media_broken = True
    await away(world, minutes=1)
    await start(world)
    assert await said(world) == []
    assert await said(world, BOB) == ["Hello"]
    for _ in range(16):
        world.clock.now += MINUTE_MS
        await world.run_due()
    assert await said(world) == ["Look", "at this"]
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.ATTACHMENT_PROBLEM]


async def test_a_list_that_cannot_be_had_is_asked_for_again_until_it_can(world: World, carrier: CarrierList) -> None:
    carrier.add("Hello")
    carrier.broken = True
    await away(world, minutes=90)
    await start(world)
    for _ in range(5):
        world.clock.now += MINUTE_MS
        await world.run_due()
    assert await said(world) == []
    carrier.broken = False
    world.clock.now += MINUTE_MS
    await world.run_due()
    assert await said(world) == ["Hello"]


@pytest.mark.parametrize(
    ("trouble", "reason"), [("unreadable", "not_understood"), ("endless", "too_many"), ("months", "too_old")]
)
async def test_what_may_be_missing_is_told_to_whoever_runs_the_bridge(
    world: World, carrier: CarrierList, monkeypatch: pytest.MonkeyPatch, trouble: str, reason: str
) -> None:
    for number in range(4):
        carrier.add(str(number))
    carrier.unreadable = trouble == "unreadable"
    if trouble == "endless":
        monkeypatch.setattr(catch_up, "_MOST_PAGES", 1)
    monkeypatch.setattr(catch_up, "_FURTHEST_BACK_MS", 10 * HOUR_MS)
    await away(world, minutes=60 * 11 if trouble == "months" else 1)
    await start(world)
    assert world.meter.counts["catch_up_gaps_total", "plain", reason] >= 1
    assert await said(world) == {"unreadable": list("0123"), "endless": list("123"), "months": []}[trouble]


def answer_slowly(world: World, carrier: CarrierList, *, took_ms: int) -> None:
    def answer(request: Request) -> Performed:
        world.clock.now += took_ms
        return carrier.answer(request)

    world.network.answer = answer


async def look_in_time(world: World) -> None:
    """Until there is nothing to look at; no look takes so long that it would be cut off."""
    await world.write(lambda tx: catch_up.ensure_catch_up(tx, world.bridge))
    while claimed := await world.claim():
        began_ms = world.clock.now
        await world.finish(*claimed)
        assert world.clock.now - began_ms < LONGEST_ATTEMPT_S * 1000


@pytest.mark.parametrize("trouble", ["many pages", "slow pages"])
async def test_of_what_is_too_much_for_one_look_less_is_read_at_once_and_nothing_is_missing(
    world: World, carrier: CarrierList, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    for number in range(20):
        world.clock.now += MINUTE_MS
        carrier.add(str(number))
    await away(world, minutes=1)
    if trouble == "many pages":
        monkeypatch.setattr(catch_up, "_MOST_PAGES", 2)
    else:
        answer_slowly(world, carrier, took_ms=10_000)
    await look_in_time(world)
    assert await said(world) == [str(number) for number in range(20)]
    assert not [each for each in world.meter.counts if each[0] == "catch_up_gaps_total"]
    stretch = await world.store.read(lambda tx: tx.meta(f"catch_up_stretch:plain:{OUR_NUMBER}"))
    assert stretch == "", "and the next look reads as much as ever"


async def test_a_carrier_that_is_slow_to_name_attachments_holds_no_look_up_too_long(
    world: World, carrier: CarrierList
) -> None:
    phones = [f"+1415555{number:04d}" for number in range(8)]
    for phone in phones:
        carrier.media[carrier.add("Look", number=phone, attachments=1)] = []
    await away(world, minutes=1)
    answer_slowly(world, carrier, took_ms=15_000)
    await look_in_time(world)
    assert [await said(world, phone) for phone in phones] == [["Look"]] * 8


async def test_an_end_that_needs_a_look_says_so(world: World, carrier: CarrierList) -> None:
    carrier.broken = True
    looking = catch_up.CatchingUp(
        job=None,  # type: ignore[arg-type] - not read
        sender=world.bridge.senders[OUR_NUMBER],
        account=world.bridge.accounts["plain"],
        from_ms=START_MS,
        started_ms=world.clock.now,
        stretch_ms=HOUR_MS,
    )
    end: Any = await catch_up.catch_up(world.bridge, looking)
    assert (end.alert, end.facts["reason"]) == (True, "The carrier answered HTTP 500.")
    carrier.broken = False
    end = await catch_up.catch_up(world.bridge, looking)
    assert not end.alert


async def test_a_restored_store_reads_again_what_came_since_its_backup(world: World, carrier: CarrierList) -> None:
    backup_ms = world.clock.now
    world.clock.now += 3 * HOUR_MS
    carrier.add("lost with the disk", at_ms=backup_ms + HOUR_MS)
    await world.run_due()
    await world.write(lambda tx: tx.set_meta(CATCH_UP_SINCE, str(backup_ms)))
    await start(world)
    assert await said(world) == ["lost with the disk"]
    assert await world.store.read(lambda tx: tx.meta(CATCH_UP_SINCE)) == ""


async def test_a_start_in_the_middle_of_a_look_makes_no_second_job(world: World, carrier: CarrierList) -> None:
    for _ in range(3):
        world.clock.now += HOUR_MS
        assert await world.claim() is not None  # and there the process dies
        await world.restart()
        await start(world)
    depths = await world.store.read(lambda tx: tx.queue_depths(world.clock.now))
    assert [each.lanes for each in depths if each.queue == "catch_up:plain"] == [2]
    carrier.asked.clear()
    world.clock.now += world.bridge.policy.catch_up_every_ms
    await world.run_due()
    assert sorted(carrier.asked) == sorted([OUR_NUMBER, OTHER_NUMBER])


async def test_two_daemons_that_start_at_once_leave_one_job(world: World, carrier: CarrierList) -> None:
    lane = lanes.catch_up_lane("plain", OUR_NUMBER)
    twin = NewJob(
        kind=lanes.CATCH_UP,
        queue=lanes.catch_up_queue("plain"),
        lane=lane,
        ref=OUR_NUMBER,
        due_at_ms=world.clock.now,
        created_at_ms=world.clock.now,
    )
    await world.write(lambda tx: tx.enqueue(twin))
    for _ in range(3):
        world.clock.now += world.bridge.policy.catch_up_every_ms
        await world.run_due()
    assert carrier.asked.count(OUR_NUMBER) == 3


async def test_a_number_that_is_ours_no_more_and_a_name_are_not_looked_after(world: World) -> None:
    carrier = CarrierList(world)
    name = Sender(number="ACME", account="plain", desktop="desk")
    world.bridge = replace(world.bridge, senders={**world.bridge.senders, "ACME": name})
    await world.restart(world.store)
    await start(world)
    world.bridge = replace(world.bridge, senders={OUR_NUMBER: world.bridge.senders[OUR_NUMBER]})
    await world.restart(world.store)
    world.clock.now += HOUR_MS
    await world.run_due()
    assert set(carrier.asked) == {OUR_NUMBER}


async def test_where_it_is_switched_off_nobody_is_asked_and_switching_it_on_begins_anew(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    carrier = CarrierList(world)
    await start(world)
    carrier.asked.clear()
    on = world.bridge
    world.bridge = replace(on, policy=Policy(catch_up_every_ms=0))
    await world.restart(world.store)
    await start(world)
    carrier.add("while it was off", at_ms=world.clock.now + HOUR_MS)
    world.clock.now += 2 * HOUR_MS
    await world.run_due()
    assert carrier.asked == []
    world.bridge = on
    await world.restart(world.store)
    await start(world)
    assert await said(world) == []


# --- carriers that tell less


async def test_where_only_ids_are_listed_the_agent_is_told_that_a_text_came(make_world: Callable[..., World]) -> None:
    world = make_world(carrier=ListsIds())
    carrier = CarrierList(world)
    await start(world)
    lost, found = carrier.add("its words are gone"), carrier.add("pushed late")
    world.clock.now += 23 * HOUR_MS
    await start(world)
    assert await world.entries() == [], "it is still pushing"
    await world.text("pushed late", carrier_id=found)
    for _ in range(5):
        world.clock.now += HOUR_MS
        await world.run_due()
    notices = await world.notices()
    assert [notice.kind for notice in notices] == [NoticeKind.TEXT_WITHHELD]
    assert world.meter.counts["catch_up_texts_total", "plain", "withheld"] == 1
    await world.text("its words are gone", carrier_id=lost)
    assert await said(world) == ["pushed late", "its words are gone"], "better late than never"


async def test_a_lost_text_opens_the_interaction_in_which_it_is_told(make_world: Callable[..., World]) -> None:
    world = make_world(carrier=ListsIds())
    carrier = CarrierList(world)
    await start(world)
    carrier.add("gone")
    world.clock.now += 25 * HOUR_MS
    await start(world)
    interaction = await world.open_interaction()
    assert interaction is not None
    assert interaction.state == "waiting"
    assert [notice.interaction_id for notice in await world.notices()] == [interaction.id]


@pytest.mark.parametrize(("minutes", "gaps"), [(5, 0), (7, 2)])
async def test_where_nothing_is_listed_a_long_absence_is_a_gap(
    make_world: Callable[..., World], minutes: int, gaps: int
) -> None:
    """One for each of our two numbers."""
    world = make_world(carrier=ListsNothing())
    CarrierList(world)
    await start(world)
    await away(world, minutes=minutes)
    await start(world)
    for _ in range(3):
        world.clock.now += MINUTE_MS
        await world.run_due()
    assert world.meter.counts.get(("catch_up_gaps_total", "plain", "no_list"), 0) == gaps
    assert not [request for request in world.network.requests if "/list/" in request.url]


# --- words that are commands


@pytest.mark.parametrize(
    ("lost", "pushed", "lost_before_ms", "opted_out"),
    [
        ("START", "STOP", 10 * MINUTE_MS, True),
        ("STOP", "START", 10 * MINUTE_MS, False),
        ("START", "STOP", 0, True),
        ("STOP", "START", 0, True),
        ("STOP", "START", -10 * MINUTE_MS, True),
        ("START", "STOP", -10 * MINUTE_MS, False),
    ],
)
async def test_the_newer_of_stop_and_start_counts_and_in_doubt_stop(
    world: World, carrier: CarrierList, lost: str, pushed: str, lost_before_ms: int, opted_out: bool
) -> None:
    await world.text("STOP" if pushed == "START" else "Hello")
    world.clock.now += HOUR_MS
    carrier.add(lost, at_ms=world.clock.now - lost_before_ms)
    await world.text(pushed)
    world.clock.now += HOUR_MS
    await start(world)
    state = await world.store.read(lambda tx: tx.opt_out(OUR_NUMBER, ANN))
    assert state is not None
    assert state.opted_out is opted_out
