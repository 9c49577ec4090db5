"""Who may call: API keys (how they are made and checked, how often they may be wrong), and sessions of the desk.

A key is `smsb_<id>_<secret>_<checksum>`: a scanner can recognise one, and a mistyped one is told apart without asking
the store. 256 random bits need no slow hash, so SHA-256 of the whole key is what is kept.
"""

from __future__ import annotations

import secrets
import zlib
from collections import OrderedDict
from typing import Final, TypeVar

from aiohttp import web

from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import ApiKey
from smsbridge.web.endpoint import Principal
from smsbridge.web.problems import NotAuthenticated, NotPermitted, TooManyAttempts
from smsbridge.web.seldom import Attempts
from smsbridge.web.sessions import Sessions, check_same_site, token_of
from smsbridge.wire.signing import sha256_hex

T = TypeVar("T")

SCOPES: Final[dict[str, str]] = {
    "messages:send": "send, cancel and retry texts",
    "messages:read": "read messages, interactions and transcripts",
    "interactions:write": "create, accept, end, reassign and mark interactions done",
    "contacts:read": "read contacts",
    "contacts:write": "change contacts, mark opt-outs",
    "contacts:erase": "erase a person",
    "numbers:read": "ask what is known about a number",
    "media:read": "download attachments",
    "media:write": "upload attachments",
    "events:read": "follow the event stream",
    "notices:read": "read and acknowledge notices",
    "desk:read": "read standard responses, dispositions, senders and agents' states",
    "desk:write": "change standard responses and agents' states",
    "ops:read": "see dead letters, arrivals and unmatched receipts",
    "ops:write": "replay and drop them",
}
"""Every scope and what it allows. `*` allows all."""

CACHE_MS: Final = 3_000
"""A revoked key works at most this much longer."""
CACHED_KEYS: Final = 1_024
WRONG_KEYS_ALLOWED: Final = 10
WRONG_KEYS_WINDOW_MS: Final = 60_000
USED_EVERY_MS: Final = 3_600_000
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def make_key(name: str, scopes: frozenset[str], now_ms: int) -> tuple[str, ApiKey]:
    """The key as it is shown once, and the record that is kept. Raises ValueError for a scope that does not exist."""
    unknown = sorted(scopes - set(SCOPES) - {"*"})
    if unknown:
        raise ValueError(f"there is no scope {unknown[0]!r}; there are: {', '.join(SCOPES)} and *")
    identifier = _text(secrets.randbits(64), 11)
    begun = f"smsb_{identifier}_{_text(secrets.randbits(256), 43)}"
    shown = f"{begun}_{_checksum(begun)}"
    return shown, ApiKey(
        id=f"key_{identifier}",
        name=name,
        prefix=f"smsb_{identifier}",
        hash=sha256_hex(shown.encode()),
        scopes=scopes,
        created_at_ms=now_ms,
    )


def looks_like_a_key(text: str) -> bool:
    """Whether it was made by `make_key`, told without asking anybody."""
    begun, _, checksum = text.rpartition("_")
    return text.isascii() and begun.startswith("smsb_") and len(text) < 100 and checksum == _checksum(begun)


class Doorkeeper:
    """Tells who holds a key. Remembers keys for a moment and wrong attempts for a minute, both bounded.

    A right key is let in however many wrong ones came from its address: behind a proxy everybody has the same one.
    """

    def __init__(self, bridge: Bridge, sessions: Sessions) -> None:
        self._bridge = bridge
        self._sessions = sessions
        self._known: OrderedDict[str, tuple[int, ApiKey | None]] = OrderedDict()
        self._wrong = Attempts(allowed=WRONG_KEYS_ALLOWED, window_ms=WRONG_KEYS_WINDOW_MS)

    async def admit(self, request: web.Request, scope: str) -> Principal:
        """By API key or, where there is none, by the session of somebody at the desk.

        Raises NotAuthenticated, NotPermitted, or TooManyAttempts.
        """
        authorization, token = request.headers.get("Authorization", ""), token_of(request, self._bridge.public_url)
        if authorization or not token:
            principal, what = await self._by_key(authorization, request.remote or ""), "This API key does"
        else:
            principal, what = await self._by_session(token), "Your role does"
            check_same_site(request, self._bridge.public_url)
        if not principal.may(scope):
            self._count("scope")
            raise NotPermitted(f"{what} not have the scope {scope}.")
        return principal

    async def _by_session(self, token: str) -> Principal:
        principal = await self._sessions.find(token)
        if principal is None:
            self._count("no_session")
            raise NotAuthenticated("Your session has ended. Sign in again.")
        return principal

    async def _by_key(self, authorization: str, address: str) -> Principal:
        now_ms = self._bridge.clock.monotonic_ms()
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() != "bearer" or not shown.strip():
            self._count("no_key")
            raise NotAuthenticated(
                "Send an API key: `Authorization: Bearer smsb_...`. Keys are made by `smsbridge keys create`."
            )
        key = await self._find(shown.strip(), now_ms)
        if key is None:
            raise self._refusal(address, now_ms)
        return Principal(key_id=key.id, name=key.name, scopes=key.scopes)

    async def _find(self, shown: str, now_ms: int) -> ApiKey | None:
        if not looks_like_a_key(shown):
            return None
        digest = sha256_hex(shown.encode())
        kept = self._known.get(digest)
        if kept is None or now_ms - kept[0] > CACHE_MS:
            key = await self._bridge.store.read(lambda tx: tx.api_key_by_hash(digest))
            kept = (now_ms, key)
            _remember(self._known, digest, kept, CACHED_KEYS)
            if key is not None:
                await self._note_use(key)
        key = kept[1]
        return key if key is not None and key.revoked_at_ms is None else None

    async def _note_use(self, key: ApiKey) -> None:
        wall_ms = self._bridge.now_ms()
        if key.revoked_at_ms is None and wall_ms - (key.last_used_ms or 0) > USED_EVERY_MS:
            await self._bridge.store.write(lambda tx: tx.touch_api_key(key.id, wall_ms))

    def _refusal(self, address: str, now_ms: int) -> NotAuthenticated | TooManyAttempts:
        guessing = self._wrong.too_many(address, now_ms)
        self._wrong.note(address, now_ms)
        if guessing:
            self._count("guessing")
            return TooManyAttempts("Too many wrong keys from this address. Wait half a minute.")
        self._count("unknown_key")
        return NotAuthenticated("This API key is not known, or was revoked.")

    def _count(self, reason: str) -> None:
        self._bridge.meter.count("auth_failures_total", surface="api", reason=reason)


def _remember(table: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)


def _checksum(text: str) -> str:
    return _text(zlib.crc32(text.encode("utf-8", "replace")), 6)


def _text(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
