"""A carrier that speaks Twilio's wire format, keeps a ledger of what it took, and posts late, early, twice or never."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from smsbridge.simulator.signature import sign
from smsbridge.wire.encoding import write_form, write_json
from smsbridge.wire.http import Headers, Request, Response

from .network import Fate

if TYPE_CHECKING:
    from .world import World

ACCOUNT_SID: Final = "AC" + "0" * 32
TOKEN: Final = "token"
REFUSALS: Final = ((400, 21211), (400, 30007), (400, 21610), (401, 20003))
ENDS: Final = (
    (("delivered", 0),),
    (("delivered", 0),),
    (("delivered", 0),),
    (("undelivered", 30003),),
    (("undelivered", 30005), ("delivered", 0)),  # late success is real
    (("failed", 30008),),
    (("undelivered", 0), ("undelivered", 30006)),  # the reason comes after the failure
    (),
)


@dataclass
class Taken:
    """One text that the carrier has. `ref` is ours, from the callback URL: message, part and try."""

    sid: str
    ref: str
    sender: str
    to: str
    body: str
    callback: str
    at_s: float
    account: str
    status: str = "queued"
    code: int = 0


@dataclass
class Text:
    """One text from a contact."""

    sid: str
    sender: str
    to: str
    body: str
    at_s: float
    account: str
    may_be_given_up: bool
    """The bridge looks after its list: it comes by that if it cannot be posted."""
    status: str = "received"
    code: int = 0


@dataclass
class Carrier:
    """What it took and brought stands in ledgers that two carriers of one bridge share."""

    world: World
    name: str = "carrier"
    account: str = "twilio"
    host: str = "api.twilio.com"
    taken: dict[str, Taken] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The refs of all requests to send that arrived, in order."""
    texts: dict[str, Text] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    """The sids of the texts and the keys of the receipts that the bridge said 2xx to."""

    # --- what the bridge asks

    def take(self, request: Request, fate: Fate) -> Response:
        if request.method == "GET":
            return self._tell(request, fate)
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        ref = dict(parse_qsl(urlsplit(form["StatusCallback"]).query))["ref"]
        self.asked.append(ref)
        self.world.tell(self.name, f"is asked to send {ref} to {form['To']}: {fate}")
        match fate:
            case Fate.BUSY:
                wait_s = self.world.random.choice((1, 5, 30))
                return _answer(429, {"code": 20429, "message": "Too many requests"}, ("Retry-After", str(wait_s)))
            case Fate.BROKEN_BEFORE:
                return _answer(503, {})
            case Fate.REFUSED:
                status, code = self.world.random.choice(REFUSALS)
                return _answer(status, {"code": code, "message": "no"})
        text = Taken(
            sid=f"SM{len(self.taken):032x}",
            ref=ref,
            sender=form["From"],
            to=form["To"],
            body=form["Body"],
            callback=form["StatusCallback"],
            at_s=self.world.now_s,
            account=self.account,
        )
        self.taken[text.sid] = text
        created = _answer(201, self._resource(text))
        self._plan_receipts(text)
        return _answer(503, {}) if fate is Fate.BROKEN_AFTER else created

    def _tell(self, request: Request, fate: Fate) -> Response:
        if fate not in (Fate.WELL, Fate.LOST_AFTER):
            return _answer(503, {})
        parts = urlsplit(request.url)
        if not parts.path.endswith("/Messages.json"):
            text = self.taken[parts.path.rpartition("/")[2].removesuffix(".json")]
            return _answer(200, self._resource(text))
        wanted = dict(parse_qsl(parts.query))
        everything: tuple[Taken | Text, ...] = (*self.taken.values(), *self.texts.values())
        found = [
            self._resource(text)
            for text in sorted(everything, key=lambda text: text.at_s, reverse=True)
            if text.account == self.account
            and text.to == wanted["To"]
            and text.sender == wanted.get("From", text.sender)
        ]
        self.world.tell(self.name, f"lists {len(found)} texts to {wanted['To']}")
        return _answer(200, {"messages": found, "next_page_uri": None})

    def _resource(self, text: Taken | Text) -> dict[str, Any]:
        date = format_datetime(datetime.fromtimestamp(self.world.wall_ms(text.at_s) / 1000, UTC))
        return {
            "sid": text.sid,
            "status": text.status,
            "error_code": text.code or None,
            "direction": "inbound" if isinstance(text, Text) else "outbound-api",
            "from": text.sender,
            "to": text.to,
            "body": text.body,
            "num_media": "0",
            "date_created": date,
            "date_updated": date,
        }

    # --- what it posts

    def _plan_receipts(self, text: Taken) -> None:
        chance, at_s = self.world.random, 0.0
        for status, code in (("sent", 0), *chance.choice(ENDS)):
            at_s += chance.choice((0.0, 0.05, 1.0, 20.0))
            self.world.later(at_s, lambda status=status, code=code: self._reach(text, status, code))

    def _reach(self, text: Taken, status: str, code: int) -> None:
        chance = self.world.random
        text.status, text.code = status, code
        if not self.world.is_calm and chance.random() < 0.1:
            self.world.tell(self.name, f"{text.ref} is {status}, and nobody is told")
            return
        form = {
            "MessageSid": text.sid,
            "MessageStatus": status,
            "AccountSid": ACCOUNT_SID,
            "From": text.sender,
            "To": text.to,
        } | ({"ErrorCode": str(code)} if code else {})
        what, key = f"the receipt {status} of {text.ref}", f"{text.sid}:{status}:{code or ''}"
        # Without our reference, as a callback configured on the number has none: then only the sid tells whose it is.
        url = chance.choice((text.callback, text.callback, self.world.hook(f"carriers/{self.account}/status")))
        for _ in range(chance.choice((1, 1, 1, 2))):
            late_s = chance.choice((0.0, 0.0, 0.1, 3.0, 60.0))
            self.world.later(late_s, lambda: self._post(url, form, key, what))

    def bring(self, sender: str, to: str, body: str) -> None:
        """A contact texts us."""
        world = self.world
        text = Text(
            sid=f"SMa{len(self.texts):031x}",
            sender=sender,
            to=to,
            body=body,
            at_s=world.now_s,
            account=self.account,
            may_be_given_up=world.configuration["policy"].catch_up_every_ms > 0 and world.counts["listens"] > 0,
        )
        self.texts[text.sid] = text
        form = {"MessageSid": text.sid, "AccountSid": ACCOUNT_SID, "From": sender, "To": to, "Body": body}
        form["NumMedia"] = "0"
        url, what = world.hook(f"carriers/{self.account}"), f"the text {body!r}"
        for _ in range(world.random.choice((1, 1, 1, 2))):
            late_s = world.random.choice((0.0, 0.0, 0.0, 2.0))
            world.later(late_s, lambda: self._post(url, form, text.sid, what))

    def _post(self, url: str, form: dict[str, str], key: str, what: str) -> None:
        """Posts until it hears 2xx, or has had enough."""

        def hear(response: Response | None) -> None:
            if response is not None and response.ok:
                self.acknowledged.add(key)
            elif key in self.texts and self.texts[key].may_be_given_up and self.world.random.random() < 0.5:
                self.world.tell(self.name, f"posts {what} no more")
            else:
                again_s = self.world.random.choice((0.5, 5.0, 20.0))
                self.world.later(again_s, lambda: self._post(url, form, key, what))

        pairs = list(form.items())
        headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("X-Twilio-Signature", sign(url, pairs, TOKEN)),
        ]
        request = Request(method="POST", url=url, headers=Headers(headers), body=write_form(pairs))
        self.world.post(self.name, request, what, hear)


def _answer(status: int, body: dict[str, Any], *headers: tuple[str, str]) -> Response:
    return Response(status=status, headers=Headers(headers), body=write_json(body))
