"""Every URL of the bridge, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.web.api import ENDPOINTS
from smsbridge.web.api.session import SessionCalls
from smsbridge.web.docs_page import DocsPages
from smsbridge.web.endpoint import Endpoint
from smsbridge.web.events import EventStream
from smsbridge.web.health import Health
from smsbridge.web.hooks import Hooks
from smsbridge.web.media import Media
from smsbridge.web.openapi import write_document
from smsbridge.web.pages import Pages
from smsbridge.web.rest import Rest
from smsbridge.wire.probe import PROBE_PATH


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the URLs lead to."""

    bridge: Bridge
    hooks: Hooks
    rest: Rest
    sessions: SessionCalls
    events: EventStream
    media: Media
    health: Health
    pages: Pages


def public_routes(parts: Parts, *, ops: bool) -> list[web.AbstractRouteDef]:
    """`ops`: the operators' URLs are here too, and not on a listener of their own."""
    hooks, media, health = parts.hooks, parts.media, parts.health
    endpoints = all_endpoints(parts)
    docs = DocsPages(lambda: write_document(endpoints, public_url=parts.bridge.public_url))
    return [
        # carriers and desktops: proven by their signatures. `what` may be empty: a slash too many at the carrier is
        # part of the URL that it signs, and no reason to lose texts
        web.post("/hooks/carriers/{account}", hooks.carrier),
        web.get("/hooks/carriers/{account}", hooks.carrier, allow_head=False),
        web.post("/hooks/carriers/{account}/{what:[^/]*}", hooks.carrier),
        web.get("/hooks/carriers/{account}/{what:[^/]*}", hooks.carrier, allow_head=False),
        web.post("/hooks/desktops/{desktop}", hooks.desktop),
        # agent systems: proven by their API key, or by a session of the desk; each module of web/api lists its own
        *(_rest_route(parts.rest, endpoint) for endpoint in endpoints),
        # media: the link is the permission
        web.get("/media/{token}", media.send),
        # people at the built-in desk: the pages; what is on them comes from /v1
        *parts.pages.routes(),
        # developers
        web.get("/v1/openapi.json", docs.document),
        web.get("/docs", docs.reference),
        web.get("/docs/problems", docs.problems),
        web.get("/docs/docs.css", docs.style),
        # those who look for this very bridge by its public address
        web.get(PROBE_PATH, health.probe),
        # operators
        *(ops_routes(parts) if ops else ()),
    ]


def ops_routes(parts: Parts) -> list[web.AbstractRouteDef]:
    health = parts.health
    return [
        web.get("/livez", health.live),
        web.get("/readyz", health.ready),
        web.get("/metrics", health.metrics),
    ]


def _rest_route(rest: Rest, endpoint: Endpoint) -> web.AbstractRouteDef:
    if endpoint.method == "GET":
        return web.get(endpoint.path, rest.serve(endpoint))  # and HEAD
    return web.route(endpoint.method, endpoint.path, rest.serve(endpoint))


def all_endpoints(parts: Parts) -> Sequence[Endpoint]:
    """The REST API, in the order in which the documentation shows it."""
    return (*ENDPOINTS, *parts.sessions.endpoints, parts.events.endpoint)
