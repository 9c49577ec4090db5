"""What the error codes of the configured carriers mean, and those seen that are in no table."""

from __future__ import annotations

from typing import Any, Final

from smsbridge.flows.causes import show_causes, show_unknown_code
from smsbridge.web.api import models
from smsbridge.web.endpoint import Call, Endpoint


async def list_all(call: Call) -> dict[str, Any]:
    carriers = {account.adapter.name: account.adapter for account in call.bridge.accounts.values()}
    return {"items": [row for name in sorted(carriers) for row in show_causes(carriers[name])], "next_cursor": None}


async def list_unknown(call: Call) -> dict[str, Any]:
    found = await call.read(lambda tx: tx.unknown_codes())
    return {"items": [show_unknown_code(each) for each in found], "next_cursor": None}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/causes",
        summary="List the error codes of the configured carriers and what they mean",
        tag="operations",
        scope="ops:read",
        handler=list_all,
        answer=models.CauseList,
    ),
    Endpoint(
        method="GET",
        path="/v1/causes/unknown",
        summary="List error codes that carriers gave and that are in no table, the latest first",
        description="Such a failure has the cause `unknown`. Please report the codes, so that they get a meaning.",
        tag="operations",
        scope="ops:read",
        handler=list_unknown,
        answer=models.UnknownCodeList,
    ),
)
