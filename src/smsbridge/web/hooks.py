"""Webhooks of carriers and desktops. The hot path: bytes, a flow, an answer, one line in the log.

The URL that a signature covers is the configured public one with path and query exactly as they arrived: never what a
Host or a Forwarded header says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import Arrived, StoreUnavailable
from smsbridge.domain.errors import BridgeError, NotFound, Unavailable
from smsbridge.flows.desktop import accept_desktop_webhook
from smsbridge.flows.inbound import WebhookReport, accept_webhook
from smsbridge.web.body import read_body
from smsbridge.web.problems import RETRY_AFTER_S, NotReadable, TooLarge, TooSlow, WrongMediaType
from smsbridge.web.seldom import Seldom
from smsbridge.wire.http import Headers, Request

MAX_BODY_BYTES: Final = 256 * 1024
EXPLAIN_EVERY_S: Final = 60.0

Accept = Callable[[Bridge, str, Request], Awaitable[WebhookReport]]


class Hooks:
    """The handlers of both kinds of webhook."""

    def __init__(self, bridge: Bridge, *, body_timeout_s: float) -> None:
        self._bridge = bridge
        self._body_timeout_s = body_timeout_s
        self._explaining = Seldom(EXPLAIN_EVERY_S)
        self._log = structlog.get_logger()

    async def carrier(self, request: web.Request) -> web.Response:
        name = request.match_info["account"]
        known = name in self._bridge.accounts
        if known and request.method == "GET" and not request.query_string and not request.body_exists:
            return self._probed(name)
        return await self._answer(request, name, _CARRIERS, known=known)

    async def desktop(self, request: web.Request) -> web.Response:
        name = request.match_info["desktop"]
        return await self._answer(request, name, _DESKTOPS, known=name in self._bridge.desktops)

    async def _answer(self, request: web.Request, name: str, hook: _Hook, *, known: bool) -> web.Response:
        started = time.monotonic()
        if not known:
            return self._unknown()
        try:
            report = await hook.accept(self._bridge, name, await self._read(request))
        except NotFound:  # configured, but it takes no webhooks
            return self._unknown()
        except (TooLarge, TooSlow, WrongMediaType, NotReadable) as unreadable:
            return self._not_read(name, hook, unreadable)
        except StoreUnavailable as error:
            return self._not_kept(name, str(error))
        except Unavailable as error:
            return self._not_kept(name, str(error), error.retry_after_s)
        except Exception as error:  # noqa: BLE001 - the carrier is asked to repeat it: nothing was kept
            self._log.error("webhook.crashed", account=name, exc_info=error)
            return self._not_kept(name, type(error).__name__)
        self._report(name, hook, report, time.monotonic() - started)
        response = report.response
        return web.Response(status=response.status, body=response.body, headers=list(response.headers))

    async def _read(self, request: web.Request) -> Request:
        target = _ORIGIN.sub("", request.raw_path)
        if not target.startswith("/"):
            raise NotReadable("The request line must hold a path.")
        return Request(
            method=request.method,
            url=self._bridge.public_url + target,
            headers=Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]),
            body=await read_body(request, most=MAX_BODY_BYTES, timeout_s=self._body_timeout_s),
        )

    def _report(self, name: str, hook: _Hook, report: WebhookReport, elapsed_s: float) -> None:
        meter = self._bridge.meter
        if report.is_challenge:  # half a conversation: neither an attack nor a text that is refused
            meter.count("webhook_requests_total", carrier=name, kind="other", outcome="challenged")
            self._log.info("webhook.challenged", account=name, elapsed_ms=round(elapsed_s * 1000, 1))
            return
        for outcome, reason in report.outcomes:
            meter.count(
                "webhook_requests_total", carrier=name, kind=_kind(hook, outcome, reason), outcome=outcome.value
            )
        meter.observe("webhook_ack_seconds", elapsed_s, carrier=name)
        facts = {
            "account": name,
            "outcome": ",".join([outcome for outcome, _ in report.outcomes]),
            "reason": ",".join([reason for _, reason in report.outcomes]),
            "elapsed_ms": round(elapsed_s * 1000, 1),
        }
        if report.is_spooled:
            meter.count("webhook_requests_total", carrier=name, kind="other", outcome="spooled")
        if not report.diagnosis:
            self._log.info("webhook.spooled" if report.is_spooled else "webhook.accepted", **facts)
            return
        meter.count("auth_failures_total", surface="hooks", reason="signature")
        if self._explaining.allows(name):
            facts["diagnosis"] = report.diagnosis
        refused = Arrived.REFUSED in [outcome for outcome, _ in report.outcomes]
        self._log.warning("webhook.refused" if refused else "webhook.unproven", **facts)

    def _probed(self, name: str) -> web.Response:
        """Nothing is in it, so nobody has to prove it: somebody asks whether the address answers. Vonage does before it
        takes one, and wants a 200: https://developer.vonage.com/numbers/code-snippets/update"""
        self._bridge.meter.count("webhook_requests_total", carrier=name, kind="other", outcome="probed")
        self._log.info("webhook.probed", account=name)
        return _plain(200, "Webhooks of a carrier are taken here.")

    def _unknown(self) -> web.Response:
        # Neither logged nor counted by name: anybody can make names up.
        self._bridge.meter.count("webhook_requests_total", carrier="unknown", kind="other", outcome="unknown")
        return _plain(404, "There is no such webhook here.")

    def _not_read(self, name: str, hook: _Hook, error: BridgeError) -> web.Response:
        status, outcome = _NOT_READ[type(error)]
        refusal = self._bridge.accounts[name].adapter.refusal.status if hook is _CARRIERS else status
        if refusal >= _SERVER_ERROR:  # it takes a 4xx for the end of a text, and is to repeat it
            status = refusal
        self._bridge.meter.count("webhook_requests_total", carrier=name, kind="other", outcome=outcome)
        if isinstance(error, TooSlow):
            self._bridge.meter.count("slow_clients_closed_total", surface="hooks")
        self._log.warning("webhook.refused", account=name, outcome=outcome, status=status)
        response = _plain(status, str(error))
        response.force_close()  # what is still on its way is not wanted
        return response

    def _not_kept(self, name: str, reason: str, retry_after_s: int = RETRY_AFTER_S) -> web.Response:
        self._bridge.meter.count("webhook_requests_total", carrier=name, kind="other", outcome="unavailable")
        self._log.error("webhook.not_kept", account=name, reason=reason)
        response = _plain(503, "It cannot be kept right now; please repeat it.")
        response.headers["Retry-After"] = str(retry_after_s)
        return response


