"""The pages of the demo: phones and desk side by side, or the phones alone. The desk is signed in already.

The files are `simulator/pages/`; what is on them comes from the simulator's API and the bridge's own.
"""

from __future__ import annotations

import secrets
from html import escape
from importlib import resources
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.simulator.loopback import is_loopback
from smsbridge.web.pages import Pages, send_asset
from smsbridge.web.sessions import Sessions, set_cookie, token_of

AGENT: Final = "demo"
"""Whoever opens the demo is this agent."""
_FOLDER: Final = resources.files("smsbridge.simulator") / "pages"


class DemoPages:
    def __init__(self, bridge: Bridge, *, simulator_url: str, kept: str) -> None:
        """`kept` is the sentence on where the data are, and for how long."""
        self._bridge = bridge
        self._words = {b"{simulator}": escape(simulator_url).encode(), b"{kept}": escape(kept).encode()}
        self._sessions = Sessions(bridge)
        self._pages = Pages(connect_to=[simulator_url])

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/", self._front),
            web.get("/demo", self._demo),
            web.get("/phone", self._phone),
            web.get("/demo/connect", self._connect),
            web.get("/demo/assets/{path:[a-z0-9/._-]+}", self._asset),
            web.get("/desk", self._desk),
        ]

    async def _front(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/demo"})

    async def _demo(self, request: web.Request) -> web.StreamResponse:
        return await self._signed_in(request, self._page("demo.html"))

    async def _phone(self, _: web.Request) -> web.Response:
        return self._page("phone.html")

    async def _connect(self, _: web.Request) -> web.Response:
        return self._page("connect.html")

    async def _desk(self, request: web.Request) -> web.StreamResponse:
        return await self._signed_in(request, await Pages().desk(request))

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        return send_asset(request, _FOLDER)

    def _page(self, name: str) -> web.Response:
        """With what the page cannot know filled in. It is another each time: no browser keeps it."""
        page = self._pages.page(_FOLDER, name)
        assert isinstance(page.body, bytes)  # noqa: S101 - a file
        body = page.body
        for mark, words in self._words.items():
            body = body.replace(mark, words)
        page.body = body
        page.headers["Cache-Control"] = "no-store"
        del page.headers["ETag"]
        return page

    async def _signed_in(self, request: web.Request, page: web.StreamResponse) -> web.StreamResponse:
        """The page, with a session of the demo's agent unless somebody is signed in here already.

        A name that is not this computer's own was brought here by a rebound DNS entry: it gets no session.
        """
        local = is_loopback(urlsplit(f"//{request.host}").hostname or "")
        token = secrets.token_urlsafe(32)
        nobody = local and await self._sessions.find(token_of(request, self._bridge.public_url)) is None
        if nobody and await self._sessions.open(token, AGENT):
            assert isinstance(page, web.Response)  # noqa: S101 - files are
            set_cookie(page, token, public_url=self._bridge.public_url)
        return page
