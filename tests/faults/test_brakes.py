"""What is down, slow, busy or refuses costs nobody else anything: no text, no order, no attempt and no time."""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web

from faults.braking import PROBE_MS, BrakeRun
from smsbridge.domain.message import NoticeKind
from smsbridge.flows import lanes

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., BrakeRun]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield lambda **options: BrakeRun(Path(folder), monkeypatch, **options)


def good(_text: str) -> web.Response:
    return web.Response(status=200)


async def test_nothing_is_called_inside_a_retry_after_and_nothing_is_lost_or_counted(start: Start) -> None:
    """FI-06: two of three accounts answer 429 with Retry-After; first for an hour, then to a third of the calls."""
    run = start(accounts={"a": "concurrency = 6", "b": "concurrency = 6", "c": ""}, desktops={"crm": ""})
    # One for each account: in whatever order they call, each draws the same for its own calls.
    chances = {account: random.Random(f"{account} 20261125") for account in ("a", "b")}
    asked = {"a": 0, "b": 0}

    def busy(after_s: float) -> web.Response:
        body = {"code": 20429, "message": "Too Many Requests", "status": 429}
        return web.json_response(body, status=429, headers={"Retry-After": f"{after_s:.3f}"})

    def sometimes(account: str) -> Callable[[str], web.Response]:
        chance = chances[account]

        def answer(text: str) -> web.Response:
            if asked[account] >= 12 or chance.random() >= 0.3:
                return good(text)
            asked[account] += 1
            return busy(chance.uniform(0.02, 0.15))

        return answer

    run.ends.answers = dict.fromkeys(asked, lambda _text: busy(3_600))
    await run.ends.come_up()
    async with run.going():
        for account in ("a", "b", "c"):
            await run.write(account, 80, contacts=40)
        await run.until(lambda: sum(call.kind == "send" for call in run.ends.taken) == 80)
        called = [call.name for call in run.ends.calls if call.kind == "send"]
        assert called.count("c") == 80, "the account that is not busy is not held up"
        assert max(called.count("a"), called.count("b")) <= 6, "no more than were in flight at the first 429"
        run.ends.answers = {account: sometimes(account) for account in asked}
        for account in asked:
            await run.release(lanes.send_queue(account))
        await run.until(run.is_drained)
        await run.assert_all_sent()
    verdict, inside = run.judge_sends(), run.journal.claimed_inside_a_hold()
    print(f"{verdict}, inside a hold {len(inside)}, 429 answered {sum(asked.values())}")  # noqa: T201
    assert verdict.is_good, verdict
    assert verdict.texts == 240
    assert asked == {"a": 12, "b": 12}
    assert not inside
    assert {each.target for each in run.journal.brakes if each.brake.held_until_ms} == {"send:a", "send:b"}
    assert run.journal.attempts("send:a") == run.journal.attempts("send:b") == {1}, "no attempt was burnt"


async def test_what_waits_for_a_carrier_and_a_desktop_that_are_down_goes_out_in_order_afterwards(start: Start) -> None:
    """FI-08, short: nobody listens at their port."""
    run = start(accounts={"a": ""}, desktops={"crm": ""})
    queues = (lanes.send_queue("a"), lanes.deliver_queue("crm"))

    def probes(queue: str) -> list[int]:
        return [each.job.claimed_at_ms for each in run.journal.claims if each.job.queue == queue and each.job.is_probe]

    async with run.going():
        for _ in range(10):
            await run.write("a", 20)
            await run.receive("a", 20)
        await run.until(lambda: all(len(probes(queue)) >= 4 for queue in queues))
        for queue in queues:
            assert (await run.brake(queue)).is_open
        tried = {queue: sum(each.job.queue == queue for each in run.journal.claims) for queue in queues}
        await run.ends.come_up()
        await run.until(run.is_drained)
        await run.assert_all_sent()
        for queue in queues:
            assert not (await run.brake(queue)).is_open
    sends, deliveries = run.judge_sends(), run.judge_deliveries()
    print(f"sends: {sends}; deliveries: {deliveries}; probes {[len(probes(queue)) for queue in queues]}")  # noqa: T201
    assert sends.is_good, sends
    assert deliveries.is_good, deliveries
    assert (sends.texts, deliveries.texts) == (200, 200)
    for queue in queues:
        while_open = [claim for each in run.journal.claimed_while_open(queue) for claim in each]
        assert all(claim.job.is_probe for claim in while_open)
        at_ms = probes(queue)
        assert all(later - earlier >= PROBE_MS for earlier, later in pairwise(at_ms))
        assert tried[queue] < 100, "200 wait, and hardly any was touched"


