"""The carrier: the simulator with its ledger of sends, a proxy in front of its API, and phones that text.

A text is posted again under the same id until it is acknowledged, as carriers do, and now and then once more.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

from faults.fault_proxy import FaultProxy
from faults.history import History, write_text_in
from smsbridge.simulator import Simulator, SimulatorSettings

ACCOUNT_SID = "AC" + "5f" * 16
TOKEN = "fault-test-token"
ACCOUNT = "twilio"
"""The account's name in the bridge's configuration."""
_PAUSE_S = 0.03


class CarrierDouble:
    """`proxy` stands between the bridge and the API. `hook_url` gives the webhook of a daemon, of another one each time
    if there are several; `signed_url` is its public URL, which is what is signed."""

    def __init__(
        self,
        *,
        senders: tuple[str, ...],
        hook_url: Callable[[], str],
        signed_url: str,
        session: aiohttp.ClientSession,
        history: History,
        chance: random.Random,
    ) -> None:
        self.senders = senders
        self.proxy = FaultProxy()
        self._hook_url = hook_url
        self._signed_url = signed_url
        self._session = session
        self._history = history
        self._chance = chance
        self.repeat_chance = 0.1

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with self.proxy:
            settings = SimulatorSettings(
                account_sid=ACCOUNT_SID,
                auth_token=TOKEN,
                senders=self.senders,
                api_url=self.proxy.url,
                # A receipt or a text is posted again when the bridge is down, but not for ever.
                hook_url=f"{self._signed_url}#rc=5&rp=all",
                connection="rc=5&rp=all",
                sent_after_s=0.01,
                settled_after_s=0.02,
            )
            async with Simulator(settings) as self.simulator:
                self.proxy.upstreams = [int(self.simulator.url.rpartition(":")[2])]
                yield

    async def text_on(self, phone: str, stop: asyncio.Event, *, pause_s: tuple[float, float]) -> None:
        """Text after text of one phone, with a pause between two, until told to stop."""
        while not stop.is_set():
            await self.text(phone, stop)
            await asyncio.sleep(self._chance.uniform(*pause_s))

    async def text(self, phone: str, stop: asyncio.Event) -> None:
        self._history.tried_in[phone] += 1
        number = self._history.tried_in[phone]
        text = write_text_in(phone, number)
        self._history.note(text, "invoke")
        while not stop.is_set():
            if await self._post(phone, text):
                self._history.acknowledge_in(phone, number)
                if self._chance.random() < self.repeat_chance:
                    await self._post(phone, text)
                return
            await asyncio.sleep(_PAUSE_S)
        self._history.note(text, "unknown")

    async def text_picture(self, phone: str, sample: str) -> None:
        """An MMS through the simulator itself, which serves the picture and gives up like a carrier."""
        self._history.tried_in[phone] += 1
        number = self._history.tried_in[phone]
        text = write_text_in(phone, number)
        self._history.note(text, "invoke", sample=sample)
        texted = await self.simulator.text(phone, text, media=[sample])
        if texted.answer is not None and texted.answer.ok:
            self._history.acknowledge_in(phone, number)
        else:
            self._history.note(text, "unknown")

    async def _post(self, phone: str, text: str) -> bool:
        form = {
            "MessageSid": "SM" + hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
            "AccountSid": ACCOUNT_SID,
            "From": phone,
            "To": self.senders[0],
            "Body": text,
            "NumMedia": "0",
            "NumSegments": "1",
            "ToZip": "",
        }
        url = self._hook_url()
        try:
            async with self._session.post(url, data=form, headers={"X-Twilio-Signature": self._sign(form)}) as answer:
                await answer.read()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _sign(self, form: dict[str, str]) -> str:
        signed = self._signed_url + "".join(name + form[name] for name in sorted(form))
        return base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), "sha1")).decode()
