"""Signing in at the built-in desk, and out again."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import AgentStatus, Role
from smsbridge.flows import resources
from smsbridge.web.api import models
from smsbridge.web.endpoint import Answer, Call, Endpoint, Principal
from smsbridge.web.problems import NotAuthenticated
from smsbridge.web.sessions import Sessions, check_same_site, drop_cookie, set_cookie, token_of
from smsbridge.wire.encoding import write_json


class SessionCalls:
    """`/v1/session`: these calls prove who calls by themselves."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def sign_in(self, call: Call) -> web.StreamResponse:
        if any(name in call.request.headers for name in ("Origin", "Sec-Fetch-Site")):
            check_same_site(call.request, call.bridge.public_url)
        body = call.body(models.SignIn)
        token, principal = await self._sessions.sign_in(body.name.strip(), body.passcode, call.request.remote or "")
        if earlier := token_of(call.request, call.bridge.public_url):
            await self._sessions.end(earlier)
        response = web.Response(
            status=201, body=write_json(await _show(call.bridge, principal)), content_type="application/json"
        )
        set_cookie(response, token, public_url=call.bridge.public_url)
        return response

    async def show(self, call: Call) -> dict[str, Any] | Answer:
        """Nobody is no error: a page asks this first, to know whether to show the door."""
        try:
            principal = await self._principal(call)
        except NotAuthenticated:
            return Answer(status=204)
        return await _show(call.bridge, principal)

    async def sign_out(self, call: Call) -> Answer | web.StreamResponse:
        await self._principal(call)
        await self._sessions.end(token_of(call.request, call.bridge.public_url))
        response = web.Response(status=204)
        drop_cookie(response, public_url=call.bridge.public_url)
        return response

    async def _principal(self, call: Call) -> Principal:
        token = token_of(call.request, call.bridge.public_url)
        principal = await self._sessions.find(token) if token else None
        if principal is None:
            raise NotAuthenticated("Nobody is signed in here.")
        check_same_site(call.request, call.bridge.public_url)
        return principal

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="POST",
                path="/v1/session",
                summary="Sign in at the built-in desk",
                description="Answers with a cookie that stands for an API key on the calls of this site.",
                tag="agents",
                scope=None,
                handler=self.sign_in,
                body=models.SignIn,
                answer=models.Session,
                status=201,
                problems=(401, 403, 422, 429),
            ),
            Endpoint(
                method="GET",
                path="/v1/session",
                summary="Show who is signed in",
                description="Answers 204 where nobody is.",
                tag="agents",
                scope=None,
                handler=self.show,
                answer=models.Session,
                problems=(401, 403),
            ),
            Endpoint(
                method="DELETE",
                path="/v1/session",
                summary="Sign out",
                tag="agents",
                scope=None,
                handler=self.sign_out,
                body_kind="none",
                status=204,
                problems=(401, 403),
            ),
        )


async def _show(bridge: Bridge, principal: Principal) -> dict[str, Any]:
    agent = principal.agent
    assert agent is not None  # noqa: S101 - sessions are agents'
    policy = bridge.policy
    status, (_, newest) = await bridge.store.read(lambda tx: (tx.agent_status(agent.id), tx.event_bounds()))
    return {
        "agent": resources.agent(agent),
        "role": Role.SUPERVISOR if principal.supervises else Role.AGENT,
        "status": resources.agent_status(status or AgentStatus(id=agent.id, name=agent.name)),
        "last_event_id": newest,
        "desk": {
            "asynchronous": policy.asynchronous,
            "dispositions": list(policy.dispositions),
            "save_attachments": policy.desk.save_attachments,
            "max_text_chars": policy.max_text_chars,
            "max_attachments": policy.max_attachments,
            "max_attachment_bytes": policy.media_max_bytes,
        },
    }
