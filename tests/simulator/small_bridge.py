"""A small bridge that keeps what it is posted, and a client of the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from twilio.request_validator import RequestValidator

from smsbridge.simulator import SimulatorSettings

ACCOUNT = "AC5f0e1d2c3b4a59687766554433221100"
TOKEN = "00112233445566778899aabbccddeeff"
OURS = "+15005550006"
PHONE = "+447700900123"
PATIENCE_S = 30.0
"""How long anything is waited for that must come: on a slow and busy machine, too."""


@dataclass(kw_only=True)
class Post:
    """A webhook as it came off the wire."""

    url: str
    form: dict[str, str]
    headers: dict[str, str]

    @property
    def signed(self) -> bool:
        signature = self.headers.get("X-Twilio-Signature", "")
        return bool(RequestValidator(TOKEN).validate(self.url, self.form, signature))


@dataclass(kw_only=True)
class Bridge:
    """Answers as it is told to, and wakes those who wait for a post."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    answer: Callable[[web.Request], Any] | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        url = self.url + request.raw_path
        async with self.changed:
            self.posts.append(Post(url=url, form=form, headers=dict(request.headers)))
            self.changed.notify_all()
        if self.answer is not None:
            answer: web.StreamResponse = await self.answer(request)
            return answer
        return web.Response(text="<Response/>", content_type="text/xml")

    async def wait_for(self, *statuses: str) -> list[Post]:
        """The status callbacks, once all of `statuses` are among them."""

        def complete() -> bool:
            return not set(statuses) - {post.form.get("MessageStatus") for post in self.posts}

        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(complete)
        return [post for post in self.posts if "MessageStatus" in post.form]

    async def wait_for_posts(self, count: int) -> list[Post]:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: len(self.posts) >= count)
        return self.posts


def credentials(user: str, password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(user, password)}


def settings(**changes: Any) -> SimulatorSettings:
    quick: dict[str, Any] = {
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "senders": (OURS, "+15005550199"),
        "seed": 7,
        "sent_after_s": 0.005,
        "settled_after_s": 0.005,
        "slow_factor": 10,
    }
    return SimulatorSettings(**{**quick, **changes})


@dataclass(kw_only=True)
class Client:
    """HTTP to the simulator: the carrier's API with credentials, its own without."""

    http: aiohttp.ClientSession
    url: str

    @property
    def account_url(self) -> str:
        return f"{self.url}/2010-04-01/Accounts/{ACCOUNT}"

    async def call(
        self, method: str, path: str, *, json: Any = None, data: Any = None, **options: Any
    ) -> tuple[int, Any]:
        async with self.http.request(method, self.url + path, json=json, data=data, **options) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else text

    async def api(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = credentials(ACCOUNT, TOKEN)
        return await self.call(method, f"/2010-04-01/Accounts/{ACCOUNT}{path}", headers=headers, **options)

    async def send(self, **form: Any) -> tuple[int, Any]:
        pairs: list[tuple[str, str]] = []
        for name, value in {"To": PHONE, "From": OURS, "Body": "hello", **form}.items():
            values = value if isinstance(value, list) else [value]
            pairs += [(name, item) for item in values if item is not None]
        return await self.api("POST", "/Messages.json", data=aiohttp.FormData(pairs))
