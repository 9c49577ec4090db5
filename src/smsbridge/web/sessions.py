"""Agents at the built-in desk: how they sign in, what their session may do, and what keeps other sites from using it.

A session is a random token in a cookie that no script can read and no other site can make a browser send. Only its
hash is kept. Passcodes are kept as scrypt (RFC 7914), which is slow on purpose and therefore runs in a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import AgentAccount, Role, Session, Tx
from smsbridge.domain.message import Agent
from smsbridge.flows import agents
from smsbridge.web.endpoint import Principal
from smsbridge.web.problems import NotAuthenticated, NotPermitted, TooManyAttempts
from smsbridge.web.seldom import Attempts
from smsbridge.wire.signing import sha256_hex

COOKIE: Final = "smsbridge_session"
CACHE_MS: Final = 3_000
"""An ended session works at most this much longer."""
CACHED_SESSIONS: Final = 1_024
SEEN_EVERY_MS: Final = 300_000
WRONG_PASSCODES_ALLOWED: Final = 10
WRONG_WINDOW_MS: Final = 60_000
LEAST_PASSCODE_CHARS: Final = 8
MOST_PASSCODE_CHARS: Final = 200
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

AGENT_SCOPES: Final = frozenset(
    {
        "messages:send",
        "messages:read",
        "interactions:write",
        "contacts:read",
        "contacts:write",
        "numbers:read",
        "media:read",
        "media:write",
        "events:read",
        "notices:read",
        "desk:read",
        "desk:write",
    }
)
SCOPES_OF: Final = {Role.AGENT: AGENT_SCOPES, Role.SUPERVISOR: AGENT_SCOPES | {"contacts:erase", "ops:read"}}

_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 5}
"""As advised for 16 MB (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html)."""
_HASHING_AT_ONCE: Final = 2
"""Each takes 16 MB for some 250 ms."""
_MOST_WAITING: Final = 10
"""Who would wait longer than a few seconds is sent away: whoever guesses must not keep everybody else waiting."""
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what looks alike on paper."""


