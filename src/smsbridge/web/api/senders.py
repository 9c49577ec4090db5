"""Our own numbers."""

from __future__ import annotations

from typing import Any, Final

from smsbridge.flows import resources
from smsbridge.web.api import models
from smsbridge.web.endpoint import Call, Endpoint


async def list_all(call: Call) -> dict[str, Any]:
    senders = call.bridge.senders.values()
    return {"items": [resources.sender(call.bridge, each) for each in senders], "next_cursor": None}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/senders",
        summary="List our numbers",
        tag="numbers",
        scope="desk:read",
        handler=list_all,
        answer=models.SenderList,
    ),
)
