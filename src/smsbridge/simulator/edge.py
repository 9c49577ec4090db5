"""Who may talk to the simulator: programs on this computer, and pages that came from this computer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from .loopback import is_loopback, is_loopback_url
from .problems import Problem, write_problem

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"


@web.middleware
async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuses names that only a rebound DNS entry would bring here, and pages of other hosts; answers in JSON."""
    origin = request.headers.get("Origin")
    try:
        if not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            raise Problem(403, "foreign_host", "the simulator answers to 127.0.0.1 and localhost only")
        if origin is not None and not is_loopback_url(origin):
            raise Problem(403, "foreign_origin", "only pages of this computer may use the simulator")
        if request.method == "OPTIONS" and origin is not None:
            return _allow(web.Response(status=204), origin)
        response = await handler(request)
    except Problem as problem:
        response = write_problem(problem)
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        error = (refused.reason or "refused").lower().replace(" ", "_")
        response = write_problem(Problem(refused.status, error, f"{request.method} {request.path}: {refused.reason}"))
    return _allow(response, origin) if origin is not None and not response.prepared else response


def allow_stream(request: web.Request, response: web.StreamResponse) -> None:
    """For answers that begin before `guard` sees them."""
    origin = request.headers.get("Origin")
    if origin is not None:
        _allow(response, origin)


def _allow(response: web.StreamResponse, origin: str) -> web.StreamResponse:
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Methods"] = _METHODS
    response.headers["Access-Control-Allow-Headers"] = "Content-Type, Last-Event-ID"
    response.headers["Vary"] = "Origin"
    return response
