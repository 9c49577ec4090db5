"""Media for those who cannot log in: carriers that fetch what we send, desktops and browsers that show what we got.

The link is the permission (flows/links.py). Whatever is wrong with one gets the same answer, so nothing can be learnt
by trying.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.domain.media import is_picture, safe_filename
from smsbridge.flows.links import read_media_link

MEDIA_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Whatever a file holds, a browser neither guesses its type nor runs it; a desktop's page may show it."""


class Media:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def send(self, request: web.Request) -> web.StreamResponse:
        """The bytes behind a link, whole or the range that is asked for."""
        link = read_media_link(self._bridge, request.match_info["token"], self._bridge.now_ms())
        path = self._bridge.blobs.path(link.sha256) if link else None
        if link is None or path is None:
            return web.Response(status=404, text="This link does not work, or no longer.\n")
        name = safe_filename(link.filename, link.content_type)
        shown = "inline" if link.inline and is_picture(link.content_type) else "attachment"
        headers = {
            **MEDIA_HEADERS,
            "Content-Type": link.content_type,
            "Content-Disposition": f'{shown}; filename="{name}"',
        }
        return web.FileResponse(path, headers=headers)
