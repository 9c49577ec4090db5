"""What came while the store could not be reached: taken up in the order in which it came, once it can."""

from __future__ import annotations

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.spool import Spooled
from smsbridge.contracts.store import Arrival, Arrived, StoreUnavailable
from smsbridge.flows.inbound import accept_events, read_events, read_request

AT_ONCE = 100


async def take_up_spooled(bridge: Bridge) -> int:
    """Returns how many were taken up. Raises StoreUnavailable while the store is still away.

    A request is dropped from the spool after its transaction: a crash in between takes it up again, as a duplicate.
    """
    spool = bridge.spool
    if spool is None or not spool.depth:
        return 0
    taken = 0
    for spooled in await spool.oldest(AT_ONCE):
        try:
            outcomes = await _take_up(bridge, spooled)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one request's bug must not hold up those behind it
            outcomes = await _put_aside(bridge, spooled, f"crashed: {type(error).__name__}")
        await spool.drop(spooled.seq)
        taken += 1
        for outcome in outcomes:
            bridge.meter.count("spool_replayed_total", carrier=spooled.account, outcome=outcome.value)
    return taken


async def _take_up(bridge: Bridge, spooled: Spooled) -> list[Arrived]:
    """Its signature was proven when it came."""
    account = bridge.accounts.get(spooled.account)
    if account is None:
        return await _put_aside(bridge, spooled, "the account is configured no more")
    request = read_request(spooled.request)
    events = read_events(account, request)
    outcomes = await bridge.store.write(lambda tx: accept_events(tx, bridge, account, request, events))
    return [outcome for outcome, _ in outcomes]


async def _put_aside(bridge: Bridge, spooled: Spooled, reason: str) -> list[Arrived]:
    """Into the quarantine, from where it can be replayed."""
    arrival = Arrival(
        id=bridge.ids.new("arr_"),
        source="carrier",
        account=spooled.account,
        outcome=Arrived.REFUSED,
        reason=reason[:200],
        kind="unknown",
        at_ms=spooled.at_ms,
        request=spooled.request,
    )
    await bridge.store.write(lambda tx: tx.add_arrival(arrival))
    return [Arrived.REFUSED]
