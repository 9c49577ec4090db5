"""A code that is in no table is counted and listed; one that is, is not."""

from fakes import ANN, World, ok
from smsbridge.contracts.store import Tx, UnknownCode
from smsbridge.domain.outcome import Evidence
from smsbridge.domain.status import Status
from smsbridge.flows.causes import note_code
from smsbridge.store.records import MAX_UNKNOWN_CODES


async def unknown(world: World) -> list[UnknownCode]:
    return await world.store.read(lambda tx: tx.unknown_codes())


async def test_a_refusal_with_a_code_in_no_table_is_counted_by_code(world: World) -> None:
    for code in ("filtered", "unknown", "unknown"):
        world.network.answer = lambda _request, code=code: ok({"code": code})
        await world.send("Hello", to=ANN)
        await world.run_due()
    (seen,) = await unknown(world)
    assert (seen.account, seen.code, seen.text, seen.seen) == ("plain", "unknown", "no", 2)


async def test_a_receipt_with_a_code_in_no_table_is_counted_once_for_each_failure(world: World) -> None:
    message = await world.send("Hello", to=ANN)
    await world.run_due()
    for _ in range(3):
        await world.webhook({"type": "receipt", "status": "undelivered", "id": "C1", "cause": "unknown"})
    assert (await world.message(message.id)).status is Status.UNDELIVERED
    assert [(each.code, each.seen) for each in await unknown(world)] == [("unknown", 1)]


async def test_a_flood_of_codes_fills_no_disk_and_those_known_go_on_counting(world: World) -> None:
    def flood(tx: Tx) -> None:
        for number in [*range(MAX_UNKNOWN_CODES + 20), 0]:
            note_code(tx, world.bridge, "plain", Evidence(code=f"made-up-{number}"))

    await world.write(flood)
    seen = await unknown(world)
    assert len(seen) == MAX_UNKNOWN_CODES
    assert next(each.seen for each in seen if each.code == "made-up-0") == 2
