"""The twilio SDK's way to the network: httpx, with limits, without retries.

The SDK's own asynchronous client waits for ever when a connection hangs and repeats a POST that failed, which may send
a text twice: https://github.com/twilio/twilio-python/issues/925
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

SDK_HOST: Final = "https://api.twilio.com"
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0)


class AnswerTooLarge(httpx.HTTPError):
    """More than `MAX_ANSWER_BYTES`: not what a carrier's API says."""


def open_http() -> httpx.AsyncClient:
    """For addresses that the configuration names: no redirects, no proxies or credentials of the environment."""
    return httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False)


class HttpxTwilio(AsyncHttpClient):  # type: ignore[misc]  # the SDK brings no types
    """Performs what the SDK asks for at `api_url`, which is Twilio, one of its regions, or a simulator."""

    def __init__(self, http: httpx.AsyncClient, *, api_url: str) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._http = http
        self._api_url = api_url

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the SDK's signature; ours is on the client
        allow_redirects: bool = False,  # noqa: ARG002, FBT001, FBT002 - likewise; credentials follow no redirect
    ) -> Response:
        if not uri.startswith(f"{SDK_HOST}/"):
            raise ValueError(f"the SDK wants to call {urlsplit(uri).hostname}, for which there is no address")
        url = self._api_url + uri.removeprefix(SDK_HOST)
        asked = self._http.stream(method, url, params=params, data=data, headers=headers, auth=auth)
        async with asked as answer:
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise AnswerTooLarge(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        return Response(answer.status_code, body.decode("utf-8", "replace"), answer.headers)
