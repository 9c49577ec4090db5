"""The pages for people, as files: HTML, CSS and JavaScript as they stand in `desk/`, with no build step.

What a page may do is said by its Content-Security-Policy: scripts, styles and requests of this bridge alone, nothing
inline, no frame around it. The emoji picker writes one fixed `<style>` and sets style attributes; both are named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import web

from smsbridge.wire.signing import sha256_hex

TYPES: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
    "webp": "image/webp",
}
ASSETS: Final = "/desk/assets"


class Pages:
    """The desk and its assets. `connect_to` are the origins that its scripts may talk to, besides this one."""

    def __init__(self, *, connect_to: Sequence[str] = ()) -> None:
        self._policy = content_security_policy(connect_to)

    def page(self, folder: Traversable, name: str) -> web.Response:
        """A whole page, with the policy that holds for everything on it."""
        return _file(folder / name, {"Content-Security-Policy": self._policy})

    async def desk(self, request: web.Request) -> web.StreamResponse:
        return _unless_known(request, self.page(_desk(), "desk.html"))

    async def asset(self, request: web.Request) -> web.StreamResponse:
        return send_asset(request, _desk())

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/desk", self.desk),
            web.get(ASSETS + "/{path:[a-z0-9/._-]+}", self.asset),
            web.get("/favicon.ico", self.favicon),
        ]

    async def favicon(self, request: web.Request) -> web.StreamResponse:
        return _unless_known(request, _file(_desk() / "favicon.svg", {}))


def send_asset(request: web.Request, folder: Traversable) -> web.StreamResponse:
    """A file below `folder` by the path asked for. Raises HTTPNotFound for what is none, or is of no known type."""
    file = folder
    for step in request.match_info["path"].split("/"):
        if step in {"", ".", ".."}:
            raise web.HTTPNotFound
        file = file / step
    if file.name.rpartition(".")[2] not in TYPES or not file.is_file():
        raise web.HTTPNotFound
    return _unless_known(request, _file(file, {}))


def content_security_policy(connect_to: Sequence[str]) -> str:
    manifest = json.loads((_desk() / "vendor" / "MANIFEST.json").read_text("utf-8"))
    others = "".join(f" {origin}" for origin in connect_to)
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' '{manifest['emoji_picker_style']}'",
            "style-src-attr 'unsafe-inline'",
            f"img-src 'self' blob:{others}",
            f"connect-src 'self'{others}",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _desk() -> Traversable:
    return resources.files("smsbridge.web") / "desk"


def _file(file: Traversable, headers: Mapping[str, str]) -> web.Response:
    body, kind = file.read_bytes(), TYPES[file.name.rpartition(".")[2]]
    return web.Response(
        body=body,
        headers={
            **headers,
            "Content-Type": kind if kind == "image/webp" else f"{kind}; charset=utf-8",
            "ETag": f'"{sha256_hex(body)[:32]}"',
            "Cache-Control": "no-cache",
        },
    )


def _unless_known(request: web.Request, response: web.Response) -> web.StreamResponse:
    """304 for a browser that has this very file."""
    tag = response.headers["ETag"]
    if tag in [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]:
        kept = {name: value for name, value in response.headers.items() if name != "Content-Type"}
        return web.Response(status=304, headers=kept)
    return response
