"""What whoever runs the bridge may ask of it, over a socket that only they can open: the file `admin.sock`, mode 0600.

Every verb is one POST with its arguments as JSON: `POST /keys.create {"name": "crm", "scopes": ["*"]}`. The commands of
the same names are the only client, of the same version; the API for others is /v1. `perform` is the same without HTTP,
for commands that open the store of a bridge that does not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog
from aiohttp import web

from smsbridge import __version__
from smsbridge.contracts.bridge import Bridge
from smsbridge.contracts.store import (
    AgentAccount,
    ApiKey,
    Arrival,
    Arrived,
    MessageFilter,
    Role,
    StoreUnavailable,
    Tx,
)
from smsbridge.domain.errors import BadSignature, BridgeError, Conflict, FieldError, Invalid, NotFound
from smsbridge.domain.message import Direction, Message
from smsbridge.domain.phone import mask_number
from smsbridge.domain.status import Status
from smsbridge.flows import agents, brakes, resources, restoring
from smsbridge.flows.inbound import replay
from smsbridge.flows.settling import settle_by_word
from smsbridge.web.auth import make_key
from smsbridge.web.sessions import LEAST_PASSCODE_CHARS, MOST_PASSCODE_CHARS, hash_passcode, make_passcode
from smsbridge.wire.encoding import Unreadable, read_json, write_json

MOST_LISTED: Final = 500
_MAX_BODY_BYTES: Final = 64 * 1024

Answer = dict[str, Any]


def admin_application(bridge: Bridge) -> web.Application:
    """Believes whoever can connect."""

    async def answer(request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        try:
            arguments = read_json(await request.read() or b"{}")
            return _write(200, await perform(bridge, verb, arguments))
        except Unreadable as unreadable:
            return _write(400, {"error": f"The body is {unreadable}."})
        except BridgeError as refused:
            return _write(404 if isinstance(refused, NotFound) else 409, {"error": str(refused)})
        except StoreUnavailable as error:
            return _write(503, {"error": f"The store cannot be reached: {error}."})

    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    app.router.add_post("/{verb}", answer)
    return app


async def perform(bridge: Bridge, verb: str, arguments: Any) -> Answer:
    """Raises BridgeError with a sentence for whoever asked, or StoreUnavailable. Any JSON will do as `arguments`."""
    found = VERBS.get(verb)
    if found is None:
        raise NotFound("verb", verb)
    if not isinstance(arguments, Mapping):
        raise Invalid("The arguments must be an object.")
    try:
        answer = await found(bridge, arguments)
    except BadSignature as bad:
        raise Invalid(f"The request still fails verification. {bad}") from None
    if not verb.endswith((".list", ".show")):
        structlog.get_logger().info("admin.performed", verb=verb, object=str(arguments.get("id", answer.get("id", ""))))
    return answer


# --- the bridge


async def _show_bridge(bridge: Bridge, _arguments: Mapping[str, Any]) -> Answer:
    """`link_key` lets `doctor` and `connect` prove that the public address leads here."""
    return {"version": __version__, "public_url": bridge.public_url, "link_key": bridge.link_key.hex()}


# --- API keys


async def _create_key(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    name = _text(arguments, "name")
    scopes = arguments.get("scopes")
    if not isinstance(scopes, list) or not scopes or not all(isinstance(scope, str) for scope in scopes):
        raise _invalid("scopes", "must be a list of scopes")
    try:
        shown, key = make_key(name, frozenset(scopes), bridge.now_ms())
    except ValueError as error:
        raise Invalid(f"{error}.", FieldError("/scopes", str(error))) from None
    await bridge.store.write(lambda tx: tx.insert_api_key(key))
    return {**_show_key(key), "key": shown}


async def _list_keys(bridge: Bridge, _arguments: Mapping[str, Any]) -> Answer:
    return {"items": [_show_key(key) for key in await bridge.store.read(lambda tx: tx.list_api_keys())]}


async def _revoke_key(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    key_id = _text(arguments, "id")
    if not await bridge.store.write(lambda tx: tx.revoke_api_key(key_id, bridge.now_ms())):
        raise Conflict("not_revocable", f"{key_id} is no key, or was revoked before.")
    return {"id": key_id, "revoked": True}


def _show_key(key: ApiKey) -> Answer:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "created_at": resources.time(key.created_at_ms),
        "last_used_at": resources.time(key.last_used_ms),
        "revoked_at": resources.time(key.revoked_at_ms),
    }


# --- agents: who may sign in at the built-in desk


async def _create_agent(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    """Somebody who is there already gets a new passcode, and keeps the name and role that are not given."""
    agent_id, name, supervisor = _text(arguments, "id"), arguments.get("name"), arguments.get("supervisor")
    if len(agent_id) > 100 or agent_id != agent_id.strip():
        raise _invalid("id", "must have at most 100 characters and no blanks around it")
    if name is not None and not (isinstance(name, str) and len(name) <= 200 and name.isprintable()):
        raise _invalid("name", "must be one line of at most 200 characters")
    given = arguments.get("passcode")
    passcode = make_passcode() if given is None else str(given)
    if not LEAST_PASSCODE_CHARS <= len(passcode) <= MOST_PASSCODE_CHARS:
        raise _invalid("passcode", f"must have {LEAST_PASSCODE_CHARS} to {MOST_PASSCODE_CHARS} characters")
    passcode_hash = await asyncio.to_thread(hash_passcode, passcode)

    def save(tx: Tx) -> AgentAccount:
        known = tx.agent(agent_id) or AgentAccount(id=agent_id, passcode_hash="", created_at_ms=bridge.now_ms())
        account = replace(
            known,
            name=known.name if name is None else name,
            role=known.role if supervisor is None else Role.SUPERVISOR if supervisor else Role.AGENT,
            passcode_hash=passcode_hash,
        )
        agents.let_in(tx, bridge, account)
        return account

    return {**_show_agent(await bridge.store.write(save)), "passcode": passcode}


async def _list_agents(bridge: Bridge, _arguments: Mapping[str, Any]) -> Answer:
    return {"items": [_show_agent(each) for each in await bridge.store.read(lambda tx: tx.list_agents())]}


async def _remove_agent(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    agent_id = _text(arguments, "id")
    await bridge.store.write(lambda tx: agents.let_go(tx, bridge, agent_id))
    return {"id": agent_id, "removed": True}


def _show_agent(account: AgentAccount) -> Answer:
    return {
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "created_at": resources.time(account.created_at_ms),
    }


# --- quarantine: what was refused or not understood, and kept whole


async def _list_quarantine(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    wanted, account, limit = arguments.get("outcome"), str(arguments.get("account", "")), _limit(arguments)
    kept = [Arrived.REFUSED, Arrived.UNRECOGNIZED, Arrived.IGNORED]
    if wanted is not None and wanted not in kept:
        raise _invalid("outcome", f"must be one of {', '.join(kept)}")
    outcomes = [Arrived(wanted)] if wanted else kept[:2]

    def find(tx: Any) -> list[Arrival]:
        return [each for one in outcomes for each in tx.list_arrivals(outcome=one, account=account, limit=limit)]

    found = sorted(await bridge.store.read(find), key=lambda each: each.id, reverse=True)
    return {"items": [_show_arrival(each) for each in found[:limit]]}


async def _replay_quarantine(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    arrival_id = _text(arguments, "id")
    outcomes = await replay(bridge, arrival_id)
    return {"id": arrival_id, "outcomes": [{"outcome": outcome, "reason": reason} for outcome, reason in outcomes]}


def _show_arrival(arrival: Arrival) -> Answer:
    return {
        "id": arrival.id,
        "at": resources.time(arrival.at_ms),
        "source": arrival.source,
        "account": arrival.account,
        "outcome": arrival.outcome,
        "kind": arrival.kind,
        "reason": arrival.reason,
        "replayed_at": resources.time(arrival.replayed_at_ms),
    }


# --- messages: what became of one, and the operator's word on one that is uncertain. Never what it says


async def _list_messages(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    wanted, limit = arguments.get("status"), _limit(arguments)
    if not isinstance(wanted, str) or wanted not in {*Status}:
        raise _invalid("status", f"must be one of {', '.join(Status)}")
    found = await bridge.store.read(
        lambda tx: tx.list_messages(MessageFilter(status=Status(wanted), direction=Direction.OUTBOUND), limit=limit)
    )
    return {"items": [_show_message(each) for each in found]}


async def _show_message_whole(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    message_id = _text(arguments, "id")

    def show(tx: Tx) -> Answer:
        message = tx.message(message_id)
        if message is None:
            raise NotFound("message", message_id)
        parts = [
            {
                "number": part.number,
                "status": part.status,
                "tries": part.tries,
                "carrier_message_id": part.carrier_message_id,
                "cause": part.cause,
                "code": part.evidence.code,
                "said": part.evidence.text,
            }
            for part in tx.parts(message_id)
        ]
        receipts = [
            {
                "at": resources.time(each.received_at_ms),
                "part": each.part_number,
                "status": each.status,
                "code": each.evidence.code,
            }
            for each in tx.receipts_of(message_id)
        ]
        return {**_show_message(message), "parts": parts, "receipts": receipts}

    return await bridge.store.read(show)


async def _settle_message(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    message_id, outcome = _text(arguments, "id"), arguments.get("outcome")
    if outcome not in ("sent", "not-sent"):
        raise _invalid("outcome", "must be sent or not-sent")

    def settle(tx: Tx) -> tuple[bool, Message]:
        before = tx.message(message_id)
        was_uncertain = before is not None and before.status is Status.UNCERTAIN
        return was_uncertain, settle_by_word(tx, bridge, message_id, was_sent=outcome == "sent")

    was_uncertain, message = await bridge.store.write(settle)
    if was_uncertain:
        bridge.meter.count("uncertain_resolved_total", carrier=message.account, how="hand")
    return {**_show_message(message), "was_uncertain": was_uncertain}


def _show_message(message: Message) -> Answer:
    return {
        "id": message.id,
        "created_at": resources.time(message.created_at_ms),
        "direction": message.direction,
        "status": message.status,
        "cause": message.cause,
        "account": message.account,
        "sender": message.sender,
        "contact": mask_number(message.contact_number),
        "interaction_id": message.interaction_id,
    }


# --- dead letters: work that was given up


async def _list_dead_letters(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    limit = _limit(arguments)
    found = await bridge.store.read(lambda tx: tx.list_dead_letters(limit=limit))
    return {"items": [resources.dead_letter(each) for each in found]}


async def _replay_dead_letter(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    letter_id = _letter_id(arguments)
    if not await bridge.store.write(lambda tx: tx.replay_dead_letter(letter_id, bridge.now_ms())):
        raise NotFound("dead letter", str(letter_id))
    return {"id": letter_id, "replayed": True}


async def _drop_dead_letter(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    letter_id = _letter_id(arguments)
    if not await bridge.store.write(lambda tx: tx.drop_dead_letter(letter_id)):
        raise NotFound("dead letter", str(letter_id))
    return {"id": letter_id, "dropped": True}


# --- brakes: carriers, desktops and senders that nothing goes to just now


async def _list_brakes(bridge: Bridge, _arguments: Mapping[str, Any]) -> Answer:
    found, now_ms = await bridge.store.read(lambda tx: tx.brakes()), bridge.now_ms()
    return {"items": [brakes.show_brake(target, each, now_ms) for target, each in found.items() if each.is_on(now_ms)]}


async def _release_brake(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    target = _text(arguments, "id")
    if not await bridge.store.write(lambda tx: tx.release_brake(target)):
        raise NotFound("brake on", target)
    return {"id": target, "released": True}


# --- desktops


async def _switch_on_desktop(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    """After its endpoint answered 410 Gone. What was not delivered meanwhile lies among the dead letters."""
    name = _text(arguments, "id")
    if name not in bridge.desktops:
        raise NotFound("desktop", name)
    reason = await bridge.store.read(lambda tx: tx.desktop_switched_off(name))
    await bridge.store.write(lambda tx: tx.switch_on_desktop(name))
    return {"id": name, "was_off": bool(reason), "reason": reason}


# --- after a restore


async def _mark_restored(bridge: Bridge, arguments: Mapping[str, Any]) -> Answer:
    """The pause is on disk before the first text is looked at: nothing leaves in between."""
    as_of_ms = arguments.get("as_of_ms")
    if not isinstance(as_of_ms, int) or isinstance(as_of_ms, bool) or not 0 < as_of_ms <= bridge.now_ms():
        raise _invalid("as_of_ms", "must be a time in the past, in milliseconds")
    await bridge.store.write(lambda tx: restoring.pause(tx, as_of_ms, bridge.now_ms()))
    doubted = 0
    while some := await bridge.store.write(lambda tx: restoring.doubt_some(tx, bridge)):
        doubted += some
    return {"uncertain": doubted, "as_of": resources.time(as_of_ms)}


async def _finish_restore(bridge: Bridge, _arguments: Mapping[str, Any]) -> Answer:
    return {"was_paused": await bridge.store.write(restoring.finish)}


VERBS: Final[Mapping[str, Callable[[Bridge, Mapping[str, Any]], Awaitable[Answer]]]] = {
    "bridge.show": _show_bridge,
    "keys.create": _create_key,
    "keys.list": _list_keys,
    "keys.revoke": _revoke_key,
    "agents.create": _create_agent,
    "agents.list": _list_agents,
    "agents.remove": _remove_agent,
    "quarantine.list": _list_quarantine,
    "quarantine.replay": _replay_quarantine,
    "message.list": _list_messages,
    "message.show": _show_message_whole,
    "message.settle": _settle_message,
    "dead-letters.list": _list_dead_letters,
    "dead-letters.replay": _replay_dead_letter,
    "dead-letters.drop": _drop_dead_letter,
    "brakes.list": _list_brakes,
    "brakes.release": _release_brake,
    "desktops.switch-on": _switch_on_desktop,
    "restore.mark": _mark_restored,
    "restore.finish": _finish_restore,
}


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise _invalid(name, "must be a text of 1 to 200 printable characters")
    return value


def _letter_id(arguments: Mapping[str, Any]) -> int:
    value = str(arguments.get("id", ""))
    if not value.isdecimal() or len(value) > 18:
        raise _invalid("id", "must be the number of a dead letter")
    return int(value)


def _limit(arguments: Mapping[str, Any]) -> int:
    value = arguments.get("limit", 50)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_LISTED:
        raise _invalid("limit", f"must be a number from 1 to {MOST_LISTED}")
    return value


def _invalid(name: str, problem: str) -> Invalid:
    return Invalid(f"{name} {problem}.", FieldError(f"/{name}", problem))


def _write(status: int, body: Answer) -> web.Response:
    return web.Response(status=status, body=write_json(body), content_type="application/json")
