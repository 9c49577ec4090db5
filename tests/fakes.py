"""What tests put in place of time, chance, the network and a carrier. The store, the files and the flows are real."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from smsbridge.contracts.bridge import Account, Bridge, DesktopAccount, Policy, Sender, Verification
from smsbridge.contracts.carrier import (
    Abilities,
    AccountUrls,
    Carrier,
    CodeMeaning,
    FindQuery,
    Listed,
    ListQuery,
    Undecided,
)
from smsbridge.contracts.desktop import Delivery, DesktopAbilities
from smsbridge.contracts.disk import Room
from smsbridge.contracts.jobs import Buried, Done, Job, JobEnd, Later
from smsbridge.contracts.network import Fetched, FetchFailed, PictureFacts
from smsbridge.contracts.store import Arrived, Store, Tx
from smsbridge.domain.cause import Cause
from smsbridge.domain.errors import BadSignature
from smsbridge.domain.events import (
    AgentCommand,
    AgentMessage,
    CarrierEvent,
    Command,
    DesktopEvent,
    Handshake,
    Ignored,
    InboundMedia,
    InboundMessage,
    OptOut,
    OptOutKind,
    Receipt,
    TextPart,
    Unrecognized,
    Withheld,
)
from smsbridge.domain.journal import TranscriptEntry
from smsbridge.domain.message import Capability, Interaction, Message, Notice, OutboundPart, Part
from smsbridge.domain.outcome import (
    Accepted,
    DeliveryOutcome,
    Evidence,
    Rejected,
    RetryLater,
    SendOutcome,
    SwitchedOff,
    Uncertain,
)
from smsbridge.domain.status import Status
from smsbridge.flows.desktop import accept_desktop_webhook
from smsbridge.flows.inbound import WebhookReport, accept_webhook
from smsbridge.flows.jobs import job_kinds, queues
from smsbridge.flows.outbound import Draft, submit
from smsbridge.keys import KeyRing
from smsbridge.wire.encoding import read_json, write_json
from smsbridge.wire.http import (
    CREDENTIALS_WANTED,
    NOT_PROVEN,
    Answered,
    Fetch,
    Headers,
    MaybeSent,
    NotSent,
    Performed,
    Request,
    Response,
)

START_MS = 1_790_000_000_000
OUR_NUMBER = "+15005550006"
OTHER_NUMBER = "+15005550010"
ANN = "+14155550142"
BOB = "+14155550143"


class ManualClock:
    """Time that stands still until a test moves it."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now = now_ms

    def now_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> int:
        return self.now

    def since_boot_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += int(seconds * 1000)
        await asyncio.sleep(0)


class CountingIds:
    """Ids that sort by the order they were made in, the same in every run."""

    def __init__(self, seed: int = 0) -> None:
        self._numbers = itertools.count(1)
        self._random = random.Random(seed)

    def new(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):026d}"

    def token(self, nbytes: int) -> str:
        return self._random.randbytes(nbytes).hex()

    def random(self) -> float:
        return self._random.random()


class SmallDisk:
    """A disk with as much room as a test says."""

    def __init__(self) -> None:
        self.room = Room.AMPLE
        self.media_room = Room.AMPLE


class CountingMeter:
    """Remembers what was counted, by name and labels."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = {}

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        key = (name, *(str(labels[label]) for label in sorted(labels)))
        self.counts[key] = self.counts.get(key, 0) + amount

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        return

    def set(self, name: str, value: float, /, **labels: str) -> None:
        return


Script = Callable[[Request], Performed | Awaitable[Performed]]


class ScriptedNetwork:
    """Performs nothing: `answer` decides. `files` maps an address to the bytes it holds or to how it fails."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Script = lambda _request: ok({"id": f"C{len(self.requests)}"})
        self.files: dict[str, bytes | FetchFailed] = {}
        self.connecting: Callable[[], None] = lambda: None
        """What happens while the connection is made."""

    async def perform(
        self,
        request: Request,
        *,
        timeout_s: float,
        max_bytes: int = 65_536,
        fresh: bool = False,
        before_leaving: Callable[[], None] | None = None,
    ) -> Performed:
        if before_leaving is not None:
            self.connecting()
            before_leaving()
        self.requests.append(request)
        performed = self.answer(request)
        return await performed if isinstance(performed, Awaitable) else performed

    async def fetch(self, fetch: Fetch, into: Path) -> Fetched | FetchFailed:
        import hashlib

        found = self.files.get(fetch.request.url, FetchFailed(reason="no such file", permanent=False, status=404))
        if isinstance(found, FetchFailed):
            return found
        if len(found) > fetch.max_bytes:
            return FetchFailed(reason="too large", permanent=True, too_large=True)
        into.write_bytes(found)
        return Fetched(size_bytes=len(found), sha256=hashlib.sha256(found).hexdigest(), content_type="")


