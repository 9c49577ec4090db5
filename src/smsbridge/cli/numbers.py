"""connect, disconnect and numbers: the control plane of a carrier account."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import click

from smsbridge.carriers.twilio import Twilio
from smsbridge.cli.console import link_key_of_running
from smsbridge.cli.shared import (
    EXIT_FAILED,
    Stopped,
    Unreachable,
    as_json,
    load_config,
    print_checks,
    print_rows,
    with_config,
)
from smsbridge.clock import SystemClock
from smsbridge.config import HOOKS_PATH, Loaded
from smsbridge.contracts.carrier import Carrier
from smsbridge.provisioning.check import Check, is_healthy
from smsbridge.provisioning.connect import PastWebhooks, Wish
from smsbridge.provisioning.connect import connect as point
from smsbridge.provisioning.connect import disconnect as point_back
from smsbridge.provisioning.control import ControlFailed, OwnedNumber
from smsbridge.provisioning.twilio_control import open_twilio
from smsbridge.provisioning.twilio_http import open_http


@click.command()
@with_config
@click.argument("account")
@click.option("--number", default="", help="Which number; needed where the account has several.")
@click.option("--test-to", default="", help="Send one text to this number and wait for its delivery.")
@click.option(
    "--force", is_flag=True, help="Do it also where the number points elsewhere, or the address could not be proven."
)
@click.option("--dry-run", is_flag=True, help="Look, and change nothing.")
@click.option("--print", "only_print", is_flag=True, help="Write out what to set in the carrier's console instead.")
def connect(
    *, config: Path | None, account: str, number: str, test_to: str, force: bool, dry_run: bool, only_print: bool
) -> None:
    """Point a number of ACCOUNT at this bridge, and remember what was there before.

    Where the carrier cannot be told from here, what to set in its console is written out instead.
    """
    loaded = load_config(config)
    adapter, webhook_url = _account(loaded, account)
    if only_print or not isinstance(adapter, Twilio):
        if test_to:
            raise Stopped(f"Nothing is sent by writing out what to set. Text {test_to} from the desk instead.")
        _print_setup(adapter, webhook_url)
        return
    link_key = link_key_of_running(loaded.settings.admin_socket)
    if not link_key:
        words = "The bridge does not run, so nothing could answer. Start it first, and keep it running: smsbridge serve"
        raise Unreachable(words)
    wish = Wish(
        account=account,
        public_url=loaded.settings.public_url,
        webhook_url=webhook_url,
        link_key=link_key,
        nonce=secrets.token_urlsafe(24),
        number=number,
        test_to=test_to,
        force=force,
        dry_run=dry_run,
    )

    async def steps() -> list[Check]:
        async with open_twilio(adapter) as control, open_http() as http:
            past = PastWebhooks(loaded.settings.data_path)
            choose = _choose_number if sys.stdin.isatty() else None
            return await _print_steps(point(control, wish, past, http=http, clock=SystemClock(), choose=choose))

    _exit_unless_healthy(asyncio.run(steps()))


@click.command()
@with_config
@click.argument("account")
@click.option("--force", is_flag=True, help="Do it also where somebody has pointed the number elsewhere since.")
def disconnect(*, config: Path | None, account: str, force: bool) -> None:
    """Point the numbers of ACCOUNT back at where they pointed before `connect`."""
    loaded = load_config(config)
    adapter, webhook_url = _account(loaded, account)
    if not isinstance(adapter, Twilio):
        raise Stopped(f"Nothing was changed at {adapter.name} from here. Take {webhook_url} out in its console.")

    async def steps() -> list[Check]:
        async with open_twilio(adapter) as control:
            past = PastWebhooks(loaded.settings.data_path)
            return await _print_steps(point_back(control, account, webhook_url, past, force=force))

    _exit_unless_healthy(asyncio.run(steps()))


@click.group()
def numbers() -> None:
    """The numbers of a carrier account."""


@numbers.command("list")
@with_config
@click.argument("account")
@as_json
def list_numbers(*, config: Path | None, account: str, as_json: bool) -> None:
    """List the numbers of ACCOUNT. With what each can do, and where its texts go."""
    loaded = load_config(config)
    adapter, webhook_url = _account(loaded, account)
    if not isinstance(adapter, Twilio):
        raise Stopped(f"{adapter.name} is not asked for its numbers from here: its console has them.")

    async def read() -> Sequence[OwnedNumber]:
        async with open_twilio(adapter) as control:
            return await control.list_numbers()

    try:
        found = asyncio.run(read())
    except ControlFailed as error:
        raise Unreachable(f"{account}: {error}. {error.cure}") from None
    configured = {sender.number for sender in loaded.settings.senders if sender.carrier == account}
    items = [
        {
            "number": each.number,
            "sms": each.sms,
            "mms": each.mms,
            "sender": each.number in configured,
            "connected": each.webhook.is_at(webhook_url),
            "webhook": each.webhook.shown,
        }
        for each in found
    ]
    print_rows(items, ("number", "sms", "mms", "sender", "connected", "webhook"), as_json=as_json)


COMMANDS: Final = {"connect": connect, "disconnect": disconnect, "numbers": numbers}


def _account(loaded: Loaded, account: str) -> tuple[Carrier, str]:
    """The adapter and the webhook of a configured account."""
    adapter = loaded.carriers.get(account)
    if adapter is None:
        raise Stopped(f"There is no account {account!r} under [carriers]. There are: {', '.join(loaded.carriers)}.")
    return adapter, f"{loaded.settings.public_url}{HOOKS_PATH}/{account}"


def _print_setup(adapter: Carrier, webhook_url: str) -> None:
    for position, step in enumerate(adapter.write_setup(webhook_url), start=1):
        click.echo(f"  {position}. {step}.")
    click.echo(f"docs/carriers/{adapter.name}.md has more; smsbridge doctor looks at what can be seen from here.")


def _choose_number(numbers: Sequence[OwnedNumber]) -> OwnedNumber:
    for position, number in enumerate(numbers, start=1):
        click.echo(f"  {position}. {number.number}  texts go to {number.webhook.shown}", err=True)
    chosen: int = click.prompt("Which number?", type=click.IntRange(1, len(numbers)), err=True)
    return numbers[chosen - 1]


async def _print_steps(steps: AsyncIterator[Check]) -> list[Check]:
    done = []
    async for check in steps:
        print_checks([check])
        done.append(check)
    return done


def _exit_unless_healthy(checks: Sequence[Check]) -> None:
    if not is_healthy(checks):
        sys.exit(EXIT_FAILED)
