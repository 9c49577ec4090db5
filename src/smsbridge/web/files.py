"""How a file of somebody's is given out: nothing in it runs, and a browser does not guess what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from smsbridge.domain.media import safe_filename
from smsbridge.web.problems import NotReadable

SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
}
"""Whatever a file holds, a browser neither guesses its type nor runs it."""


def send_file(
    request: web.Request, path: Path, *, content_type: str, filename: str, inline: bool = False
) -> web.FileResponse:
    """The whole of it, or the range that is asked for. Raises NotReadable for a condition with an impossible date."""
    try:
        _ = request.if_modified_since, request.if_unmodified_since, request.if_range
    except (ValueError, OverflowError):  # aiohttp would find out when the answer has begun
        raise NotReadable("A date in the headers is none.") from None
    name = safe_filename(filename, content_type)
    headers = {
        **SAFE_HEADERS,
        "Content-Type": content_type,
        "Content-Disposition": f'{"inline" if inline else "attachment"}; filename="{name}"',
    }
    return web.FileResponse(path, headers=headers)