class PlainImaging:
    """Every picture is readable unless its bytes say `broken`."""

    async def read_picture(self, file: Path, content_type: str) -> PictureFacts | None:
        if b"broken" in file.read_bytes():
            return None
        return PictureFacts(width=1, height=1, thumbnail=b"thumbnail of " + file.name.encode())

    async def shrink(self, file: Path, content_type: str, max_bytes: int) -> bytes | None:
        return file.read_bytes()[:max_bytes]


def ok(body: Mapping[str, Any], status: int = 200) -> Answered:
    return Answered(response=Response(status=status, body=write_json(body)), elapsed_ms=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainCarrier:
    """A carrier whose dialect is our words in JSON, for tests of everything but dialects.

    A webhook is `{"events": [...]}`, signed by the header `X-Secret`. A send answers `{"id"}`, or `{"code"}` with a
    cause of ours as the code.
    """

    name: ClassVar[str] = "plain"
    abilities: ClassVar[Abilities] = Abilities(
        max_text_chars=300,
        media=True,
        max_media=3,
        max_media_bytes=1_000,
        media_types=frozenset({"image/jpeg", "image/png", "application/pdf"}),
        lookup=True,
        find=True,
        fetch_status=True,
        listing="texts",
    )
    codes: ClassVar[Mapping[str, CodeMeaning]] = {
        cause.value: CodeMeaning(cause=cause, meaning=f"it is {cause.value}")
        for cause in Cause
        if cause is not Cause.UNKNOWN
    }
    refusal: ClassVar[Response] = NOT_PROVEN
    challenge: ClassVar[Response] = CREDENTIALS_WANTED
    secret: str = field(default="secret", repr=False)
    host: str = "plain.example"
    only_sender: str = ""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], urls: AccountUrls) -> Self:
        return cls()

    def verify(self, request: Request, now_ms: int) -> None:
        if request.headers.get("X-Secret") != self.secret:
            raise BadSignature("the header X-Secret is not the secret")

    def read_webhook(self, request: Request) -> Sequence[CarrierEvent]:
        return [_read_event(event) for event in read_json(request.body)["events"]]

    def acknowledge(self, events: Sequence[CarrierEvent]) -> Response:
        return Response(status=204)

    def write_send(self, part: OutboundPart) -> Request:
        body = {"ref": part.ref, "from": part.sender, "to": part.to, "text": part.text, "media": list(part.media_urls)}
        return Request(method="POST", url=f"https://{self.host}/send", body=write_json(body))

    def read_send(self, response: Response) -> SendOutcome:
        try:
            body = json.loads(response.body)
        except ValueError:
            return Uncertain(reason="not JSON")
        if response.status >= 500:
            return Uncertain(reason="server error")
        if response.status == 429:
            said = Evidence(code=body.get("code", ""), text=body.get("words", ""))
            return RetryLater(cause=Cause.RATE_LIMITED, after_s=body.get("after_s"), evidence=said)
        if code := body.get("code"):
            return Rejected(cause=Cause(code), evidence=Evidence(code=code, text=body.get("words", "no")))
        return Accepted(carrier_message_id=body.get("id", ""))

    def write_media_fetch(self, media: InboundMedia) -> Fetch:
        return Fetch(request=Request(method="GET", url=media.url), hosts=("plain.example",), credentials_hosts=())

    def write_lookup(self, number: str, now_ms: int) -> Request:
        return Request(method="GET", url=f"https://plain.example/lookup/{number}")

    def read_lookup(self, number: str, response: Response, now_ms: int) -> Capability | None:
        return None

    def write_find(self, query: FindQuery) -> Request:
        return Request(method="GET", url=f"https://{self.host}/find/{query.ref}")

    def read_find(self, query: FindQuery, response: Response) -> Receipt | None:
        if response.status == 404:
            return None
        if response.status == 300:
            raise Undecided("The carrier has 2 messages that could be this one.")
        if response.status != 200:
            raise LookupError("no answer")
        return Receipt(carrier_message_id=json.loads(response.body)["id"], status=Status.SENT)

    def write_list(self, query: ListQuery) -> Request:
        window = f"{query.since_ms}-{query.until_ms}"
        return Request(method="GET", url=f"https://plain.example/list/{query.to}/{window}/{query.page}")

    def read_list(self, query: ListQuery, response: Response) -> Listed:
        if response.status != 200:
            raise LookupError(f"The carrier answered HTTP {response.status}.")
        body = json.loads(response.body)
        events = [_read_listed(entry, words=self.abilities.listing == "texts") for entry in body["listed"]]
        return Listed(events=tuple(events), next_page=body["next"], unreadable=body.get("unreadable", 0))

    def write_list_media(self, text: InboundMessage) -> Request:
        return Request(method="GET", url=f"https://plain.example/media-of/{text.carrier_message_id}")

    def read_list_media(self, text: InboundMessage, response: Response) -> InboundMessage:
        if response.status != 200:
            raise LookupError(f"The carrier answered HTTP {response.status}.")
        media = tuple(InboundMedia(url=url) for url in json.loads(response.body))
        return replace(text, media=media, media_missing=text.media_missing - len(media))

    def write_fetch_status(self, carrier_message_id: str) -> Request:
        return Request(method="GET", url=f"https://plain.example/messages/{carrier_message_id}")

    def read_fetch_status(self, carrier_message_id: str, response: Response) -> Receipt | None:
        if response.status != 200:
            return None
        return Receipt(carrier_message_id=carrier_message_id, status=Status(json.loads(response.body)["status"]))


