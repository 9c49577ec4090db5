"""How interactions may end, as it is configured."""

from __future__ import annotations

from typing import Any, Final

from smsbridge.web.api import models
from smsbridge.web.endpoint import Call, Endpoint


async def list_all(call: Call) -> dict[str, Any]:
    return {"items": [{"name": name} for name in call.bridge.policy.dispositions], "next_cursor": None}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/dispositions",
        summary="List the dispositions that Done takes",
        description="Where none are configured, Done takes any text.",
        tag="interactions",
        scope="desk:read",
        handler=list_all,
        answer=models.DispositionList,
    ),
)
