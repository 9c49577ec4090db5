"""What the bridge had to tell, apart from any transcript."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from typing import Any, Final

from smsbridge.contracts.store import Tx
from smsbridge.domain.errors import NotFound
from smsbridge.flows import resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import read_before_id, read_id
from smsbridge.web.endpoint import Answer, Call, Endpoint, write_page


async def list_all(call: Call) -> dict[str, Any]:
    query = call.query(models.NoticeQuery)
    before_id = read_before_id(query)
    found = await call.read(
        lambda tx: tx.list_notices(
            acknowledged=query.acknowledged,
            interaction_id=query.interaction or "",
            limit=query.limit + 1,
            before_id=before_id,
        )
    )
    return write_page([resources.notice(each) for each in found], query.limit, itemgetter("id"))


async def acknowledge(call: Call) -> Answer:
    notice_id = read_id(call, "notice")

    def mark(tx: Tx) -> dict[str, Any]:
        notice = tx.notice(notice_id)
        if notice is None:
            raise NotFound("notice", notice_id)
        if notice.acknowledged_at_ms is None:
            notice = replace(notice, acknowledged_at_ms=call.bridge.now_ms())
            tx.update_notice(notice)
        return resources.notice(notice)

    return await call.write(mark)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/notices",
        summary="List notices, newest first",
        tag="notices",
        scope="notices:read",
        handler=list_all,
        query=models.NoticeQuery,
        answer=models.NoticePage,
        problems=(422,),
    ),
    Endpoint(
        method="POST",
        path="/v1/notices/{id}/acknowledge",
        summary="Say that somebody has seen to a notice",
        tag="notices",
        scope="notices:read",
        handler=acknowledge,
        body_kind="none",
        answer=models.Notice,
        problems=(404,),
    ),
)
