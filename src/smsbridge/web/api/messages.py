"""Sending texts and following what becomes of them."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from smsbridge.contracts.store import MessageFilter, Tx
from smsbridge.domain.errors import CannotSend, NotFound
from smsbridge.flows import outbound, resources
from smsbridge.web.api import models
from smsbridge.web.api.reading import check_hands, read_agent, read_before_id, read_id
from smsbridge.web.endpoint import Answer, Call, Endpoint, write_page


async def send(call: Call) -> Answer:
    body = call.body(models.MessageIn)
    draft = outbound.Draft(
        to=body.to or "",
        interaction_id=body.interaction_id or "",
        from_sender=body.from_ or "",
        text=body.text,
        media=tuple(outbound.MediaItem(url=item.url, attachment_id=item.attachment_id) for item in body.media),
        agent=read_agent(call, body.agent),
        client_reference=body.client_reference,
        metadata=body.metadata,
        force=body.force,
        quick_reply=body.quick_reply,
    )

    def submit(tx: Tx) -> dict[str, Any] | CannotSend:
        taken = outbound.submit(tx, call.bridge, draft)
        return taken if isinstance(taken, CannotSend) else resources.message(tx, call.bridge, taken)

    return await call.write(submit, location="/v1/messages/{id}")


async def show(call: Call) -> dict[str, Any]:
    message_id = read_id(call, "message")

    def read(tx: Tx) -> dict[str, Any]:
        message = tx.message(message_id)
        if message is None:
            raise NotFound("message", message_id)
        return resources.message(tx, call.bridge, message)

    return await call.read(read)


async def list_all(call: Call) -> dict[str, Any]:
    query = call.query(models.MessageQuery)
    before_id = read_before_id(query)
    wanted = MessageFilter(
        contact_id=query.contact or "",
        interaction_id=query.interaction or "",
        status=query.status,
        direction=query.direction,
        client_reference=query.client_reference or "",
        quick_reply=query.quick_reply,
    )

    def read(tx: Tx) -> dict[str, Any]:
        found = tx.list_messages(wanted, limit=query.limit + 1, before_id=before_id)
        return write_page(resources.messages(tx, call.bridge, found), query.limit, itemgetter("id"))

    return await call.read(read)


async def cancel(call: Call) -> Answer:
    message_id = read_id(call, "message")

    def take_back(tx: Tx) -> dict[str, Any]:
        _check_hands(tx, call, message_id)
        return resources.message(tx, call.bridge, outbound.cancel(tx, call.bridge, message_id))

    return await call.write(take_back)


async def retry(call: Call) -> Answer:
    message_id = read_id(call, "message")
    agent = read_agent(call, call.body(models.RetryIn).agent)

    def try_again(tx: Tx) -> dict[str, Any] | CannotSend:
        _check_hands(tx, call, message_id)
        queued = outbound.retry(tx, call.bridge, message_id, agent=agent)
        return queued if isinstance(queued, CannotSend) else resources.message(tx, call.bridge, queued)

    return await call.write(try_again, location="/v1/messages/{id}")


def _check_hands(tx: Tx, call: Call, message_id: str) -> None:
    message = tx.message(message_id)
    if message is not None:
        check_hands(tx, call, message.interaction_id)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/messages",
        summary="Send a text",
        description="Answered once the text is on disk. What becomes of it comes as events, or by asking.",
        tag="messages",
        scope="messages:send",
        handler=send,
        body=models.MessageIn,
        answer=models.Message,
        status=202,
        creates=True,
        problems=(404, 409, 422, 507),
    ),
    Endpoint(
        method="GET",
        path="/v1/messages",
        summary="List messages, newest first",
        tag="messages",
        scope="messages:read",
        handler=list_all,
        query=models.MessageQuery,
        answer=models.MessagePage,
        problems=(422,),
    ),
    Endpoint(
        method="GET",
        path="/v1/messages/{id}",
        summary="Show a message",
        tag="messages",
        scope="messages:read",
        handler=show,
        answer=models.Message,
        problems=(404,),
    ),
    Endpoint(
        method="POST",
        path="/v1/messages/{id}/cancel",
        summary="Take back a text that has not left",
        tag="messages",
        scope="messages:send",
        handler=cancel,
        body_kind="none",
        answer=models.Message,
        problems=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/v1/messages/{id}/retry",
        summary="Try again to send a text that failed",
        description="For one that is `uncertain` this may make it arrive twice: that is for a person to decide.",
        tag="messages",
        scope="messages:send",
        handler=retry,
        body=models.RetryIn,
        body_optional=True,
        answer=models.Message,
        status=202,
        creates=True,
        problems=(404, 409, 422),
    ),
)
