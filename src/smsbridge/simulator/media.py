"""A file that a phone sent, on its way to the bridge: whole, late or broken."""

from __future__ import annotations

from aiohttp import web

from .dialect import Call, Office


async def serve_media(call: Call, office: Office) -> web.Response:
    """The file that the URL names."""
    media = office.account.find_media(call.named("media"))
    if media is None:
        call.summary = "gone"
        return web.Response(status=404, text="gone\n")
    if office.faults.strikes("media_slow"):
        await office.pause(office.faults.settings.media_slow_s)
    body = media.body
    if office.faults.strikes("media_broken"):
        body = body[: len(body) // 2]
        call.summary = "half of "
    call.summary += f"{media.name}, {len(media.body)} bytes"
    return web.Response(body=body, headers={"Content-Type": media.content_type})
