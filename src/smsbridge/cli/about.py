"""version and completion."""

from __future__ import annotations

import json
import platform
import sqlite3  # for its version only
from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from smsbridge import __version__
from smsbridge.cli import main

_SHELLS: Final[dict[str, type[ShellComplete]]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def version(*, as_json: bool) -> None:
    """Print the versions of smsbridge and of what it stands on."""
    versions = {"smsbridge": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    if as_json:
        click.echo(json.dumps(versions, indent=2))
        return
    for name, number in versions.items():
        click.echo(f"{name} {number}")


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def completion(*, shell: str) -> None:
    """Print what makes SHELL complete commands.

    In bash: eval "$(smsbridge completion bash)"
    """
    click.echo(_SHELLS[shell](main, {}, "smsbridge", "_SMSBRIDGE_COMPLETE").source())


COMMANDS: Final = {"version": version, "completion": completion}
