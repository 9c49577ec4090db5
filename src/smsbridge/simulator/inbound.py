"""A phone texts one of our numbers: the carrier stores it, answers STOP and HELP itself, and calls the webhook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .account import CarrierMessage, MediaFile, OwnNumber
from .callbacks import Answer, Callbacks, Webhook
from .delivery import Delivery
from .dialect import BadAnswer, Dialect, Office
from .ledger import Ledger
from .personas import DEFAULT
from .phones import PhoneMedia, PhoneMessage
from .samples import Sample
from .segments import count_segments, split_text

MAX_HELD: Final = 20

STOP_WORDS: Final = frozenset({"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"})
START_WORDS: Final = frozenset({"START", "YES", "UNSTOP"})
HELP_WORDS: Final = frozenset({"HELP", "INFO"})
"""https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out: the whole text, in any case."""

_REPLIES: Final = {
    "STOP": "You have successfully been unsubscribed. You will not receive any more messages from this number. "
    "Reply START to resubscribe.",
    "START": "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
    "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Texted:
    """What came of a text. `answer` is `None` when no webhook was called."""

    message_sid: str
    to: str
    message: PhoneMessage
    answer: Answer | None
    detail: str = ""

    def json(self) -> dict[str, Any]:
        answer = self.answer
        webhook = answer and {
            "status": answer.status,
            "ms": answer.ms,
            "attempts": answer.attempts,
            "ok": answer.ok,
            "error_code": answer.error_code,
            "problem": answer.problem or None,
        }
        return {
            "message_sid": self.message_sid,
            "to": self.to,
            "message": self.message.json(),
            "webhook": webhook,
            "detail": self.detail or None,
        }


class Inbound:
    def __init__(
        self,
        dialect: Dialect,
        office: Office,
        *,
        callbacks: Callbacks,
        delivery: Delivery,
        ledger: Ledger,
        media_base_url: str,
    ) -> None:
        self._dialect = dialect
        self._account = office.account
        self._phones = office.phones
        self._faults = office.faults
        self._chance = office.chance
        self._clock = office.clock
        self._callbacks = callbacks
        self._delivery = delivery
        self._ledger = ledger
        self._media_base_url = media_base_url
        self._held: dict[str, list[CarrierMessage]] = {}  # our number -> texts that wait for the next one

    async def text(self, number: str, text: str, *, to: str, media: Sequence[Sample] = ()) -> Texted:
        """`to` must be one of our numbers. Returns when the webhook has answered, its retries included."""
        message = self._take(number, text, to=to, media=media)
        shown = self._phones.record(
            number,
            sid=message.sid,
            direction="sent",
            sender=to,
            text=text,
            media=tuple(
                PhoneMedia(
                    url=f"{self._media_base_url}/{file.sid}",
                    content_type=file.content_type,
                    name=file.name,
                    size_bytes=len(file.body),
                )
                for file in message.media.values()
            ),
        )
        message.keyword = self._heed_keyword(number, text, to=to)
        answer, detail = await self._call_webhook(message)
        if answer is not None and answer.ok:
            detail = await self._send_replies(message, answer) or detail
        return Texted(message_sid=message.sid, to=to, message=shown, answer=answer, detail=detail)

    def _take(self, number: str, text: str, *, to: str, media: Sequence[Sample]) -> CarrierMessage:
        now = self._clock()
        message = CarrierMessage(
            sid=self._dialect.new_id(has_media=bool(media)),
            direction="inbound",
            from_=number,
            to=to,
            body=text,
            status="received",
            created_at=now,
            updated_at=now,
            sent_at=now,
            num_segments=len(media) or count_segments(text),
            num_media=len(media),
            messaging_service_sid=self._account.messaging_service_sid,
        )
        self._account.keep(message)
        for sample in media:
            file = MediaFile(
                sid=self._account.new_sid("ME"),
                content_type=sample.content_type,
                body=sample.body,
                name=sample.name,
                at=now,
            )
            self._account.attach(message, file)
        return message

    def _heed_keyword(self, number: str, text: str, *, to: str) -> str:
        """`STOP`, `START`, `HELP`, or nothing. A reply of the carrier's own goes to the phone at once."""
        keyword = _keyword_of(text)
        if keyword == "START" and self._phones.persona_of(number).refusal == 21610:
            self._phones.become(number, DEFAULT)
        if not keyword or not self._dialect.answers_stop:
            return keyword
        if keyword == "STOP":
            self._account.opt_out(sender=to, phone=number)
        elif keyword == "START":
            self._account.opt_in(sender=to, phone=number)
        self._phones.record(
            number, sid=self._account.new_sid("SM"), direction="received", sender=to, text=_REPLIES[keyword]
        )
        return keyword

    async def _call_webhook(self, message: CarrierMessage) -> tuple[Answer | None, str]:
        own = self._account.numbers[message.to]
        if not own.sms_url:
            return None, f"{own.number} has no webhook: the message can only be listed"
        if self._faults.strikes("webhook_lost"):
            return None, "the webhook was lost on purpose"
        held = self._held.setdefault(message.to, [])
        if len(held) < MAX_HELD and self._faults.strikes("webhook_batched"):
            held.append(message)
            return None, "it waits on purpose, and comes with the next text"
        batch = self._dialect.write_batch([*held, message], own) if held else None
        if batch is not None:
            return await self._post_batch(own, batch, [*held, message]), ""
        while held:
            await self._post(own, held.pop(0), "text that has waited")
        parts = self._write_parts(message, own)
        if parts:
            return await self._post_parts(own, message, parts), ""
        summary = f"text with {message.num_media} media" if message.num_media else "text"
        answer = await self._post(own, message, summary)
        if self._faults.strikes("webhook_duplicate"):
            await self._post(own, message, f"{summary}, again")
        return answer, ""

    async def _post_batch(self, own: OwnNumber, batch: Webhook, messages: Sequence[CarrierMessage]) -> Answer:
        self._held.pop(own.number)
        answer = await self._callbacks.post(batch, kind="webhook", summary=f"{len(messages)} texts")
        for message in messages:
            self._note(message, own.sms_url, answer)
        return answer

    def _write_parts(self, message: CarrierMessage, own: OwnNumber) -> list[Webhook]:
        texts = () if message.media else split_text(message.body)
        if len(texts) < 2 or not self._faults.strikes("webhook_in_parts"):
            return []
        parts = list(self._dialect.write_parts(message, own, texts))
        self._chance.shuffle(parts)
        return parts

    async def _post_parts(self, own: OwnNumber, message: CarrierMessage, parts: Sequence[Webhook]) -> Answer:
        """What became of the last of them, or of one that was not taken."""
        answers = [await self._callbacks.post(part, kind="webhook", summary="part of a text") for part in parts]
        answer = next((each for each in answers if not each.ok), answers[-1])
        self._note(message, own.sms_url, answer)
        return answer

    async def _post(self, own: OwnNumber, message: CarrierMessage, summary: str) -> Answer:
        webhook = self._dialect.write_inbound(message, own)
        answer = await self._callbacks.post(webhook, kind="webhook", summary=summary)
        self._note(message, own.sms_url, answer)
        fallback = None if answer.ok else self._dialect.write_fallback(message, own, answer)
        if fallback is not None:
            answer = await self._callbacks.post(fallback, kind="webhook", summary=f"{summary}, to the fallback")
            self._note(message, own.sms_fallback_url, answer)
        return answer

    def _note(self, message: CarrierMessage, url: str, answer: Answer) -> None:
        self._ledger.record_posted(
            sid=message.sid,
            from_=message.from_ or "",
            to=message.to,
            body=message.body,
            url=url,
            status=answer.status,
            ms=answer.ms,
            attempts=answer.attempts,
            problem=answer.problem,
            at=self._clock(),
        )

    async def _send_replies(self, message: CarrierMessage, answer: Answer) -> str:
        """What the answer itself asked to be sent to the phone. Returns what was wrong with it, if anything."""
        replies = self._dialect.read_answer(answer)
        if isinstance(replies, BadAnswer):
            return f"{replies.code}: {replies.reason}"
        for reply in replies:
            now = self._clock()
            sent = CarrierMessage(
                sid=self._dialect.new_id(has_media=bool(reply.media_urls)),
                direction="outbound-reply",
                from_=message.to,
                to=message.from_ or "",
                body=reply.text,
                status="queued",
                created_at=now,
                updated_at=now,
                num_segments=count_segments(reply.text),
                num_media=len(reply.media_urls),
                media_urls=reply.media_urls,
            )
            self._account.keep(sent)
            await self._delivery.start(sent)
        return ""


def _keyword_of(text: str) -> str:
    word = text.strip().upper()
    kinds = {"STOP": STOP_WORDS, "START": START_WORDS, "HELP": HELP_WORDS}
    return next((kind for kind, words in kinds.items() if word in words), "")
