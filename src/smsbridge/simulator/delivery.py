"""What becomes of a message once the carrier has taken it: its media is fetched, its status moves, receipts go out."""

from __future__ import annotations

import asyncio
from typing import Final

from .account import CarrierMessage, MediaFile
from .callbacks import Callbacks, Fetched
from .dialect import Dialect, Office
from .personas import Step, timeline
from .phones import PhoneMedia
from .tasks import Tasks

MAX_MMS_BYTES: Final = 5 * 1024 * 1024

_ACCEPTED_TYPES: Final = frozenset(
    {
        *(f"image/{kind}" for kind in ("jpeg", "jpg", "gif", "png", "heic", "heif", "tiff", "bmp")),
        *(f"video/{kind}" for kind in ("mpeg4", "mp4", "mpeg", "webm", "quicktime", "3gpp", "3gpp2", "3gpp-tt")),
        *(f"video/{kind}" for kind in ("h261", "h263", "h263-1998", "h263-2000", "h264", "h265")),
        *(f"audio/{kind}" for kind in ("ogg", "mpeg", "mp4", "mp3", "3gpp", "3gpp2", "basic", "l24", "ac3", "webm")),
        *(f"audio/{kind}" for kind in ("vnd.rn-realaudio", "vnd.wave", "amr-nb", "amr")),
        *(f"text/{kind}" for kind in ("vcard", "x-vcard", "directory", "csv", "richtext", "rtf", "calendar")),
        "application/pdf",
        "application/vcard",
    }
)
"""https://www.twilio.com/docs/messaging/guides/accepted-mime-types, in lower case"""

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", ("image/jpeg", "image/jpg")),
    (b"\x89PNG\r\n\x1a\n", ("image/png",)),
    (b"GIF8", ("image/gif",)),
    (b"%PDF-", ("application/pdf",)),
)


