"""What came while the store could not be reached: taken up in the order in which it came, once it can."""

from __future__ import annotations

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.spool import Spooled
from smsbridge.contracts.store import Arrival, Arrived, StoreUnavailable, Tx
from smsbridge.flows.inbound import accept_events, read_events, read_request

AT_ONCE = 25
"""In one transaction: the way back must be quicker than what comes meanwhile."""


async def take_up_spooled(bridge: Bridge) -> int:
    """Returns how many were taken up. Raises StoreUnavailable while the store is still away.

    They are dropped from the spool after their transaction: a crash in between takes them up again, as duplicates.
    """
    spool = bridge.spool
    if spool is None or not spool.depth:
        return 0
    some = await spool.oldest(AT_ONCE)
    if not some:
        return 0
    outcomes = await bridge.store.write(lambda tx: [(each.account, _take_up(tx, bridge, each)) for each in some])
    await spool.drop([each.seq for each in some])
    for account, outcome in ((account, outcome) for account, each in outcomes for outcome in each):
        bridge.meter.count("spool_replayed_total", carrier=account, outcome=outcome.value)
    return len(some)


def _take_up(tx: Tx, bridge: Bridge, spooled: Spooled) -> list[Arrived]:
    """Its signature was proven when it came."""
    account = bridge.accounts.get(spooled.account)
    if account is None:
        return _put_aside(tx, bridge, spooled, "the account is configured no more")
    try:
        with tx.savepoint():
            request = read_request(spooled.request)
            return [
                outcome for outcome, _ in accept_events(tx, bridge, account, request, read_events(account, request))
            ]
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - one request's bug must not hold up those behind it
        return _put_aside(tx, bridge, spooled, f"crashed: {type(error).__name__}")


def _put_aside(tx: Tx, bridge: Bridge, spooled: Spooled, reason: str) -> list[Arrived]:
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
    tx.add_arrival(arrival)
    return [Arrived.REFUSED]
