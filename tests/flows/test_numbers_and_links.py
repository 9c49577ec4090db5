"""What is known of a number, and links to media that nobody can guess, change or use for ever."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import ANN, OUR_NUMBER, PlainCarrier, World, refused
from smsbridge.contracts.bridge import Account
from smsbridge.domain.errors import Invalid
from smsbridge.domain.message import Capability, SmsCapable
from smsbridge.flows import numbers
from smsbridge.flows.links import MAX_TOKEN_CHARS, read_media_link, write_media_link
from smsbridge.wire.http import Response

MakeWorld = Callable[..., World]
LANDLINE = "+493012345678"


class LookingCarrier(PlainCarrier):
    """Its look-up knows every number to be a landline."""

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        return Capability(
            number=number,
            valid=True,
            type="landline",
            sms_capable=SmsCapable.NO,
            reason="It is a landline.",
            source="lookup",
            checked_at_ms=now_ms,
            expires_at_ms=now_ms + 1_000,
        )


async def test_what_is_no_number_is_invalid(world: World) -> None:
    with pytest.raises(Invalid):
        await numbers.report(world.bridge, "nobody")


async def test_the_numbering_plan_tells_a_landline(world: World) -> None:
    report = await numbers.report(world.bridge, LANDLINE)
    assert (report.valid, report.sms_capable, report.source) == (True, SmsCapable.NO, "number_type")


async def test_receipts_are_believed_before_the_plan(world: World) -> None:
    await world.send(to=LANDLINE, force=True)
    await world.run_due()
    await world.webhook({"type": "receipt", "id": "C1", "status": "delivered"})
    report = await numbers.report(world.bridge, LANDLINE)
    assert (report.sms_capable, report.source) == (SmsCapable.YES, "receipts")


async def test_the_senders_it_has_opted_out_of_are_named(world: World) -> None:
    await world.text("STOP")
    (state,) = (await numbers.report(world.bridge, ANN)).opted_out
    assert (state.sender, state.opted_out) == (OUR_NUMBER, True)


async def test_the_carrier_is_asked_once_where_that_is_configured(world: World) -> None:
    account = Account(name="plain", adapter=LookingCarrier(), lookup=True)
    world.bridge = replace(world.bridge, accounts={"plain": account})
    for _ in range(2):
        report = await numbers.report(world.bridge, ANN)
        assert (report.sms_capable, report.source) == (SmsCapable.NO, "lookup")
    assert len(world.network.requests) == 1
    world.clock.now += 1_001
    world.network.answer = lambda _request: refused()
    report = await numbers.report(world.bridge, ANN)
    assert report.source == "number_type", "a look-up that fails blocks nothing"


# --- links


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


def link(world: World, ttl_ms: int = 60_000) -> str:
    return token_of(
        write_media_link(
            world.bridge,
            sha256="a" * 64,
            content_type="image/png",
            filename="ä b.png",
            now_ms=world.clock.now,
            ttl_ms=ttl_ms,
            inline=True,
        )
    )


async def test_a_link_says_what_it_was_made_for_until_it_ends(world: World) -> None:
    token = link(world)
    read = read_media_link(world.bridge, token, world.clock.now + 60_000)
    assert read is not None
    assert (read.sha256, read.content_type, read.filename, read.inline) == ("a" * 64, "image/png", "ä b.png", True)
    assert read_media_link(world.bridge, token, world.clock.now + 60_000 + 900_000) is None


async def test_a_link_of_another_key_is_none(world: World) -> None:
    other = replace(world.bridge, link_key=b"o" * 32)
    assert read_media_link(other, link(world), world.clock.now) is None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_changed_token_and_no_other_text_is_a_link(made: World, data: st.DataObject) -> None:
    token = link(made)
    where = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters())
    changed = token[:where] + letter + token[where + 1 :]
    if changed != token:
        assert read_media_link(made.bridge, changed, made.clock.now) is None
    text = data.draw(st.text(max_size=MAX_TOKEN_CHARS + 10))
    assert read_media_link(made.bridge, text, made.clock.now) is None


@pytest.fixture
def made() -> World:
    return World(None, None)  # type: ignore[arg-type] - links need no store
