"""What came by webhook and what became of it; what was not understood can be read again."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from smsbridge.contracts.store import Arrival
from smsbridge.domain.errors import BadSignature, Conflict
from smsbridge.flows import inbound, resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import read_before_id, read_id
from smsbridge.web.endpoint import Call, Endpoint, write_page


async def list_all(call: Call) -> dict[str, Any]:
    query = call.query(models.ArrivalQuery)
    before_id = read_before_id(query)
    found = await call.read(
        lambda tx: tx.list_arrivals(
            outcome=query.outcome, account=query.account, limit=query.limit + 1, before_id=before_id
        )
    )
    return write_page([_show(each) for each in found], query.limit, itemgetter("id"))


async def replay(call: Call) -> dict[str, Any]:
    arrival_id = read_id(call, "arrival")
    try:
        outcomes = await inbound.replay(call.bridge, arrival_id)
    except BadSignature as bad:
        # The caller's own key is in order, so this is no 401.
        raise Conflict("signature_mismatch", f"The request still fails verification. {bad}") from None
    return {"outcomes": [{"outcome": outcome, "reason": reason or None} for outcome, reason in outcomes]}


async def list_unmatched(call: Call) -> dict[str, Any]:
    query = call.query(models.ReceiptQuery)
    found = await call.read(lambda tx: tx.list_unmatched_receipts(limit=query.limit))
    return {"items": [resources.receipt(each) for each in found], "next_cursor": None}


def _show(arrival: Arrival) -> dict[str, Any]:
    return {
        "id": arrival.id,
        "source": arrival.source,
        "account": arrival.account,
        "outcome": arrival.outcome,
        "reason": arrival.reason or None,
        "kind": arrival.kind or None,
        "at": resources.time(arrival.at_ms),
        "replayable": bool(arrival.request) and arrival.source == "carrier",
        "replayed_at": resources.time(arrival.replayed_at_ms),
    }


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/arrivals",
        summary="List what came by webhook and what became of it, newest first",
        tag="operations",
        scope="ops:read",
        handler=list_all,
        query=models.ArrivalQuery,
        answer=models.ArrivalPage,
        problems=(422,),
    ),
    Endpoint(
        method="POST",
        path="/v1/arrivals/{id}/replay",
        summary="Read a webhook again that was refused or not understood",
        description="After a secret was mended or the program upgraded. Its signature is checked as it was then.",
        tag="operations",
        scope="ops:write",
        handler=replay,
        body_kind="none",
        answer=models.ReplayReport,
        problems=(404, 409),
    ),
    Endpoint(
        method="GET",
        path="/v1/receipts/unmatched",
        summary="List receipts that fit no message (yet), newest first",
        tag="operations",
        scope="ops:read",
        handler=list_unmatched,
        query=models.ReceiptQuery,
        answer=models.ReceiptList,
        problems=(422,),
    ),
)
