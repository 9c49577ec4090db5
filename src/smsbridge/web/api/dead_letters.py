"""Work that was given up: to be tried again, or dropped."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from smsbridge.contracts.jobs import DeadLetter
from smsbridge.contracts.store import Tx
from smsbridge.domain.errors import NotFound
from smsbridge.flows import resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import read_before_integer_id, read_integer_id
from smsbridge.web.endpoint import Answer, Call, Endpoint, write_page


async def list_all(call: Call) -> dict[str, Any]:
    query = call.query(models.PageQuery)
    before_id = read_before_integer_id(query)
    found = await call.read(lambda tx: tx.list_dead_letters(limit=query.limit + 1, before_id=before_id))
    return write_page([resources.dead_letter(each) for each in found], query.limit, itemgetter("id"))


async def replay(call: Call) -> Answer:
    letter_id = read_integer_id(call, "dead letter")

    def revive(tx: Tx) -> dict[str, Any]:
        letter = _find(tx, letter_id)
        tx.replay_dead_letter(letter_id, call.bridge.now_ms())
        return resources.dead_letter(letter)

    return await call.write(revive)


async def drop(call: Call) -> Answer:
    letter_id = read_integer_id(call, "dead letter")

    def forget(tx: Tx) -> None:
        _find(tx, letter_id)
        tx.drop_dead_letter(letter_id)

    return await call.write(forget)


def _find(tx: Tx, letter_id: int) -> DeadLetter:
    letter = tx.dead_letter(letter_id)
    if letter is None:
        raise NotFound("dead letter", str(letter_id))
    return letter


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/dead-letters",
        summary="List work that was given up, newest first",
        tag="operations",
        scope="ops:read",
        handler=list_all,
        query=models.PageQuery,
        answer=models.DeadLetterPage,
        problems=(422,),
    ),
    Endpoint(
        method="POST",
        path="/v1/dead-letters/{id}/replay",
        summary="Try given-up work again, from the beginning",
        tag="operations",
        scope="ops:write",
        handler=replay,
        body_kind="none",
        answer=models.DeadLetter,
        status=202,
        problems=(404,),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/dead-letters/{id}",
        summary="Drop given-up work",
        tag="operations",
        scope="ops:write",
        handler=drop,
        body_kind="none",
        status=204,
        problems=(404,),
    ),
)
