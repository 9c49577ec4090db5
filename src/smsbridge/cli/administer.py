"""keys, agents, quarantine, message, dead-letters, brakes, desktops: asked of the running bridge, or of its store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from smsbridge.cli.console import ask
from smsbridge.cli.shared import (
    as_json,
    for_each,
    load_config,
    print_json,
    print_rows,
    with_config,
)


@click.group()
def keys() -> None:
    """API keys of agent systems."""


@keys.command("create")
@with_config
@click.option("--name", required=True, help="Whose key it is.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=("*",),
    show_default="*: everything",
    help="What it may do; repeat it. docs/api.md lists them.",
)
@as_json
def create_key(*, config: Path | None, name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make a key. It is shown now and never again."""
    made = _ask(config, "keys.create", {"name": name, "scopes": list(scopes)})
    if as_json:
        print_json(made)
        return
    click.echo(f"{made['id']}  {made['name']}  may: {', '.join(made['scopes'])}", err=True)
    click.echo("The key is shown only this once:", err=True)
    click.echo(made["key"])


@keys.command("list")
@with_config
@as_json
def list_keys(*, config: Path | None, as_json: bool) -> None:
    """List the keys, without their secrets."""
    items = _ask(config, "keys.list", {})["items"]
    print_rows(items, ("id", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"), as_json=as_json)


@keys.command("revoke")
@with_config
@click.argument("key_id", metavar="ID")
def revoke_key(*, config: Path | None, key_id: str) -> None:
    """End a key. It may work for three more seconds."""
    _ask(config, "keys.revoke", {"id": key_id})
    click.echo(f"{key_id} is revoked.")


@click.group()
def agents() -> None:
    """Who may sign in at the built-in desk."""


@agents.command("create")
@with_config
@click.argument("agent_id", metavar="ID")
@click.option("--name", help="As transcripts show it.  [default: the ID]")
@click.option("--supervisor/--agent", default=None, help="Whether they may reassign what others have.  [default: not]")
@click.option("--passcode-stdin", is_flag=True, help="Read the passcode from standard input instead of making one.")
@as_json
def create_agent(
    *,
    config: Path | None,
    agent_id: str,
    name: str | None,
    supervisor: bool | None,
    passcode_stdin: bool,
    as_json: bool,
) -> None:
    """Let somebody sign in, or give them a new passcode. It is shown now and never again.

    Somebody who is there already keeps the name and the role that are not given, and has to sign in anew.
    """
    passcode = sys.stdin.readline().rstrip("\n") if passcode_stdin else None
    made = _ask(config, "agents.create", {"id": agent_id, "name": name, "supervisor": supervisor, "passcode": passcode})
    if as_json:
        print_json(made)
        return
    click.echo(f"{made['id']}  {made['role']}  signs in at /desk", err=True)
    if not passcode_stdin:
        click.echo("The passcode is shown only this once:", err=True)
        click.echo(made["passcode"])


@agents.command("list")
@with_config
@as_json
def list_agents(*, config: Path | None, as_json: bool) -> None:
    """List them, without their passcodes."""
    print_rows(_ask(config, "agents.list", {})["items"], ("id", "name", "role", "created_at"), as_json=as_json)


@agents.command("remove")
@with_config
@click.argument("agent_id", metavar="ID")
def remove_agent(*, config: Path | None, agent_id: str) -> None:
    """End somebody's sessions and let them in no more. What they had waits again; what they wrote stays."""
    _ask(config, "agents.remove", {"id": agent_id})
    click.echo(f"{agent_id} can no longer sign in.")


@click.group()
def quarantine() -> None:
    """Webhooks that were refused or not understood, kept as they came."""


@quarantine.command("list")
@with_config
@click.option(
    "--outcome",
    type=click.Choice(["refused", "unrecognized", "ignored"]),
    help="Only these.  [default: refused and unrecognized]",
)
@click.option("--account", default="", help="Only those of this account.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many at most.")
@as_json
def list_quarantine(*, config: Path | None, outcome: str | None, account: str, limit: int, as_json: bool) -> None:
    """List them, newest first, each with its reason."""
    arguments = {"account": account, "limit": limit} | ({"outcome": outcome} if outcome else {})
    items = _ask(config, "quarantine.list", arguments)["items"]
    print_rows(items, ("id", "at", "account", "outcome", "kind", "replayed_at", "reason"), as_json=as_json)


@quarantine.command("replay")
@with_config
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def replay_quarantine(*, config: Path | None, ids: tuple[str, ...]) -> None:
    """Read them again. What was mended since counts: a secret, the program. Signatures are checked again."""
    loaded = load_config(config)
    for_each(ids, lambda each: _replayed(ask(loaded, "quarantine.replay", {"id": each})))


@click.group()
def message() -> None:
    """What became of a text, and your word on one that is uncertain. What it says is never shown."""


@message.command("list")
@with_config
@click.option(
    "--status",
    type=click.Choice(["uncertain", "failed", "undelivered", "queued", "sending", "sent", "delivered", "cancelled"]),
    default="uncertain",
    show_default=True,
    help="Only texts of ours with this status.",
)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many at most.")
@as_json
def list_messages(*, config: Path | None, status: str, limit: int, as_json: bool) -> None:
    """List texts of ours by status, newest first."""
    items = _ask(config, "message.list", {"status": status, "limit": limit})["items"]
    print_rows(items, ("id", "created_at", "account", "sender", "contact", "status", "cause"), as_json=as_json)


@message.command("show")
@with_config
@click.argument("message_id", metavar="ID")
@as_json
def show_message(*, config: Path | None, message_id: str, as_json: bool) -> None:
    """Show one, with its parts and receipts."""
    shown = _ask(config, "message.show", {"id": message_id})
    if as_json:
        print_json(shown)
        return
    print_rows([shown], ("id", "created_at", "account", "sender", "contact", "status", "cause"), as_json=False)
    for name, columns in (
        ("parts", ("number", "status", "tries", "carrier_message_id", "cause", "code", "said")),
        ("receipts", ("at", "part", "status", "code")),
    ):
        if shown[name]:
            click.echo()
            print_rows(shown[name], columns, as_json=False)


@message.command("settle")
@with_config
@click.argument("message_id", metavar="ID")
@click.argument("outcome", type=click.Choice(["sent", "not-sent"]))
@as_json
def settle_message(*, config: Path | None, message_id: str, outcome: str, as_json: bool) -> None:
    """Say whether the carrier has an uncertain text.

    not-sent sends it again if it still can be sent, and else lets it fail with the reason.
    """
    settled = _ask(config, "message.settle", {"id": message_id, "outcome": outcome})
    if as_json:
        print_json(settled)
    elif not settled["was_uncertain"]:
        click.echo(f"{message_id} had been settled so before; it is {settled['status']} now.")
    elif settled["status"] == "failed":
        click.echo(f"{message_id} cannot be sent any more ({settled['cause']}): it failed, and the agent is told.")
    else:
        click.echo(f"{message_id} is {settled['status']}{' again' if settled['status'] == 'queued' else ''}.")


@click.group("dead-letters")
def dead_letters() -> None:
    """Work that was given up: events a desktop never took, and the like."""


@dead_letters.command("list")
@with_config
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many at most.")
@as_json
def list_dead_letters(*, config: Path | None, limit: int, as_json: bool) -> None:
    """List them, newest first, each with its reason."""
    items = _ask(config, "dead-letters.list", {"limit": limit})["items"]
    print_rows(items, ("id", "died_at", "kind", "queue", "ref", "attempts", "reason"), as_json=as_json)


@dead_letters.command("replay")
@with_config
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def replay_dead_letters(*, config: Path | None, ids: tuple[str, ...]) -> None:
    """Put them into their queues again."""
    loaded = load_config(config)

    def replay(each: str) -> str:
        ask(loaded, "dead-letters.replay", {"id": each})
        return "waits to be done again"

    for_each(ids, replay)


@dead_letters.command("drop")
@with_config
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def drop_dead_letters(*, config: Path | None, ids: tuple[str, ...]) -> None:
    """Forget them."""
    loaded = load_config(config)

    def drop(each: str) -> str:
        ask(loaded, "dead-letters.drop", {"id": each})
        return "dropped"

    for_each(ids, drop)


@click.group()
def brakes() -> None:
    """Carriers, desktops and senders that nothing goes to just now."""


@brakes.command("list")
@with_config
@as_json
def list_brakes(*, config: Path | None, as_json: bool) -> None:
    """List them: held (asked for time) or open (do not work)."""
    items = _ask(config, "brakes.list", {})["items"]
    print_rows(items, ("target", "state", "since", "next_try_at", "reason"), as_json=as_json)


@brakes.command("release")
@with_config
@click.argument("target")
def release_brake(*, config: Path | None, target: str) -> None:
    """Let everything go there again at once."""
    _ask(config, "brakes.release", {"id": target})
    click.echo(f"{target} is released.")


@click.group()
def desktops() -> None:
    """Agent systems that are told by webhook."""


@desktops.command("switch-on")
@with_config
@click.argument("name")
def switch_on_desktop(*, config: Path | None, name: str) -> None:
    """Post to a desktop again that had answered 410 Gone."""
    answer = _ask(config, "desktops.switch-on", {"id": name})
    if answer["was_off"]:
        click.echo(f"{name} is on again. It was off: {answer['reason']}. What it missed: smsbridge dead-letters list")
    else:
        click.echo(f"{name} was on.")


COMMANDS: Final = {
    "keys": keys,
    "agents": agents,
    "quarantine": quarantine,
    "message": message,
    "dead-letters": dead_letters,
    "brakes": brakes,
    "desktops": desktops,
}


def _ask(config: Path | None, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return ask(load_config(config), verb, arguments)


def _replayed(answer: dict[str, Any]) -> str:
    return ", ".join(
        f"{each['outcome']} ({each['reason']})" if each["reason"] else each["outcome"] for each in answer["outcomes"]
    )
