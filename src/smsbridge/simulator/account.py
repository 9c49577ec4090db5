"""The carrier's side of the counter: one account, its numbers, its messages, their media, who has opted out."""

from __future__ import annotations

import hashlib
import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .settings import SimulatorSettings

Direction = Literal["inbound", "outbound-api", "outbound-reply"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaFile:
    sid: str
    content_type: str
    body: bytes
    name: str
    """A file name for people; the carrier itself knows none."""
    at: float


@dataclass(kw_only=True, slots=True)
class CarrierMessage:
    """A message as the carrier keeps it; its status and text change."""

    sid: str
    direction: Direction
    from_: str | None
    """`None` until a Messaging Service has picked a sender."""
    to: str
    body: str
    status: str
    created_at: float
    updated_at: float
    sent_at: float | None = None
    error_code: int | None = None
    num_segments: int = 1
    num_media: int = 0
    messaging_service_sid: str | None = None
    status_callback: str = ""
    media_urls: tuple[str, ...] = ()
    """What an outbound message asks the carrier to fetch."""
    keyword: str = ""
    """`STOP`, `START` or `HELP`, where an inbound text is one."""
    echo: Mapping[str, Any] = field(default_factory=dict)
    """What its send gave to be given back."""
    fate: int | None = None
    """With which code it will fail, though it was taken."""
    media: dict[str, MediaFile] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class OwnNumber:
    """One of our numbers and where its inbound texts go."""

    sid: str
    number: str
    created_at: float
    sms_url: str = ""
    sms_method: str = "POST"
    sms_fallback_url: str = ""
    sms_fallback_method: str = "POST"
    status_callback: str = ""


class Account:
    def __init__(self, settings: SimulatorSettings, *, chance: random.Random, now: float) -> None:
        self.sid = settings.account_sid
        self.messaging_service_sid = settings.messaging_service_sid
        self.created_at = now
        self.numbers = {
            number: OwnNumber(sid=_sid_of_number(number), number=number, created_at=now, sms_url=settings.hook_url)
            for number in settings.senders
        }
        self._chance = chance
        self._messages: OrderedDict[str, CarrierMessage] = OrderedDict()
        self._max_messages = settings.max_messages
        self._media: OrderedDict[str, str] = OrderedDict()  # media sid -> message sid, the oldest first
        self._media_bytes = 0
        self._max_media_bytes = settings.max_media_bytes
        self._opted_out: dict[tuple[str, str], None] = {}  # in the order of their STOP
        self._max_opted_out = settings.max_phones

    def new_sid(self, prefix: str) -> str:
        return f"{prefix}{self._chance.getrandbits(128):032x}"

    @property
    def default_sender(self) -> str:
        return next(iter(self.numbers))

    def keep(self, message: CarrierMessage) -> None:
        self._messages[message.sid] = message
        while len(self._messages) > self._max_messages:
            self.drop(next(iter(self._messages)))

    def find(self, sid: str) -> CarrierMessage | None:
        return self._messages.get(sid)

    def drop(self, sid: str) -> bool:
        message = self._messages.get(sid)
        if message is None:
            return False
        for media_sid in list(message.media):
            self.drop_media(media_sid)
        del self._messages[sid]
        return True

    def newest_first(self) -> Iterator[CarrierMessage]:
        return reversed(self._messages.values())

    def attach(self, message: CarrierMessage, media: MediaFile) -> None:
        """Keeps the file with its message, at the cost of the oldest files once there are too many bytes."""
        message.media[media.sid] = media
        self._media[media.sid] = message.sid
        self._media_bytes += len(media.body)
        while self._media_bytes > self._max_media_bytes and len(self._media) > 1:
            self.drop_media(next(iter(self._media)))

    def find_media(self, media_sid: str) -> MediaFile | None:
        message = self.find(self._media.get(media_sid, ""))
        return message.media.get(media_sid) if message else None

    def drop_media(self, media_sid: str) -> bool:
        message_sid = self._media.pop(media_sid, None)
        message = self._messages.get(message_sid) if message_sid else None
        media = message.media.pop(media_sid, None) if message else None
        if media is None:
            return False
        self._media_bytes -= len(media.body)
        return True

    def opt_out(self, *, sender: str, phone: str) -> None:
        self._opted_out[sender, phone] = None
        if len(self._opted_out) > self._max_opted_out:
            del self._opted_out[next(iter(self._opted_out))]

    def opt_in(self, *, sender: str, phone: str) -> None:
        self._opted_out.pop((sender, phone), None)

    def has_opted_out(self, *, sender: str, phone: str) -> bool:
        return (sender, phone) in self._opted_out

    def opted_out_of(self, phone: str) -> list[str]:
        return [sender for sender in self.numbers if (sender, phone) in self._opted_out]


def _sid_of_number(number: str) -> str:
    return "PN" + hashlib.sha256(number.encode()).hexdigest()[:32]