class Delivery:
    def __init__(
        self, dialect: Dialect, office: Office, *, callbacks: Callbacks, tasks: Tasks, media_base_url: str
    ) -> None:
        self._dialect = dialect
        self._settings = office.settings
        self._account = office.account
        self._phones = office.phones
        self._faults = office.faults
        self._chance = office.chance
        self._clock = office.clock
        self._pause = office.pause
        self._callbacks = callbacks
        self._tasks = tasks
        self._media_base_url = media_base_url
        self._turns: dict[str, asyncio.Task[None]] = {}  # message sid -> its last callback under way

    async def start(self, message: CarrierMessage) -> None:
        """Returns at once, unless the fault strikes that lets `sent` be posted before the send is answered."""
        steps = self._steps(message)
        if steps[0].status == "sent" and self._faults.strikes("callback_before_answer"):
            if not await self._take_in_media(message):
                return
            first, *steps = steps
            self._apply(message, first)
            await self._post_callback(message, first)
        if steps:
            self._tasks.spawn(self._live(message, steps), f"deliver {message.sid}")

    def _steps(self, message: CarrierMessage) -> list[Step]:
        persona = self._phones.persona_of(message.to)
        refused = message.fate or persona.refusal
        if self._account.has_opted_out(sender=message.from_ or "", phone=message.to):
            refused = 21610
        if refused is not None:  # a Messaging Service, a webhook's reply, a carrier that says it late
            return [Step(after_s=self._settings.sent_after_s, status="failed", code=refused)]
        steps = timeline(
            persona,
            has_media=bool(message.media_urls),
            sent_after_s=self._settings.sent_after_s,
            settled_after_s=self._settings.settled_after_s,
            slow_factor=self._settings.slow_factor,
            chance=self._chance,
        )
        return [Step(after_s=0, status="queued"), *steps] if message.messaging_service_sid else steps

    async def _live(self, message: CarrierMessage, steps: list[Step]) -> None:
        held: list[Step] = []
        holds_back = len(steps) > 1 and self._faults.strikes("callback_out_of_order")
        for number, step in enumerate(steps, start=1):
            await self._pause(step.after_s)
            if step.status == "sent" and not await self._take_in_media(message):
                break
            self._apply(message, step)
            last = number == len(steps)
            if holds_back and not last:
                held.append(step)
                continue
            self._queue_callback(message, step)
        for step in held:
            self._queue_callback(message, step)

    def _apply(self, message: CarrierMessage, step: Step) -> None:
        now = self._clock()
        message.status, message.error_code, message.updated_at = step.status, step.code, now
        if step.status == "sent":
            message.sent_at = now
        if step.arrives:
            self._show(message)

    def _show(self, message: CarrierMessage) -> None:
        media = tuple(
            PhoneMedia(
                url=f"{self._media_base_url}/{file.sid}",
                content_type=file.content_type,
                name=file.name,
                size_bytes=len(file.body),
            )
            for file in message.media.values()
        )
        self._phones.record(
            message.to,
            sid=message.sid,
            direction="received",
            sender=message.from_ or "",
            text=message.body,
            media=media,
        )

    async def _take_in_media(self, message: CarrierMessage) -> bool:
        """Fetches what the send named. False: the message has failed, and its callback is on the way."""
        left = MAX_MMS_BYTES
        for url in message.media_urls:
            fetched = await self._callbacks.fetch_media(url, max_bytes=left)
            code = fetched.error_code or _objection(fetched)
            if code is not None:
                step = Step(after_s=0, status="failed", code=code)
                self._apply(message, step)
                self._queue_callback(message, step)
                return False
            left -= len(fetched.body)
            file = MediaFile(
                sid=self._account.new_sid("ME"),
                content_type=fetched.content_type,
                body=fetched.body,
                name=url.partition("?")[0].rpartition("/")[2][:80],
                at=self._clock(),
            )
            self._account.attach(message, file)
        return True

    def _queue_callback(self, message: CarrierMessage, step: Step) -> None:
        """Posts it once the message's callbacks before it were answered, so that a slow bridge sees them in order."""
        if not message.status_callback or self._faults.strikes("callback_lost"):
            return
        name = f"callback {message.sid} {step.status}"
        if self._faults.strikes("callback_late"):  # those after it do not wait for it
            self._tasks.spawn(self._call_late(message, step, self._faults.settings.callback_late_s), name)
            return
        task = self._tasks.spawn(self._call_in_turn(message, step, self._turns.get(message.sid)), name)
        self._turns[message.sid] = task
        task.add_done_callback(lambda done: self._end_turn(message.sid, done))

    def _end_turn(self, sid: str, done: asyncio.Task[None]) -> None:
        if self._turns.get(sid) is done:
            del self._turns[sid]

    async def _call_late(self, message: CarrierMessage, step: Step, late_s: float) -> None:
        await self._pause(late_s)
        await self._call(message, step)

    async def _call_in_turn(self, message: CarrierMessage, step: Step, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._call(message, step)

    async def _call(self, message: CarrierMessage, step: Step) -> None:
        await self._post_callback(message, step)
        if self._faults.strikes("callback_duplicate"):
            await self._post_callback(message, step)

    async def _post_callback(self, message: CarrierMessage, step: Step) -> None:
        webhook = self._dialect.write_receipt(message, step) if message.status_callback else None
        if webhook is None:
            return
        code = self._dialect.code_of(step.code) if step.code else ""
        summary = f"receipt {step.status}" + (f", {code}" if code else "")
        await self._callbacks.post(webhook, kind="callback", summary=summary)


def _objection(fetched: Fetched) -> int | None:
    """12300 for a type that no carrier takes, or that the bytes contradict."""
    if fetched.content_type not in _ACCEPTED_TYPES:
        return 12300
    told = next((types for start, types in _SIGNATURES if fetched.body.startswith(start)), None)
    if told is not None:
        return None if fetched.content_type in told else 12300
    claimed = any(fetched.content_type in types for _, types in _SIGNATURES)
    return 12300 if claimed else None
