"""A phone texts one of our numbers: the carrier stores it, answers STOP and HELP itself, and calls the webhook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .account import Account, CarrierMessage, MediaFile, OwnNumber
from .callbacks import Answer, Callbacks
from .delivery import Delivery
from .faults import Faults
from .ledger import Ledger
from .numbers import country_of
from .personas import DEFAULT
from .phones import PhoneMedia, PhoneMessage, Phones
from .samples import Sample
from .segments import count_segments
from .settings import SimulatorSettings
from .twilio_json import API_VERSION, account_path
from .twiml import BadAnswer, read_answer

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
        settings: SimulatorSettings,
        *,
        account: Account,
        phones: Phones,
        callbacks: Callbacks,
        delivery: Delivery,
        faults: Faults,
        ledger: Ledger,
        clock: Callable[[], float],
        url: str,
        media_base_url: str,
    ) -> None:
        self._settings = settings
        self._account = account
        self._phones = phones
        self._callbacks = callbacks
        self._delivery = delivery
        self._faults = faults
        self._ledger = ledger
        self._clock = clock
        self._url = url
        self._media_base_url = media_base_url

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
        keyword = self._heed_keyword(number, text, to=to)
        answer, detail = await self._call_webhook(message, keyword)
        if answer is not None and answer.ok:
            detail = await self._send_replies(message, answer) or detail
        return Texted(message_sid=message.sid, to=to, message=shown, answer=answer, detail=detail)

    def _take(self, number: str, text: str, *, to: str, media: Sequence[Sample]) -> CarrierMessage:
        now = self._clock()
        message = CarrierMessage(
            sid=self._account.new_sid("MM" if media else "SM"),
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
        """`STOP`, `START`, `HELP`, or nothing. The carrier's own reply goes to the phone at once."""
        word = text.strip().upper()
        if word in STOP_WORDS:
            keyword = "STOP"
            self._account.opt_out(sender=to, phone=number)
        elif word in START_WORDS:
            keyword = "START"
            self._account.opt_in(sender=to, phone=number)
            if self._phones.persona_of(number).refusal == 21610:
                self._phones.become(number, DEFAULT)
        elif word in HELP_WORDS:
            keyword = "HELP"
        else:
            return ""
        self._phones.record(
            number, sid=self._account.new_sid("SM"), direction="received", sender=to, text=_REPLIES[keyword]
        )
        return keyword

    async def _call_webhook(self, message: CarrierMessage, keyword: str) -> tuple[Answer | None, str]:
        own = self._account.numbers[message.to]
        if not own.sms_url:
            return None, f"{own.number} has no webhook: the message can only be listed"
        if self._faults.strikes("webhook_lost"):
            return None, "the webhook was lost on purpose"
        form = self._form(message, keyword)
        summary = f"text with {message.num_media} media" if message.num_media else "text"
        answer = await self._post(own, form, message, summary)
        if self._faults.strikes("webhook_duplicate"):
            await self._post(own, form, message, f"{summary}, again")
        return answer, ""

    async def _post(self, own: OwnNumber, form: list[tuple[str, str]], message: CarrierMessage, summary: str) -> Answer:
        url = own.sms_url
        answer = await self._callbacks.post(url, form, kind="webhook", summary=summary, method=own.sms_method)
        self._note(message, url, answer)
        if not answer.ok and own.sms_fallback_url:
            url = own.sms_fallback_url
            form = [*form, ("ErrorCode", str(answer.error_code)), ("ErrorUrl", own.sms_url)]
            answer = await self._callbacks.post(
                url, form, kind="webhook", summary=f"{summary}, to the fallback", method=own.sms_fallback_method
            )
            self._note(message, url, answer)
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

    def _form(self, message: CarrierMessage, keyword: str) -> list[tuple[str, str]]:
        sender = message.from_ or ""
        form = [
            *_place("To", message.to, city="OAKLAND", state="CA", postcode=""),
            *_place("From", sender, city="SAN FRANCISCO", state="CA", postcode="94105"),
            ("SmsMessageSid", message.sid),
            ("NumMedia", str(message.num_media)),
            ("SmsSid", message.sid),
            ("SmsStatus", "received"),
            ("Body", message.body),
            ("To", message.to),
            ("NumSegments", str(message.num_segments)),
            ("MessageSid", message.sid),
            ("AccountSid", self._account.sid),
            ("From", sender),
            ("ApiVersion", API_VERSION),
        ]
        if message.messaging_service_sid:
            form.append(("MessagingServiceSid", message.messaging_service_sid))
        if keyword and self._settings.advanced_opt_out:
            form.append(("OptOutType", keyword))
        base = f"{self._url}{account_path(self._account.sid)}/Messages/{message.sid}/Media"
        for number, file in enumerate(message.media.values()):
            form.append((f"MediaContentType{number}", file.content_type))
            form.append((f"MediaUrl{number}", f"{base}/{file.sid}"))
        return form

    async def _send_replies(self, message: CarrierMessage, answer: Answer) -> str:
        """What the answer itself asked to be sent to the phone. Returns what was wrong with it, if anything."""
        replies = read_answer(answer.content_type, answer.body)
        if isinstance(replies, BadAnswer):
            return f"{replies.code}: {replies.reason}"
        for reply in replies:
            now = self._clock()
            sent = CarrierMessage(
                sid=self._account.new_sid("MM" if reply.media_urls else "SM"),
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


def _place(which: str, number: str, *, city: str, state: str, postcode: str) -> list[tuple[str, str]]:
    country = country_of(number)
    if country is None or country[1] != "US":
        city = state = postcode = ""
    return [
        (f"{which}Country", country[1] if country else ""),
        (f"{which}State", state),
        (f"{which}City", city),
        (f"{which}Zip", postcode),
    ]
