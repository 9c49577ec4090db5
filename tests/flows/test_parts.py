"""Long texts that a carrier pushes in parts become one message, whatever order they come in, and none is lost."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes import ANN, BOB, OUR_NUMBER, World
from flows.conftest import on_sqlite
from smsbridge.contracts.bridge import Policy, Retention
from smsbridge.contracts.store import Arrived
from smsbridge.domain.events import InboundMessage, TextPart
from smsbridge.domain.message import NoticeKind
from smsbridge.flows import contacts, upkeep
from smsbridge.flows.inbound import WebhookReport, accept_events

MakeWorld = Callable[..., World]
HOLD_MS = Policy().parts_hold_ms


async def part(world: World, number: int, text: str, *, of: str = "7", count: int = 3, **more: Any) -> WebhookReport:
    carrier_id = more.pop("carrier_id", f"{of}-{number}")
    return await world.text(text, carrier_id=carrier_id, part={"of": of, "number": number, "count": count}, **more)


async def texts(world: World, number: str = ANN) -> list[str]:
    return [message.text for message in await world.messages(number)]


async def wait_long_enough(world: World) -> None:
    world.clock.now += HOLD_MS
    await world.run_due()


async def test_parts_in_any_order_become_one_message(world: World) -> None:
    pieces = {1: "One ", 2: "two ", 3: "three"}
    for done, order in enumerate(itertools.permutations([1, 2, 3])):
        for seen, number in enumerate(order, 1):
            report = await part(world, number, pieces[number], of=str(done), at_ms=1000 + number)
            assert report.outcomes == ((Arrived.STORED, "part"),)
            assert report.response.ok
            assert len(await texts(world)) == done + (seen == 3)
        message = (await world.messages())[-1]
        assert (message.text, message.carrier_message_id) == ("One two three", f"{done}-1")
        assert message.carrier_at_ms == 1001
    await wait_long_enough(world)
    assert len(await texts(world)) == 6
    assert world.meter.counts["joined_texts_total", "plain", "whole"] == 6


async def test_a_repeat_of_a_part_is_a_duplicate_before_the_joining_and_after_it(world: World) -> None:
    for number in (1, 1, 2, 3, 1, 2, 3):
        await part(world, number, str(number))
    assert (await part(world, 2, "2")).outcomes == ((Arrived.DUPLICATE, "part"),)
    assert await texts(world) == ["123"]
    await wait_long_enough(world)
    assert await texts(world) == ["123"]


async def test_parts_that_come_at_the_same_moment_make_one_message(world: World) -> None:
    reports = await asyncio.gather(*(part(world, n % 5 + 1, str(n % 5 + 1), count=5) for n in range(20)))
    outcomes = sorted(outcome for report in reports for outcome, _ in report.outcomes)
    assert outcomes == [Arrived.DUPLICATE] * 15 + [Arrived.STORED] * 5
    assert await texts(world) == ["12345"]


async def test_what_is_incomplete_is_shown_with_a_mark_once_its_time_is_over(world: World) -> None:
    await part(world, 2, "two", count=5)
    await part(world, 3, "three", count=5)
    world.clock.now += HOLD_MS - 1
    await world.run_due()
    assert await texts(world) == []
    world.clock.now += 1
    await world.run_due()
    [message] = await world.messages()
    assert message.text == " [part 1 of 5 did not arrive] twothree [parts 4 to 5 of 5 did not arrive] "
    assert message.carrier_message_id == "7-2"
    assert world.meter.counts["joined_texts_total", "plain", "incomplete"] == 1


async def test_a_part_that_comes_too_late_is_shown_as_well(world: World) -> None:
    await part(world, 1, "one", count=2)
    await wait_long_enough(world)
    await part(world, 2, "two", count=2)
    await wait_long_enough(world)
    assert await texts(world) == ["one [part 2 of 2 did not arrive] ", " [part 1 of 2 did not arrive] two"]


async def test_a_reference_that_comes_round_again_belongs_to_a_new_text(world: World) -> None:
    """The older one is closed first, as far as it came: by a number that is there already, or another count."""
    await part(world, 1, "old one", count=2, carrier_id="a1")
    await part(world, 1, "new one ", count=2, carrier_id="b1")
    assert await texts(world) == ["old one [part 2 of 2 did not arrive] "]
    await part(world, 1, "newest one", count=3, carrier_id="c1")
    assert await texts(world) == [
        "old one [part 2 of 2 did not arrive] ",
        "new one  [part 2 of 2 did not arrive] ",
    ]
    for number, text in ((2, ", two"), (3, ", three")):
        await part(world, number, text, count=3, carrier_id=f"c{number}")
    assert (await texts(world))[2:] == ["newest one, two, three"]
    await wait_long_enough(world)
    assert len(await texts(world)) == 3


async def test_a_reference_used_again_is_not_joined_to_what_should_have_been_over(world: World) -> None:
    """The daemon was down when the time of the older text was over."""
    await part(world, 1, "old", count=2, carrier_id="a1")
    world.clock.now += HOLD_MS
    await part(world, 2, "new", count=2, carrier_id="b2")
    await wait_long_enough(world)
    assert await texts(world) == ["old [part 2 of 2 did not arrive] ", " [part 1 of 2 did not arrive] new"]


async def test_one_reference_of_two_people_and_two_senders_is_two_texts(world: World) -> None:
    for number in (1, 2):
        await part(world, number, f"Ann {number} ", count=2, carrier_id=f"a{number}")
        await part(world, number, f"Bob {number} ", count=2, carrier_id=f"b{number}", sender=BOB)
    assert (await texts(world), await texts(world, BOB)) == (["Ann 1 Ann 2 "], ["Bob 1 Bob 2 "])


async def test_a_character_that_was_cut_in_two_is_whole_again(world: World) -> None:
    account = world.bridge.accounts["plain"]
    for number, text in ((1, "Hi \ud83d"), (2, "\ude00!")):
        event = InboundMessage(
            carrier_message_id=f"a{number}",
            from_number=ANN,
            to_number=OUR_NUMBER,
            text=text,
            part=TextPart(of="7", number=number, count=2),
        )
        await world.write(lambda tx, event=event: accept_events(tx, world.bridge, account, None, [event]))
    assert await texts(world) == ["Hi \N{GRINNING FACE}!"]


async def test_numbers_that_make_no_sense_are_waited_for_by_nobody(world: World) -> None:
    for number, count in ((0, 2), (3, 2), (1, 1), (1, 256)):
        await part(world, number, f"{number} of {count}", count=count, carrier_id=f"{number}-{count}")
    assert await texts(world) == ["0 of 2", "3 of 2", "1 of 1", "1 of 256"]


async def test_stop_is_obeyed_in_the_whole_text_and_in_no_part_of_it(world: World) -> None:
    await part(world, 2, "me if you can", count=2)
    await part(world, 1, "Stop", count=2)
    assert await texts(world) == ["Stopme if you can"]
    assert [notice.kind for notice in await world.notices()] == []
    await part(world, 1, "ST", of="8", count=2)
    await part(world, 2, "OP", of="8", count=2)
    assert [notice.kind for notice in await world.notices()] == [NoticeKind.OPTED_OUT]
    await world.run_due()
    assert len(world.sent()) == 1, "the confirmation"


async def test_what_waits_survives_a_restart_even_in_the_midst_of_its_showing(world: World) -> None:
    await part(world, 1, "one", count=2)
    world.clock.now += HOLD_MS
    assert await world.claim() is not None
    await world.restart()
    await world.run_due()
    assert await texts(world) == ["one [part 2 of 2 did not arrive] "]


async def test_the_last_part_may_come_while_the_text_is_about_to_be_shown(world: World) -> None:
    await part(world, 1, "one ", count=2)
    world.clock.now += HOLD_MS
    claimed = await world.claim()
    assert claimed is not None
    await part(world, 1, "one ", count=2)
    world.clock.now -= 1  # the other daemon's clock
    await part(world, 2, "two", count=2)
    await world.finish(*claimed)
    await world.run_due()
    assert await texts(world) == ["one two"]


async def test_a_text_of_an_account_that_is_configured_no_more_is_shown_all_the_same(world: World) -> None:
    await part(world, 1, "one", count=2)
    world.bridge = replace(world.bridge, accounts={})
    await world.restart(world.store)
    await wait_long_enough(world)
    assert await texts(world) == ["one [part 2 of 2 did not arrive] "]


async def test_a_joining_that_crashes_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from smsbridge.flows.jobs import job_kinds
    from smsbridge.flows.lanes import JOIN

    await part(world, 1, "one", count=2)
    world.clock.now += HOLD_MS
    claimed = await world.claim()
    assert claimed is not None

    def give_up(tx: Any) -> None:
        assert tx.bury_job(claimed[0], "it crashed", world.clock.now)
        job_kinds(world.bridge)[JOIN].give_up(tx, claimed[0])

    await world.write(give_up)
    await world.run_due()
    assert await texts(world) == []
    world.clock.now += 3_600_000
    await world.run_due()
    assert await texts(world) == ["one [part 2 of 2 did not arrive] "]


@on_sqlite
async def test_an_erased_person_leaves_no_part_behind(world: World, folder: Path) -> None:
    await world.text("Hello")
    await part(world, 1, "Xylophon joined, ", of="8", count=2)
    await part(world, 2, "Xylophon all", of="8", count=2)
    await part(world, 1, "Xylophon waits", count=2)
    contact = await world.store.read(lambda tx: tx.contact_by_number(ANN))
    assert contact is not None
    await contacts.erase(world.bridge, contact.id)
    assert (await part(world, 1, "Xylophon waits", count=2)).outcomes == ((Arrived.DUPLICATE, "part"),)
    await wait_long_enough(world)
    assert await texts(world) == []
    await world.store.close()
    stored = (folder / "store0.sqlite3").read_bytes()
    for word in (ANN[1:], "Xylophon", "xylophon"):
        assert word.encode() not in stored, word


async def test_a_joined_part_is_known_for_as_long_as_it_may_come_again(make_world: MakeWorld) -> None:
    """Vonage repeats for a day, and a signature holds longer: a short retention makes no second text of it."""
    world = make_world(policy=Policy(retention=Retention(arrivals_ms=3_600_000)))
    for number in (1, 2, 3):
        await part(world, number, str(number))
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    world.clock.now += 48 * 3_600_000
    claimed = await world.claim()
    while claimed is not None and claimed[0].kind != "upkeep":
        await world.finish(*claimed)
        claimed = await world.claim()
    assert claimed is not None
    await world.finish(*claimed)
    await part(world, 2, "2")
    assert await texts(world) == ["123"]


async def test_joined_parts_are_forgotten_after_a_while_and_waiting_ones_never(make_world: MakeWorld) -> None:
    world = make_world(policy=Policy(parts_hold_ms=30 * 86_400_000))
    for number in (1, 2, 3):
        await part(world, number, str(number))
    await part(world, 1, "one", of="8", count=2)
    await world.write(lambda tx: upkeep.ensure_upkeep(tx, world.bridge))
    world.clock.now += Policy().retention.arrivals_ms + 1
    claimed = await world.claim()
    while claimed is not None and claimed[0].kind != "upkeep":
        await world.finish(*claimed)
        claimed = await world.claim()
    assert claimed is not None
    await world.finish(*claimed)
    assert not await world.store.read(lambda tx: tx.has_text_part("plain", "7-2"))
    await part(world, 2, " two", of="8", count=2)
    assert await texts(world) == ["123", "one two"]
    assert OUR_NUMBER in {message.sender for message in await world.messages()}
