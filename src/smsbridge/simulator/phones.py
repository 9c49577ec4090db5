"""The phones: who they are, what they received and sent."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from .bell import Bell
from .personas import DEFAULT, FIXED_FATES_OF_RECIPIENTS, Persona
from .times import rfc3339


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneMedia:
    url: str
    content_type: str
    name: str
    size_bytes: int

    def json(self) -> dict[str, Any]:
        return {"url": self.url, "content_type": self.content_type, "name": self.name, "size_bytes": self.size_bytes}


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneMessage:
    """A text on a phone's screen."""

    seq: int
    sid: str
    direction: Literal["received", "sent"]
    from_: str
    to: str
    text: str
    media: tuple[PhoneMedia, ...]
    at: float

    def json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "sid": self.sid,
            "direction": self.direction,
            "from": self.from_,
            "to": self.to,
            "text": self.text,
            "media": [media.json() for media in self.media],
            "at": rfc3339(self.at),
        }


class Phone:
    def __init__(self, number: str, *, max_messages: int) -> None:
        self.number = number
        self.persona = DEFAULT
        self.messages: deque[PhoneMessage] = deque(maxlen=max_messages)
        self.last_received_seq = 0
        self.listed_seq = 0
        """Up to where a reader who named no place to start from has been told."""
        self.bell = Bell()

    @property
    def fixed_fate(self) -> int | None:
        return FIXED_FATES_OF_RECIPIENTS.get(self.number)

    @property
    def disposable(self) -> bool:
        return self.persona is DEFAULT and not self.bell.waited_for

    def after(self, seq: int) -> list[PhoneMessage]:
        return [message for message in self.messages if message.seq > seq]


class Phones:
    """Every phone exists once it is used. Beyond `max_phones` the one longest unused is forgotten."""

    def __init__(self, *, max_phones: int, max_messages: int, clock: Callable[[], float], news: Bell) -> None:
        """`news` rings when something has changed on any of them."""
        self._phones: OrderedDict[str, Phone] = OrderedDict()
        self._news = news
        self._watchers: list[set[str]] = []
        self._max_phones = max_phones
        self._max_messages = max_messages
        self._clock = clock
        self._last_seq = 0
        self._closed = False

    @property
    def last_seq(self) -> int:
        return self._last_seq

    def __iter__(self) -> Iterator[Phone]:
        return iter(list(self._phones.values()))

    def persona_of(self, number: str) -> Persona:
        phone = self._phones.get(number)
        return phone.persona if phone else DEFAULT

    def use(self, number: str) -> Phone:
        phone = self._phones.get(number)
        if phone is None:
            phone = Phone(number, max_messages=self._max_messages)
            if self._closed:
                phone.bell.close()
            self._make_room()
            self._phones[number] = phone
        else:
            self._phones.move_to_end(number)
        return phone

    def become(self, number: str, persona: Persona) -> Phone:
        phone = self.use(number)
        phone.persona = persona
        self._tell(number)
        return phone

    def record(
        self,
        number: str,
        *,
        sid: str,
        direction: Literal["received", "sent"],
        sender: str,
        text: str,
        media: tuple[PhoneMedia, ...] = (),
    ) -> PhoneMessage:
        """Puts a text on the phone's screen; `sender` is our number."""
        phone = self.use(number)
        self._last_seq += 1
        received = direction == "received"
        message = PhoneMessage(
            seq=self._last_seq,
            sid=sid,
            direction=direction,
            from_=sender if received else number,
            to=number if received else sender,
            text=text,
            media=media,
            at=self._clock(),
        )
        phone.messages.append(message)
        if received:
            phone.last_received_seq = message.seq
            phone.bell.ring()
        self._tell(number)
        return message

    def clear(self, number: str) -> None:
        phone = self.use(number)
        phone.messages.clear()
        phone.listed_seq = phone.last_received_seq
        self._tell(number)

    @contextmanager
    def watched(self) -> Iterator[set[str]]:
        """The numbers on whose phone something has changed; whoever is told takes them out."""
        changed: set[str] = set()
        self._watchers.append(changed)
        try:
            yield changed
        finally:
            self._watchers = [each for each in self._watchers if each is not changed]

    async def wait_received(self, number: str, *, after: int | None, timeout_s: float) -> list[PhoneMessage]:
        """What is on the screen after `after`, once something was *received* after it or `timeout_s` have passed.

        Without `after` it waits for something received since the last call without `after`, and gives all there is.
        """
        phone = self.use(number)
        if timeout_s > 0:
            seen = phone.listed_seq if after is None else after
            if phone.last_received_seq <= seen:
                await phone.bell.wait(timeout_s)
        if after is not None:
            return phone.after(after)
        phone.listed_seq = phone.last_received_seq
        return list(phone.messages)

    def close(self) -> None:
        """Ends all waiting, now and later."""
        self._closed = True
        for phone in self._phones.values():
            phone.bell.close()

    def _tell(self, number: str) -> None:
        for changed in self._watchers:
            changed.add(number)
        self._news.ring()

    def _make_room(self) -> None:
        while len(self._phones) >= self._max_phones:
            oldest = next((number for number, phone in self._phones.items() if phone.disposable), None)
            del self._phones[oldest if oldest is not None else next(iter(self._phones))]
