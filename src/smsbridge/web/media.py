"""Media for those who cannot log in: carriers that fetch what we send, desktops and browsers that show what we got.

The link is the permission (flows/links.py). Whatever is wrong with one gets the same answer, so nothing can be learnt
by trying.
"""

from __future__ import annotations

from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.domain.media import is_picture
from smsbridge.flows.links import read_media_link
from smsbridge.web.files import send_file
from smsbridge.web.problems import NotReadable


class Media:
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def send(self, request: web.Request) -> web.StreamResponse:
        """The bytes behind a link, whole or the range that is asked for."""
        link = read_media_link(self._bridge, request.match_info["token"], self._bridge.now_ms())
        path = self._bridge.blobs.path(link.sha256) if link else None
        if link is None or path is None:
            return web.Response(status=404, text="This link does not work, or no longer.\n")
        inline = link.inline and is_picture(link.content_type)
        try:
            file = send_file(request, path, content_type=link.content_type, filename=link.filename, inline=inline)
        except NotReadable as unreadable:
            return web.Response(status=400, text=f"{unreadable}\n")
        file.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # a desktop's page may show it
        return file
