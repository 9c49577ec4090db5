"""A desktop that takes signed webhooks, keeps a ledger of them in the order they came, and posts replies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from smsbridge.wire.encoding import write_json
from smsbridge.wire.http import Headers, Request, Response
from smsbridge.wire.signing import base64_text, hmac_digest

from .network import Fate

if TYPE_CHECKING:
    from .world import World

KEY: Final = b"a key of 32 bytes for a desktop."
SECRET: Final = "whsec_" + base64_text(KEY)
_ANSWERS: Final = {Fate.BUSY: 429, Fate.BROKEN_BEFORE: 500, Fate.BROKEN_AFTER: 500, Fate.REFUSED: 401}
_UNTAKEN: Final = frozenset({Fate.BUSY, Fate.BROKEN_BEFORE, Fate.REFUSED})


@dataclass
class Desktop:
    world: World
    name: str = "desktop"
    host: str = "agents.example.com"
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Every event by its id, in the order in which they came first."""
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What agents wrote here and posted, by the id of the event."""
    acknowledged: set[str] = field(default_factory=set)
    """The ids of those to which the bridge said 2xx."""

    def take(self, request: Request, fate: Fate) -> Response:
        event_id, event = request.headers.get("webhook-id"), json.loads(request.body)
        self.world.tell("desktop", f"is told {event['type']} ({event_id}): {fate}")
        if fate not in _UNTAKEN:
            self.taken.setdefault(event_id, event)
        wait_s = self.world.random.choice(("", "5", "30")) if fate is Fate.BUSY else ""
        headers = Headers([("Retry-After", wait_s)] if wait_s else [])
        return Response(status=_ANSWERS.get(fate, 200), headers=headers)

    def heard(self, event_type: str) -> list[dict[str, Any]]:
        """The data of all events of one type."""
        return [event["data"] for event in self.taken.values() if event["type"] == event_type]

    def write(self, event_type: str, data: dict[str, Any]) -> None:
        """An agent does something here; it is posted until the bridge says yes or no."""
        event_id = f"agent-{len(self.written) + 1}"
        if event_type == "message.send":
            data["client_reference"] = event_id
        self.written[event_id] = data
        body = write_json({"type": event_type, "timestamp": "", "data": data})
        for _ in range(self.world.random.choice((1, 1, 1, 2))):
            self.world.later(0, lambda: self._post(event_id, body, f"{event_type} {event_id}"))

    def _post(self, event_id: str, body: bytes, what: str) -> None:
        def hear(response: Response | None) -> None:
            if response is not None and response.ok:
                self.acknowledged.add(event_id)
            elif response is None or response.status >= 500:
                again_s = self.world.random.choice((0.5, 5.0, 20.0))
                self.world.later(again_s, lambda: self._post(event_id, body, what))

        timestamp = str(self.world.wall_ms() // 1000)
        signature = base64_text(hmac_digest("sha256", KEY, f"{event_id}.{timestamp}.".encode() + body))
        headers = [
            ("webhook-id", event_id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", f"v1,{signature}"),
            ("Content-Type", "application/json"),
        ]
        url = self.world.hook("desktops/agents")
        self.world.post("desktop", Request(method="POST", url=url, headers=Headers(headers), body=body), what, hear)
