"""Texts that agents send often."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from smsbridge.contracts.store import StandardResponse, Tx
from smsbridge.domain.errors import Conflict, NotFound
from smsbridge.flows import resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import read_id
from smsbridge.web.endpoint import Answer, Call, Endpoint


async def list_all(call: Call) -> dict[str, Any]:
    kept = await call.read(lambda tx: tx.list_standard_responses())
    return {"items": [resources.standard_response(each) for each in kept], "next_cursor": None}


async def show(call: Call) -> dict[str, Any]:
    response_id = read_id(call, "standard response")
    return resources.standard_response(await call.read(lambda tx: _find(tx, response_id)))


async def create(call: Call) -> Answer:
    body = call.body(models.StandardResponseIn)
    now_ms = call.bridge.now_ms()
    made = StandardResponse(
        id=call.bridge.ids.new("std_"),
        shortcut=body.shortcut,
        title=body.title,
        text=body.text,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )
    return await call.write(lambda tx: _save(tx, made), location="/v1/standard-responses/{id}")


async def change(call: Call) -> Answer:
    response_id = read_id(call, "standard response")
    given = call.body(models.StandardResponsePatch).model_dump(exclude_unset=True)

    def update(tx: Tx) -> dict[str, Any]:
        return _save(tx, replace(_find(tx, response_id), **given, updated_at_ms=call.bridge.now_ms()))

    return await call.write(update)


async def delete(call: Call) -> Answer:
    response_id = read_id(call, "standard response")

    def drop(tx: Tx) -> None:
        if not tx.delete_standard_response(response_id):
            raise NotFound("standard response", response_id)

    return await call.write(drop)


def _find(tx: Tx, response_id: str) -> StandardResponse:
    found = tx.standard_response(response_id)
    if found is None:
        raise NotFound("standard response", response_id)
    return found


def _save(tx: Tx, response: StandardResponse) -> dict[str, Any]:
    holder = tx.standard_response_by_shortcut(response.shortcut)
    if holder is not None and holder.id != response.id:
        raise Conflict("shortcut_taken", f"/{response.shortcut} is already the shortcut of {holder.title!r}.")
    tx.save_standard_response(response)
    return resources.standard_response(response)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/standard-responses",
        summary="List standard responses by shortcut",
        tag="standard responses",
        scope="desk:read",
        handler=list_all,
        answer=models.StandardResponseList,
    ),
    Endpoint(
        method="POST",
        path="/v1/standard-responses",
        summary="Add a standard response",
        tag="standard responses",
        scope="desk:write",
        handler=create,
        body=models.StandardResponseIn,
        answer=models.StandardResponse,
        status=201,
        creates=True,
        problems=(409, 422),
    ),
    Endpoint(
        method="GET",
        path="/v1/standard-responses/{id}",
        summary="Show a standard response",
        tag="standard responses",
        scope="desk:read",
        handler=show,
        answer=models.StandardResponse,
        problems=(404,),
    ),
    Endpoint(
        method="PATCH",
        path="/v1/standard-responses/{id}",
        summary="Change a standard response",
        tag="standard responses",
        scope="desk:write",
        handler=change,
        body=models.StandardResponsePatch,
        answer=models.StandardResponse,
        problems=(404, 409, 422),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/standard-responses/{id}",
        summary="Delete a standard response",
        tag="standard responses",
        scope="desk:write",
        handler=delete,
        body_kind="none",
        status=204,
        problems=(404,),
    ),
)
