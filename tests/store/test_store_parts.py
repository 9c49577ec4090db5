"""Long texts that come in parts: what waits, what came, and what is left of it afterwards."""

from dataclasses import replace

import pytest

from smsbridge.contracts.store import Store
from store import made
from store.made import ANN, NOW, SENDER


async def test_a_text_waits_for_as_many_parts_as_have_not_come(store: Store) -> None:
    waiting = made.waiting_text(part_count=3, missing=3)
    await store.write(lambda tx: tx.insert_waiting_text(waiting))
    await store.write(lambda tx: tx.keep_part(waiting, made.kept_part(3)))
    await store.write(lambda tx: tx.keep_part(waiting, made.kept_part(1, carrier_at_ms=None)))
    found = await store.read(lambda tx: tx.waiting_text_of("twilio", ANN, SENDER, "7"))
    assert found == replace(waiting, missing=1)
    assert found == await store.read(lambda tx: tx.waiting_text("wtx_1"))
    parts = await store.read(lambda tx: tx.kept_parts("wtx_1"))
    assert parts == [made.kept_part(1, carrier_at_ms=None), made.kept_part(3)]
    for other in (("vonage", ANN, SENDER, "7"), ("twilio", "+1", SENDER, "7"), ("twilio", ANN, SENDER, "8")):
        assert await store.read(lambda tx, key=other: tx.waiting_text_of(*key)) is None


async def test_half_a_character_is_kept_as_it_came(store: Store) -> None:
    waiting = made.waiting_text()
    await store.write(lambda tx: tx.insert_waiting_text(waiting))
    await store.write(lambda tx: tx.keep_part(waiting, made.kept_part(1, "ä\0\ud83d")))
    [part] = await store.read(lambda tx: tx.kept_parts("wtx_1"))
    assert part.text == "ä\0\ud83d"


async def test_a_part_is_there_once_and_a_text_waits_once(store: Store) -> None:
    waiting = made.waiting_text()
    await store.write(lambda tx: tx.insert_waiting_text(waiting))
    await store.write(lambda tx: tx.keep_part(waiting, made.kept_part(1)))
    for again in (made.kept_part(1), made.kept_part(2, carrier_message_id="P1"), replace(made.kept_part(1))):
        with pytest.raises(Exception, match=r"(?i)unique"):
            await store.write(lambda tx, part=again: tx.keep_part(waiting, part))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.insert_waiting_text(made.waiting_text("wtx_2")))
    found = await store.read(lambda tx: tx.waiting_text("wtx_1"))
    assert found is not None
    assert found.missing == 1


async def test_a_closed_text_waits_no_more_and_its_parts_stay_known_until_they_are_trimmed(store: Store) -> None:
    waiting = made.waiting_text()
    await store.write(lambda tx: tx.insert_waiting_text(waiting))
    await store.write(lambda tx: tx.keep_part(waiting, made.kept_part(1)))
    await store.write(lambda tx: tx.close_waiting_text("wtx_1", NOW))
    assert await store.read(lambda tx: (tx.waiting_text("wtx_1"), tx.kept_parts("wtx_1"))) == (None, [])
    assert await store.read(lambda tx: (tx.has_text_part("twilio", "P1"), tx.has_text_part("twilio", "P2"))) == (
        True,
        False,
    )
    again = made.waiting_text("wtx_2")
    await store.write(lambda tx: tx.insert_waiting_text(again))
    await store.write(lambda tx: tx.keep_part(again, made.kept_part(1, carrier_message_id="P9")))
    assert await store.write(lambda tx: tx.trim_text_parts(NOW)) == 0
    assert await store.write(lambda tx: tx.trim_text_parts(NOW + 1)) == 1
    assert await store.read(lambda tx: (tx.has_text_part("twilio", "P1"), tx.has_text_part("twilio", "P9"))) == (
        False,
        True,
    )


async def test_an_erased_person_has_no_waiting_parts(store: Store) -> None:
    await store.write(made.thread)
    hers, his = made.waiting_text(), made.waiting_text("wtx_2", number="+14155550143")
    for waiting, identifier in ((hers, "P1"), (his, "P2")):
        await store.write(lambda tx, waiting=waiting: tx.insert_waiting_text(waiting))
        part = made.kept_part(1, carrier_message_id=identifier)
        await store.write(lambda tx, waiting=waiting, part=part: tx.keep_part(waiting, part))
    await store.write(lambda tx: tx.erase_contact(made.contact().id, NOW))
    assert await store.read(lambda tx: (tx.waiting_text("wtx_1"), tx.kept_parts("wtx_1"))) == (None, [])
    assert await store.read(lambda tx: tx.has_text_part("twilio", "P1")), "a repeat of it makes no new text"
    assert len(await store.read(lambda tx: tx.kept_parts("wtx_2"))) == 1
