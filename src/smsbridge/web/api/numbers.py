"""Whether a number can take texts, as far as anyone knows."""

from __future__ import annotations

from typing import Any, Final

from smsbridge.flows import numbers, resources
from smsbridge.web.api import models
from smsbridge.web.endpoint import Call, Endpoint


async def show(call: Call) -> dict[str, Any]:
    report = await numbers.report(call.bridge, call.path["number"])
    return {
        "number": report.number,
        "valid": report.valid,
        "type": report.type,
        "sms_capable": report.sms_capable,
        "reason": report.reason,
        "source": report.source,
        "checked_at": resources.time(report.checked_at_ms),
        "opted_out": [resources.opt_out(state) for state in report.opted_out],
    }


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/numbers/{number}",
        summary="Tell whether a number can take texts",
        description=(
            "From the numbering plan, from what receipts taught us, and from the carrier's look-up where that is "
            "configured. It never blocks: with `force` a text is sent all the same."
        ),
        tag="numbers",
        scope="numbers:read",
        handler=show,
        answer=models.NumberReport,
        problems=(422,),
    ),
)
