"""What every answer of every application has in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from aiohttp import web

from smsbridge.web.problems import write_status

SECURITY_HEADERS: Final = {
    "Server": "smsbridge",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Unless an answer has its own. `Server` names no version: that is nobody's business."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(routes: Iterable[web.AbstractRouteDef]) -> web.Application:
    app = web.Application(middlewares=[answer_as_we_do])
    app.on_response_prepare.append(add_security_headers)
    app.add_routes(routes)
    return app


@web.middleware
async def answer_as_we_do(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A problem where aiohttp would send a page of its own."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        allow = {"Allow": refused.headers["Allow"]} if "Allow" in refused.headers else None
        return write_status(refused.status, _REFUSALS.get(refused.status, refused.reason), headers=allow)


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    headers["Server"] = SECURITY_HEADERS["Server"]  # aiohttp has put its own there


_REFUSALS: Final[Mapping[int, str]] = {
    404: "There is nothing at this URL. GET /docs lists what there is.",
    405: "This URL takes other methods; Allow names them.",
}
