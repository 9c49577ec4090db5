"""A client that holds every answer to what the OpenAPI document promises of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from smsbridge.web.api import ENDPOINTS
from smsbridge.web.endpoint import Endpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    status: int
    headers: Any
    raw: bytes

    @property
    def text(self) -> str:
        return self.raw.decode()

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def problem(self) -> str:
        """The last word of the problem's type."""
        return str(self.body["type"].rpartition("#")[2])


class Api:
    """Calls with a key that may do everything, unless another is given."""

    def __init__(self, http: aiohttp.ClientSession, url: str, key: str) -> None:
        self._http = http
        self.url = url
        self._key = key

    async def get(self, path: str, **query: Any) -> Reply:
        return await self.call("GET", path, params=query)

    async def post(self, path: str, body: Any = None, *, key: str = "") -> Reply:
        return await self._write("POST", path, body, {"Idempotency-Key": key} if key else {})

    async def put(self, path: str, body: Any) -> Reply:
        return await self._write("PUT", path, body, {})

    async def patch(self, path: str, body: Any) -> Reply:
        return await self._write("PATCH", path, body, {})

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        data: Any = None,
        headers: dict[str, str] | None = None,
        authorization: str | None = None,
    ) -> Reply:
        """`path` goes out as it is written, percent signs and all. An empty `authorization` sends none."""
        said = f"Bearer {self._key}" if authorization is None else authorization
        url = URL(self.url + path, encoded=True)
        if params:
            url = url.extend_query(params)
        sent = {**(headers or {}), **({"Authorization": said} if said else {})}
        async with self._http.request(method, url, data=data, headers=sent) as answer:
            reply = Reply(status=answer.status, headers=answer.headers, raw=await answer.read())
        _hold(method, path, reply)
        return reply

    async def _write(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        if body is None:
            return await self.call(method, path, headers=headers)
        data = json.dumps(body).encode()
        return await self.call(method, path, data=data, headers={"Content-Type": "application/json", **headers})


def _hold(method: str, path: str, reply: Reply) -> None:
    endpoint = _endpoint(method, path)
    assert reply.status < 500, reply.text
    if reply.status >= 400:
        assert reply.headers["Content-Type"].startswith("application/problem+json")
        assert reply.body["status"] == reply.status
        assert reply.body["title"]
        return
    if endpoint is None:
        return
    assert reply.status in {endpoint.status, 206}
    if endpoint.answer is not None:
        endpoint.answer.model_validate_json(reply.raw, strict=True, extra="forbid")
    elif endpoint.status == 204:
        assert reply.raw == b""


def _endpoint(method: str, path: str) -> Endpoint | None:
    for endpoint in ENDPOINTS:
        pattern = re.sub(r"\{\w+\}", "[^/]+", endpoint.path)
        if endpoint.method == method and re.fullmatch(pattern, path):
            return endpoint
    return None
