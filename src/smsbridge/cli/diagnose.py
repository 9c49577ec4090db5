"""doctor: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import secrets
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from smsbridge.cli.console import link_key_of_running
from smsbridge.cli.shared import (
    EXIT_FAILED,
    as_json,
    find_config,
    load_config,
    print_checks,
    print_json,
    with_config,
)
from smsbridge.clock import SystemClock
from smsbridge.provisioning.check import is_healthy
from smsbridge.provisioning.doctor import diagnose


@click.command()
@with_config
@as_json
def doctor(*, config: Path | None, as_json: bool) -> None:
    """Look at everything that can be wrong: this computer, the address, the accounts, the desktops."""
    file = find_config(config)
    loaded = load_config(file)
    looking = diagnose(
        loaded,
        now_ms=SystemClock().now_ms(),
        nonce=secrets.token_urlsafe(24),
        link_key=link_key_of_running(loaded.settings.admin_socket),
        config_file=file,
    )
    checks = asyncio.run(looking)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        print_checks(checks)
    if not is_healthy(checks):
        sys.exit(EXIT_FAILED)


COMMANDS: Final = {"doctor": doctor}