def make_passcode() -> str:
    """Twelve characters in three groups: 59 random bits, easy to read out."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))


def hash_passcode(passcode: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(passcode, salt).hex()}"


def is_passcode(passcode: str, kept: str) -> bool:
    scheme, salt, digest = kept.split("$")
    return scheme == "scrypt" and hmac.compare_digest(_scrypt(passcode, bytes.fromhex(salt)), bytes.fromhex(digest))


def _scrypt(passcode: str, salt: bytes) -> bytes:
    return hashlib.scrypt(passcode.encode("utf-8", "surrogatepass"), salt=salt, dklen=32, **_SCRYPT)


class Sessions:
    """Who is signed in. Remembers sessions for a moment and wrong passcodes for a minute, both bounded."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._known: OrderedDict[str, tuple[int, Principal | None]] = OrderedDict()
        self._wrong = Attempts(allowed=WRONG_PASSCODES_ALLOWED, window_ms=WRONG_WINDOW_MS)
        self._hashing = asyncio.Semaphore(_HASHING_AT_ONCE)
        self._waiting = 0
        self._nobody = f"scrypt${secrets.token_hex(16)}${secrets.token_hex(32)}"  # what fits no passcode

    async def sign_in(self, agent_id: str, passcode: str, address: str) -> tuple[str, Principal]:
        """The token for the cookie, and who it is. Raises NotAuthenticated or TooManyAttempts.

        An unknown name takes as long as a wrong passcode: neither answer nor time tells who exists.
        """
        now_ms = self._bridge.clock.monotonic_ms()
        attempt = f"{address} {agent_id}"
        if self._wrong.too_many(attempt, now_ms) or self._waiting >= _MOST_WAITING:
            self._count("guessing")
            raise TooManyAttempts("Too many tries to sign in. Wait a minute.")
        self._wrong.note(attempt, now_ms)  # before it is known to be wrong: many at once must not slip through
        self._waiting += 1
        try:
            account = await self._find_account(agent_id, passcode)
        finally:
            self._waiting -= 1
        if account is None:
            raise self._refusal()
        token = secrets.token_urlsafe(32)
        if not await self.open(token, account.id, passcode_hash=account.passcode_hash):
            raise self._refusal()
        self._wrong.forget(attempt)
        return token, _principal(account)

    async def _find_account(self, agent_id: str, passcode: str) -> AgentAccount | None:
        account = await self._bridge.store.read(lambda tx: tx.agent(agent_id))
        kept = account.passcode_hash if account else self._nobody
        async with self._hashing:
            fits = await asyncio.to_thread(is_passcode, passcode[:MOST_PASSCODE_CHARS], kept)
        return account if fits else None

    async def open(self, token: str, agent_id: str, *, passcode_hash: str = "") -> bool:
        """A session for somebody who has proven who they are, by the passcode that was kept then. False where they
        were removed or got another one meanwhile."""
        now_ms = self._bridge.now_ms()
        session = Session(hash=_digest(token), agent_id=agent_id, created_at_ms=now_ms, seen_at_ms=now_ms)

        def insert(tx: Tx) -> bool:
            account = tx.agent(agent_id)
            if account is None or passcode_hash not in {"", account.passcode_hash}:
                return False
            tx.insert_session(session)
            return True

        return await self._bridge.store.write(insert)

    async def end(self, token: str) -> None:
        """Who is signed in nowhere any more is no longer Ready: offers would wait for nobody."""
        digest = _digest(token)

        def close(tx: Tx) -> None:
            session = tx.session(digest)
            tx.delete_session(digest)
            if session is not None and not tx.sessions_of(session.agent_id):
                agents.stand_down(tx, self._bridge, session.agent_id)

        await self._bridge.store.write(close)
        self._known.pop(digest, None)

    async def find(self, token: str) -> Principal | None:
        """Who holds this token, or None for a session that has ended or never was."""
        digest = _digest(token)
        now_ms = self._bridge.clock.monotonic_ms()
        kept = self._known.get(digest)
        if kept is None or now_ms - kept[0] > CACHE_MS:
            kept = (now_ms, await self._look_up(digest))
            self._known[digest] = kept
            self._known.move_to_end(digest)
            if len(self._known) > CACHED_SESSIONS:
                self._known.popitem(last=False)
        return kept[1]

    async def _look_up(self, digest: str) -> Principal | None:
        wall_ms = self._bridge.now_ms()
        oldest_ms = wall_ms - self._bridge.policy.desk.session_idle_ms

        def read(tx: Tx) -> tuple[Session, AgentAccount] | None:
            session = tx.session(digest)
            account = tx.agent(session.agent_id) if session else None
            return (session, account) if session and account else None

        found = await self._bridge.store.read(read)
        if found is None or found[0].seen_at_ms < oldest_ms:
            return None
        session, account = found
        if wall_ms - session.seen_at_ms > SEEN_EVERY_MS:
            await self._bridge.store.write(lambda tx: tx.touch_session(digest, wall_ms))
        return _principal(account)

    def _refusal(self) -> NotAuthenticated:
        self._count("passcode")
        return NotAuthenticated("This name and passcode do not fit together.")

    def _count(self, reason: str) -> None:
        self._bridge.meter.count("auth_failures_total", surface="desk", reason=reason)


def _principal(account: AgentAccount) -> Principal:
    return Principal(
        key_id=f"agent_{account.id}",
        name=account.name or account.id,
        scopes=SCOPES_OF[account.role],
        agent=Agent(id=account.id, name=account.name),
        supervises=account.role is Role.SUPERVISOR,
    )


def token_of(request: web.Request, public_url: str) -> str:
    return request.cookies.get(_cookie_name(public_url), "")


def set_cookie(response: web.Response, token: str, *, public_url: str) -> None:
    """For this host alone, out of reach of scripts, never sent on the request of another site."""
    name, secure = _cookie_name(public_url), _is_secure(public_url)
    response.set_cookie(name, token, path="/", httponly=True, samesite="Strict", secure=secure)


def drop_cookie(response: web.Response, *, public_url: str) -> None:
    name, secure = _cookie_name(public_url), _is_secure(public_url)
    response.del_cookie(name, path="/", httponly=True, samesite="Strict", secure=secure)


def _cookie_name(public_url: str) -> str:
    """With the prefix no neighbour of our host can plant one of its own.
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes)"""
    return f"__Host-{COOKIE}" if _is_secure(public_url) else COOKIE


def _is_secure(public_url: str) -> bool:
    return public_url.startswith("https://")


def check_same_site(request: web.Request, public_url: str) -> None:
    """Raises NotPermitted for what another site makes a browser send with the session's cookie.

    `Sec-Fetch-Site` is set by every browser of the last years and by no script; where it is missing, `Origin` must be
    ours. What has neither comes from no browser, and only browsers have sessions.
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site)
    """
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        ours = site in {"same-origin", "none"}
    else:
        ours = origin is not None and origin.partition("://")[2] in {request.host, urlsplit(public_url).netloc}
    if not ours:
        raise NotPermitted("This request does not come from a page of this bridge.")


def _digest(token: str) -> str:
    return sha256_hex(token.encode("utf-8", "replace"))
