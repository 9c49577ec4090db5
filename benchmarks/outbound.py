"""Texts out through a bridge: accepted over REST, sent to the carrier, recorded."""

from __future__ import annotations

import asyncio
import time

from load import FarEnd, get, press, write_sends
from servers import Running, make_api_key


async def sends_per_s(ours: Running, carrier: FarEnd, count: int) -> float:
    """Texts a second, from the first request until the carrier has the last one and that is recorded."""
    key = make_api_key(ours)
    requests = write_sends(count, port=ours.port, key=key)
    unfinished = [f"/v1/messages?limit=1&status={status}" for status in ("queued", "sending")]
    carrier.told = 0
    begun = time.perf_counter()
    load = await press(requests, port=ours.port)
    if load.refused:
        raise SystemExit(f"{load.refused} sends were refused: the figures would mean nothing")
    await carrier.until_told(count)
    while any([b'"items":[]' not in await get(path, port=ours.port, key=key) for path in unfinished]):
        await asyncio.sleep(0.005)
    return count / (time.perf_counter() - begun)