def _read_event(event: Mapping[str, Any]) -> CarrierEvent:
    if event.get("type") == "message":
        return InboundMessage(
            carrier_message_id=event["id"],
            from_number=event["from"],
            to_number=event["to"],
            text=event.get("text", ""),
            media=tuple(InboundMedia(url=url) for url in event.get("media", ())),
            media_missing=event.get("missing", 0),
            opt_out=OptOutKind(event["opt_out"]) if event.get("opt_out") else None,
            carrier_at_ms=event.get("at_ms"),
            part=TextPart(**event["part"]) if event.get("part") else None,
        )
    if event.get("type") == "withheld":
        return Withheld(carrier_message_id=event["id"], from_number=event["from"], to_number=event["to"])
    if event.get("type") == "receipt":
        return Receipt(
            carrier_message_id=event.get("id", ""),
            status=Status(event["status"]),
            part_ref=event.get("ref", ""),
            cause=Cause(event["cause"]) if event.get("cause") else None,
            evidence=Evidence(code=event.get("cause") or "", text=event.get("words", "")),
        )
    if event.get("type") == "opt_out":
        return OptOut(kind=OptOutKind(event["kind"]), contact_number=event["from"], sender=event["to"])
    if event.get("type") == "handshake":
        return Handshake(url=event["url"])
    if event.get("type") == "ping":
        return Ignored(reason="ping")
    return Unrecognized(reason="unknown type")