async def test_who_hangs_holds_up_nobody_else(start: Start) -> None:
    """FI-10: while one carrier, its media host and one desktop answer nothing at all, the others do all their work."""
    patient = 'concurrency = 6\ntimeout = "60s"'  # nobody gives up before the others are done
    run = start(accounts={"slow": patient, "quick": ""}, desktops={"hangs": patient, "crm": ""})
    go = asyncio.Event()

    async def hang(text: str) -> web.Response:
        await go.wait()
        return good(text)

    run.ends.answers = {"slow": hang, "hangs": hang}
    await run.ends.come_up()
    async with run.going():
        for account in ("slow", "quick"):
            await run.receive(account, 12, contacts=12, picture=True)
            await run.write(account, 60, contacts=30)
            await run.receive(account, 60, contacts=30)

        def quick_is_done() -> bool:
            taken = [(call.name, call.kind) for call in run.ends.taken]
            pictures = [call for call in run.ends.calls if call.kind == "media" and call.name == "quick"]
            return (
                taken.count(("quick", "send")) == 60
                and taken.count(("crm", "message.received")) >= 60
                and len(pictures) >= 12
            )

        await run.until(lambda: quick_is_done() and run.ends.in_flight["slow send"] == 6)
        assert not [call for call in run.ends.taken if call.name in {"slow", "hangs"}], "they have answered nothing yet"
        go.set()
        await run.until(lambda: sum(call.kind == "send" for call in run.ends.taken) == 120)
        await run.until(lambda: sum(call.kind == "message.received" for call in run.ends.taken) >= 120)
    print(f"most at once: {dict(run.ends.most_in_flight)}; {run.judge_sends()}")  # noqa: T201
    assert run.judge_sends().is_good
    assert run.ends.most_in_flight["slow send"] == 6
    assert max(run.ends.most_in_flight[key] for key in run.ends.most_in_flight if key.startswith("hangs")) <= 6


async def test_an_event_that_is_refused_is_parked_and_its_conversation_goes_on(start: Start) -> None:
    """FI-11: one poison message in each of ten conversations."""
    run = start(accounts={"a": ""}, desktops={"crm": ""})
    run.ends.answers = {"crm": lambda text: web.Response(status=422) if "poison" in text else good(text)}
    await run.ends.come_up()
    async with run.going():
        await run.receive("a", 100)
        await run.receive("a", 10, word="poison")
        await run.until(lambda: sum("poison" in call.text for call in run.ends.calls) >= 10)
        await run.receive("a", 190, contacts=20)
        await run.until(run.is_drained)
        letters = await run.bridge.store.read(lambda tx: tx.list_dead_letters(limit=1_000))
        notices = await run.notices()
    poison = frozenset(call.text for call in run.ends.calls if "poison" in call.text)
    verdict = run.judge_deliveries(parked=poison)
    print(f"{verdict}, parked {len(letters)}, notices {len(notices)}")  # noqa: T201
    assert verdict.is_good, verdict
    assert (verdict.texts, len(poison), len(letters)) == (290, 10, 10)
    assert [notice.kind for notice in notices] == [NoticeKind.SERVICE_PROBLEM] * 10
    assert len({notice.conversation_id for notice in notices}) == 10
    assert not run.journal.claimed_while_open(lanes.deliver_queue("crm")), "it refuses, and is not down"
    tries = [sum(call.text == text for call in run.ends.calls) for text in poison]
    assert min(tries) >= 3


async def test_a_wrong_key_parks_nothing_and_everything_goes_out_once_it_is_mended(start: Start) -> None:
    """D-203: a thousand events, and a desktop that refuses all of them for a while."""
    run = start(accounts={"a": ""}, desktops={"crm": ""})
    run.ends.answers = {"crm": lambda _text: web.Response(status=401)}
    await run.ends.come_up()
    async with run.going():
        for _ in range(10):
            await run.receive("a", 100, contacts=40)
        crm = lanes.deliver_queue("crm")
        await run.until(lambda: sum(each.job.queue == crm and each.job.is_probe for each in run.journal.claims) >= 3)
        refused = len(run.ends.calls)
        assert (await run.brake(crm)).reason.startswith("the endpoint refused us")
        run.ends.answers = {}
        await run.until(run.is_drained)
        letters = await run.bridge.store.read(lambda tx: tx.list_dead_letters())
    verdict = run.judge_deliveries()
    print(f"{verdict}, refused {refused}, parked {len(letters)}")  # noqa: T201
    assert verdict.is_good, verdict
    assert (verdict.texts, letters) == (1_000, [])
    assert refused < 200
