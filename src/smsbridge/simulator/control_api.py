"""The simulator's own API: phones, personas, samples, faults, traffic, ledger."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from aiohttp import ClientConnectionResetError, web

from smsbridge.wire.encoding import Unreadable, read_json, write_json

from .account import Account
from .callbacks import Callbacks
from .edge import allow_stream
from .faults import Faults, UnknownFault, read_fault_settings
from .inbound import Inbound
from .ledger import Ledger
from .loopback import is_loopback_url
from .numbers import read_number
from .personas import PERSONAS
from .phones import Phone, Phones
from .problems import Problem, answer_json
from .samples import RECIPES, Sample, Samples
from .traffic import Exchange, Traffic

MAX_WAIT_S: Final = 60.0
MAX_TEXT_CHARS: Final = 1_600
MAX_MEDIA: Final = 10
MAX_MEDIA_BYTES: Final = 16 * 1024 * 1024
HEARTBEAT_S: Final = 15.0
_MAX_COUNT: Final = 10**12


class ControlApi:
    def __init__(
        self,
        *,
        account: Account,
        phones: Phones,
        inbound: Inbound,
        callbacks: Callbacks,
        faults: Faults,
        samples: Samples,
        traffic: Traffic,
        ledger: Ledger,
        url: str,
    ) -> None:
        self._account = account
        self._phones = phones
        self._inbound = inbound
        self._callbacks = callbacks
        self._faults = faults
        self._samples = samples
        self._traffic = traffic
        self._ledger = ledger
        self._samples_url = f"{url}/samples"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api", self._describe),
            web.get("/api/phones", self._list_phones),
            web.get("/api/phones/{number}", self._show_phone),
            web.put("/api/phones/{number}", self._change_phone),
            web.get("/api/phones/{number}/messages", self._list_messages),
            web.post("/api/phones/{number}/messages", self._text),
            web.delete("/api/phones/{number}/messages", self._clear_messages),
            web.get("/api/personas", self._list_personas),
            web.get("/api/samples", self._list_samples),
            web.get("/samples/{name}", self._serve_sample),
            web.get("/api/media/{media}", self._serve_media),
            web.get("/api/faults", self._show_faults),
            web.put("/api/faults", self._set_faults),
            web.patch("/api/faults", self._change_faults),
            web.delete("/api/faults", self._end_faults),
            web.get("/api/traffic", self._list_traffic),
            web.delete("/api/traffic", self._clear_traffic),
            web.get("/api/traffic/stream", self._stream_traffic),
            web.get("/api/ledger", self._list_sent),
            web.get("/api/ledger/inbound", self._list_posted),
            web.delete("/api/ledger", self._clear_ledger),
        ]

    async def _describe(self, _: web.Request) -> web.Response:
        return answer_json(
            {"account_sid": self._account.sid, "senders": list(self._account.numbers), "service": "smsbridge simulator"}
        )

    # Phones

    async def _list_phones(self, _: web.Request) -> web.Response:
        return answer_json({"items": [self._phone_json(phone) for phone in self._phones]})

    async def _show_phone(self, request: web.Request) -> web.Response:
        return answer_json(self._phone_json(self._phones.use(_number(request))))

    async def _change_phone(self, request: web.Request) -> web.Response:
        number = _number(request)
        values = await _read_object(request, known=("persona",))
        name = values.get("persona")
        persona = PERSONAS.get(name) if isinstance(name, str) else None
        if persona is None:
            raise Problem(422, "unknown_persona", f"no persona is called {name!r}", known=list(PERSONAS))
        phone = self._phones.use(number)
        if phone.fixed_fate is not None:
            detail = f"{number} is a published test number: texts to it are always refused with {phone.fixed_fate}"
            raise Problem(422, "fixed_fate", detail)
        return answer_json(self._phone_json(self._phones.become(number, persona)))

    async def _list_messages(self, request: web.Request) -> web.Response:
        number = _number(request)
        after, wait_s = _count(request, "after"), _seconds(request, "wait")
        messages = await self._phones.wait_received(number, after=after, timeout_s=wait_s)
        items = [message.json() for message in messages]
        return answer_json({"number": number, "items": items, "last_seq": self._phones.last_seq})

    async def _clear_messages(self, request: web.Request) -> web.Response:
        self._phones.clear(_number(request))
        return web.Response(status=204)

    async def _text(self, request: web.Request) -> web.Response:
        number = _number(request)
        values = await _read_object(request, known=("text", "media", "to"))
        text = values.get("text") or ""
        names = values.get("media") or []
        if not isinstance(text, str) or len(text) > MAX_TEXT_CHARS:
            raise Problem(422, "bad_text", f"text must be a string of at most {MAX_TEXT_CHARS} characters")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Problem(422, "bad_text", "text holds half of a character") from None
        if not isinstance(names, list) or len(names) > MAX_MEDIA or not all(isinstance(name, str) for name in names):
            raise Problem(422, "bad_media", f"media must be a list of at most {MAX_MEDIA} URLs or names of samples")
        if not text and not names:
            raise Problem(422, "empty", "a text needs text, media or both")
        media = [await self._find_media(name) for name in names]
        texted = await self._inbound.text(number, text, to=self._own_number(values.get("to")), media=media)
        return answer_json(texted.json(), status=201)

    def _own_number(self, to: object) -> str:
        if to is None:
            return self._account.default_sender
        own = read_number(to) if isinstance(to, str) else None
        if own not in self._account.numbers:
            raise Problem(422, "unknown_number", f"{to!r} is none of ours", known=list(self._account.numbers))
        return own or ""

    async def _find_media(self, name: str) -> Sample:
        """A sample by name or by its URL here, a `data:` URL, or the URL of a file on this computer."""
        sample = await self._samples.get(name.removeprefix(f"{self._samples_url}/"))
        if sample is not None:
            return sample
        if name.startswith("data:"):
            return _read_data_url(name)
        if is_loopback_url(name):
            fetched = await self._callbacks.fetch(name, max_bytes=MAX_MEDIA_BYTES)
            if fetched.error_code is not None:
                raise Problem(422, "bad_media", f"{name[:200]}: {fetched.problem}")
            kind = fetched.content_type or "application/octet-stream"
            return Sample(name=urlsplit(name).path.rpartition("/")[2][:80], content_type=kind, body=fetched.body)
        raise Problem(
            422,
            "unknown_media",
            f"{name[:100]!r} is neither a sample, nor a data: URL, nor a file on this computer",
            known=list(RECIPES),
        )

    def _phone_json(self, phone: Phone) -> dict[str, Any]:
        directions = [message.direction for message in phone.messages]
        return {
            "number": phone.number,
            "persona": phone.persona.name,
            "title": phone.persona.title,
            "fixed_fate": phone.fixed_fate,
            "opted_out_of": self._account.opted_out_of(phone.number),
            "received": directions.count("received"),
            "sent": directions.count("sent"),
        }

    # What there is to choose from

    async def _list_personas(self, _: web.Request) -> web.Response:
        return answer_json({"items": [persona.json() for persona in PERSONAS.values()]})

    async def _list_samples(self, _: web.Request) -> web.Response:
        return answer_json({"items": [recipe.json(self._samples_url) for recipe in RECIPES.values()]})

    async def _serve_sample(self, request: web.Request) -> web.Response:
        sample = await self._samples.get(request.match_info["name"])
        if sample is None:
            raise Problem(404, "unknown_sample", "no sample has this name", known=list(RECIPES))
        return _file(sample.content_type, sample.body)

    async def _serve_media(self, request: web.Request) -> web.Response:
        """What is on a phone's screen; the carrier's own media API wants credentials and redirects."""
        media = self._account.find_media(request.match_info["media"])
        if media is None:
            raise Problem(404, "unknown_media", "there is no such file any more")
        return _file(media.content_type, media.body)

    # Faults

    async def _show_faults(self, _: web.Request) -> web.Response:
        return answer_json(self._faults.json())

    async def _set_faults(self, request: web.Request) -> web.Response:
        return await self._use_faults(request, changing=False)

    async def _change_faults(self, request: web.Request) -> web.Response:
        return await self._use_faults(request, changing=True)

    async def _use_faults(self, request: web.Request, *, changing: bool) -> web.Response:
        try:
            base = self._faults.settings if changing else None
            self._faults.set(read_fault_settings(await _read_json(request), base=base))
        except UnknownFault as error:
            raise Problem(422, "unknown_fault", str(error)) from None
        return answer_json(self._faults.json())

    async def _end_faults(self, _: web.Request) -> web.Response:
        self._faults.set(read_fault_settings({}))
        return web.Response(status=204)

    # Traffic and ledger

    async def _list_traffic(self, request: web.Request) -> web.Response:
        items = [exchange.json() for exchange in self._traffic.after(_count(request, "after") or 0)]
        return answer_json({"items": items, "last_seq": self._traffic.last_seq})

    async def _clear_traffic(self, _: web.Request) -> web.Response:
        self._traffic.clear()
        return web.Response(status=204)

    async def _stream_traffic(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events with ids. A reader who missed more than is kept is told by an event `resync`.

        With `?phones=1` an event `phone`, without an id, names a phone on which something has changed: a browser allows
        few connections, and so a page needs but one.
        """
        seq = _read_count(request.headers.get("Last-Event-ID", "")) or _count(request, "after")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        allow_stream(request, response)
        await response.prepare(request)
        if seq is None:
            seq = self._traffic.last_seq
        with_phones = _count(request, "phones")
        with self._phones.watched() as changed, suppress(ClientConnectionResetError):  # or the reader has gone
            await response.write(b"retry: 1000\n\n")
            while not self._traffic.bell.closed:
                if self._traffic.missed(seq):
                    await response.write(b"event: resync\ndata: {}\n\n")
                    seq = 0  # then everything that is kept
                fresh = self._traffic.after(seq)
                for exchange in fresh:
                    await response.write(_event(exchange))
                seq = self._traffic.last_seq if not fresh else fresh[-1].seq
                while with_phones and changed:
                    number = write_json({"number": changed.pop()}).decode()
                    await response.write(f"event: phone\ndata: {number}\n\n".encode())
                if seq >= self._traffic.last_seq and not await self._traffic.bell.wait(HEARTBEAT_S):
                    await response.write(b": still here\n\n")
        return response

    async def _list_sent(self, request: web.Request) -> web.Response:
        after = _count(request, "after") or 0
        items = [sent.json() for sent in list(self._ledger.sent) if sent.seq > after]
        return answer_json({"items": items, "total": self._ledger.sent_total})

    async def _list_posted(self, request: web.Request) -> web.Response:
        after = _count(request, "after") or 0
        items = [posted.json() for posted in list(self._ledger.posted) if posted.seq > after]
        return answer_json({"items": items, "total": self._ledger.posted_total})

    async def _clear_ledger(self, _: web.Request) -> web.Response:
        self._ledger.clear()
        return web.Response(status=204)