def _read_listed(entry: Mapping[str, Any], *, words: bool) -> InboundMessage | Withheld:
    came = {
        "carrier_message_id": entry["id"],
        "from_number": entry["from"],
        "to_number": entry["to"],
        "carrier_at_ms": entry["at_ms"],
    }
    if not words:
        return Withheld(**came)
    return InboundMessage(**came, text=entry["text"], media_missing=entry.get("attachments", 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainDesktop:
    """A desktop that is told everything by POST. Its own webhook is `{"events": [...]}` with the header `X-Secret`."""

    name: ClassVar[str] = "plain"
    abilities: DesktopAbilities = DesktopAbilities(webhooks=True)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        return cls()

    def write_delivery(self, delivery: Delivery, now_ms: int) -> Request | None:
        body = {"id": delivery.event_id, "type": delivery.type, "data": dict(delivery.data)}
        return Request(method="POST", url="https://desktop.example/events", body=write_json(body))

    def read_delivery(self, response: Response) -> DeliveryOutcome:
        if response.status == 410:
            return SwitchedOff(reason="gone")
        if response.status == 400:
            return Rejected(cause=Cause.CONTENT_REJECTED, evidence=Evidence(text="not this one"))
        return Accepted() if response.ok else RetryLater(cause=Cause.CARRIER_OUTAGE)

    def verify(self, request: Request, now_ms: int) -> None:
        if request.headers.get("X-Secret") != "secret":
            raise BadSignature("the header X-Secret is not the secret")

    def read_webhook(self, request: Request) -> Sequence[DesktopEvent]:
        return [_read_desktop_event(event) for event in read_json(request.body)["events"]]

    def acknowledge(self, events: Sequence[DesktopEvent]) -> Response:
        return Response(status=202)


def _read_desktop_event(event: Mapping[str, Any]) -> DesktopEvent:
    fields = {name: value for name, value in event.items() if name != "command"}
    if "command" in event:
        return AgentCommand(command=Command(event["command"]), **fields)
    return AgentMessage(**fields) if "text" in event else Unrecognized(reason="unknown type")


class World:
    """A bridge with a carrier, a desktop, two senders, and hands to turn it by."""

    def __init__(
        self,
        store: Store,
        blobs: Any,
        *,
        policy: Policy | None = None,
        external: bool = False,
        carrier: Carrier | None = None,
        verification: Verification = "enforce",
        rate_per_s: float = 0,
        burst: int = 1,
        second: Carrier | None = None,
        reroute: Collection[Cause] = (),
    ) -> None:
        """`external`: the desktop is told by POST, and posts to us, instead of reading our store. `reroute`: for what
        causes a text of the first account goes to the second."""
        self.clock = ManualClock()
        self.network = ScriptedNetwork()
        self.meter = CountingMeter()
        self.disk = SmallDisk()
        abilities = DesktopAbilities(delivers=external, webhooks=external)
        self.bridge = Bridge(
            store=store,
            network=self.network,
            keys=KeyRing(),
            blobs=blobs,
            imaging=PlainImaging(),
            clock=self.clock,
            ids=CountingIds(),
            meter=self.meter,
            public_url="https://bridge.example",
            link_key=b"k" * 32,
            accounts={
                "plain": Account(
                    name="plain",
                    adapter=carrier or PlainCarrier(),
                    verification=verification,
                    reroute="second" if reroute else "",
                    reroute_causes=frozenset(reroute),
                ),
                "second": Account(name="second", adapter=second or PlainCarrier(secret="other", host="second.example")),
            },
            senders={
                OUR_NUMBER: Sender(
                    number=OUR_NUMBER, account="plain", desktop="desk", rate_per_s=rate_per_s, burst=burst
                ),
                OTHER_NUMBER: Sender(number=OTHER_NUMBER, account="plain", desktop="desk"),
            },
            desktops={"desk": DesktopAccount(name="desk", adapter=PlainDesktop(abilities=abilities))},
            default_desktop="desk",
            policy=policy or Policy(),
            disk=self.disk,
        )
        self._kinds = job_kinds(self.bridge)
        self._ids = itertools.count(1)

    @property
    def store(self) -> Store:
        return self.bridge.store

    async def text(
        self, text: str, *, sender: str = ANN, to: str = OUR_NUMBER, carrier_id: str = "", **more: Any
    ) -> WebhookReport:
        """A contact texts us."""
        event = {"type": "message", "id": carrier_id or f"in{next(self._ids)}", "from": sender, "to": to, "text": text}
        return await self.webhook({**event, **more})

    async def webhook(
        self, *events: Mapping[str, Any], account: str = "plain", secret: str = "secret"
    ) -> WebhookReport:
        return await accept_webhook(self.bridge, account, _posted(f"carriers/{account}", events, secret))

    async def desktop_webhook(self, *events: Mapping[str, Any], secret: str = "secret") -> WebhookReport:
        return await accept_desktop_webhook(self.bridge, "desk", _posted("desktops/desk", events, secret))

    async def submit(self, **draft: Any) -> Any:
        """An agent writes: the message that was taken, or the CannotSend that refused it."""
        return await self.store.write(lambda tx: submit(tx, self.bridge, Draft(**draft)))

    async def send(self, text: str = "Hello", *, to: str = ANN, **draft: Any) -> Message:
        """The same for a text that must be taken."""
        message = await self.submit(text=text, **({"to": to} if "interaction_id" not in draft else {}), **draft)
        assert isinstance(message, Message), message
        return message

    async def write(self, work: Callable[[Tx], Any]) -> Any:
        return await self.store.write(work)

    async def run_due(self, *, most: int = 1_000) -> int:
        """Runs every job that is due, and those that become due by it, one after the other. Returns how many ran."""
        ran = 0
        while ran < most:
            claimed = await self.claim()
            if claimed is None:
                return ran
            ran += 1
            await self.finish(*claimed)
        raise AssertionError("the jobs never come to an end")

    async def claim(self) -> tuple[Job, Any] | None:
        """Begins one job that is due, and leaves it there: as if the process died now."""
        return await self.store.write(self._claim_one)

    async def finish(self, job: Job, work: Any) -> None:
        end = work if isinstance(work, (Done, Later, Buried)) else await self._kinds[job.kind].perform(work)
        await self.store.write(lambda tx: self._end(tx, job, end))

    async def restart(self, store: Store | None = None) -> None:
        """What a start does with what was in flight. `store`: the same one, opened anew."""
        if store is not None:
            self.bridge = replace(self.bridge, store=store)
            self._kinds = job_kinds(self.bridge)
        await self.store.write(lambda tx: tx.release_leases(self.clock.now_ms()))

    def _claim_one(self, tx: Tx) -> tuple[Job, Any] | None:
        now_ms = self.clock.now_ms()
        for queue in queues(self.bridge):
            for job in tx.claim(queue, now_ms=now_ms, lease_until_ms=now_ms + 60_000, limit=1):
                return job, self._kinds[job.kind].begin(tx, job)
        return None

    def _end(self, tx: Tx, job: Job, end: JobEnd) -> None:
        match end:
            case Done():
                assert tx.close_job(job)
            case Later():
                assert tx.postpone_job(job, end.due_at_ms, counts=end.counts)
            case Buried():
                assert tx.bury_job(job, end.reason, self.clock.now_ms())
        end.write(tx)

    async def arrivals(self) -> Counter[tuple[str, Arrived]]:
        """The recorded outcomes, by account."""
        kept = await self.store.read(lambda tx: tx.list_arrivals(limit=10_000))
        return Counter((each.account, each.outcome) for each in kept)

    async def entries(self, number: str = ANN) -> list[TranscriptEntry]:
        def read(tx: Tx) -> list[TranscriptEntry]:
            contact = tx.contact_by_number(number)
            return tx.transcript(contact_id=contact.id, limit=10_000) if contact else []

        return await self.store.read(read)

    async def notices(self, number: str = ANN) -> list[Notice]:
        return [entry.notice for entry in await self.entries(number) if entry.notice is not None]

    async def messages(self, number: str = ANN) -> list[Message]:
        return [entry.message for entry in await self.entries(number) if entry.message is not None]

    async def message(self, message_id: str) -> Message:
        found = await self.store.read(lambda tx: tx.message(message_id))
        assert found is not None
        return found

    async def parts(self, message_id: str) -> list[Part]:
        return await self.store.read(lambda tx: tx.parts(message_id))

    def sent(self, path: str = "/send") -> list[dict[str, Any]]:
        """What was asked of the carrier (or, by another path, of the desktop), in order."""
        return [json.loads(request.body or b"{}") for request in self.network.requests if path in request.url]

    async def open_interaction(self, number: str = ANN, sender: str = OUR_NUMBER) -> Interaction | None:
        """The newest of the conversation, whatever its state."""
        thread = await self.store.read(lambda tx: tx.thread(number, sender))
        return thread.interaction if thread else None


def _posted(path: str, events: Sequence[Mapping[str, Any]], secret: str) -> Request:
    return Request(
        method="POST",
        url=f"https://bridge.example/hooks/{path}",
        headers=Headers([("X-Secret", secret), ("Content-Type", "application/json")]),
        body=write_json({"events": list(events)}),
    )


def refused() -> NotSent:
    return NotSent(reason="connection refused")


def lost() -> MaybeSent:
    return MaybeSent(reason="no answer")