@dataclass(frozen=True, slots=True)
class _Hook:
    """What its webhooks are counted as: `message` a text, `rest` what is neither a text nor an opt-out."""

    accept: Accept
    message: str
    rest: str


_CARRIERS: Final = _Hook(accept_webhook, "message", "receipt")
_DESKTOPS: Final = _Hook(accept_desktop_webhook, "reply", "command")


def _kind(hook: _Hook, outcome: Arrived, reason: str) -> str:
    """A label of a closed list; reasons are an open one."""
    if outcome not in {Arrived.STORED, Arrived.DUPLICATE}:
        return "other"
    if reason in _OF_A_CONTACT:
        return hook.message
    return {"opt_out": "opt_out", "handshake": "other"}.get(reason, hook.rest)


_ORIGIN: Final = re.compile(r"\Ahttps?://[^/?#]*", re.IGNORECASE)
"""What stands before the path where a proxy passed on a whole URL, which every server has to take (RFC 9112, 3.2.2). It
is believed no more than a Host header."""
_OF_A_CONTACT: Final = ("message", "part", "withheld")
_SERVER_ERROR: Final = 500
_NOT_READ: Final = {
    TooLarge: (413, "too_large"),
    TooSlow: (408, "too_slow"),
    WrongMediaType: (415, "encoded"),
    NotReadable: (400, "malformed"),
}


def _plain(status: int, words: str) -> web.Response:
    return web.Response(status=status, text=words + "\n")