def _number(request: web.Request) -> str:
    number = read_number(request.match_info["number"])
    if number is None:
        raise Problem(422, "bad_number", "a number looks like %2B447700900123, +447700900123 or 447700900123")
    return number


def _count(request: web.Request, name: str) -> int | None:
    text = request.query.get(name, "")
    count = _read_count(text)
    if count is None and text:
        raise Problem(422, "bad_parameter", f"{name} must be a whole number")
    return count


def _read_count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_COUNT)) else None


def _seconds(request: web.Request, name: str) -> float:
    text = request.query.get(name, "0").removesuffix("s")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_S:
        raise Problem(422, "bad_parameter", f"{name} must be from 0 to {MAX_WAIT_S:.0f} seconds")
    return seconds


async def _read_json(request: web.Request) -> Any:
    try:
        return read_json(await request.read())
    except Unreadable as error:
        raise Problem(400, "unreadable", str(error)) from None


async def _read_object(request: web.Request, *, known: tuple[str, ...]) -> Mapping[str, Any]:
    values = await _read_json(request)
    if not isinstance(values, dict):
        raise Problem(422, "not_an_object", f"expected a JSON object with {', '.join(known)}")
    for name in values:
        if name not in known:
            raise Problem(422, "unknown_field", f"no field is called {name[:50]!r}", known=list(known))
    return values


def _read_data_url(url: str) -> Sample:
    head, comma, data = url.removeprefix("data:").partition(",")
    kind, _, coding = head.partition(";")
    try:
        body = base64.b64decode(data, validate=True) if coding.endswith("base64") else unquote_to_bytes(data)
    except (binascii.Error, ValueError):
        comma = ""
        body = b""
    if not comma or len(body) > MAX_MEDIA_BYTES:
        raise Problem(422, "bad_media", "not a readable data: URL")
    return Sample(name="upload", content_type=_plain(kind), body=body)


def _plain(kind: str) -> str:
    """A media type that can stand in a header."""
    kind = kind.strip().lower()
    usable = kind.isascii() and kind.isprintable() and kind.count("/") == 1 and len(kind) <= 100
    return kind if usable else "application/octet-stream"


def _file(content_type: str, body: bytes) -> web.Response:
    headers = {
        "Content-Type": content_type,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return web.Response(body=body, headers=headers)


def _event(exchange: Exchange) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (exchange.seq, write_json(exchange.json()))
