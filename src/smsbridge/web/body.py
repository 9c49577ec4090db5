"""Reading a request's body inside its limits: bytes, time, and nothing packed."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import StreamReader, web

from smsbridge.web.problems import NotReadable, TooLarge, TooSlow, WrongMediaType

_PLAIN: Final = frozenset({"", "identity"})


async def read_body(request: web.Request, *, most: int, timeout_s: float) -> bytes:
    """The body exactly as it came. Raises WrongMediaType, TooLarge, TooSlow, or NotReadable for one that broke off.

    A packed body is refused and not unpacked: a signature covers the bytes as sent, and a few of them can become a
    gigabyte.
    """
    if request.headers.get("Content-Encoding", "").strip().lower() not in _PLAIN:
        raise WrongMediaType("Send the body as it is, without a Content-Encoding.")
    if (request.content_length or 0) > most:
        raise TooLarge(f"The body may have at most {most} bytes.")
    content = request.content
    if content.is_eof() and content.exception() is None:  # it came with the headers: no clock need be set
        body = content.read_nowait()
        if len(body) > most:
            raise TooLarge(f"The body may have at most {most} bytes.")
        return body
    return await _read_slowly(content, most, timeout_s)


async def _read_slowly(content: StreamReader, most: int, timeout_s: float) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for piece in content.iter_any():
                body += piece
                if len(body) > most:
                    raise TooLarge(f"The body may have at most {most} bytes.")
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {timeout_s:g} seconds.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise NotReadable("The body broke off, or its framing was wrong.") from None
    return bytes(body)
