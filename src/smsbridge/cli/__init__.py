"""The commands: they parse, call and print.

What was asked for goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong
usage, 69 not reachable, 75 try again in a moment, 78 wrong configuration.

The table below is all that `--help` needs: a command's module, with everything it imports, is loaded when it is called.
"""

from __future__ import annotations

import gc
import os
from importlib import import_module
from typing import Final

import click

from smsbridge import __version__

VERBS: Final = {
    "demo": ("demo", "Try everything on this computer: no account, no phone, nothing leaves it."),
    "init": ("configure", "Write a smsbridge.toml, and .env for the secrets. Nothing is overwritten."),
    "check-config": ("configure", "Tell everything that is wrong with the configuration, and its cure."),
    "config": ("configure", "Look at the settings."),
    "serve": ("run", "Run the bridge until it is told to stop."),
    "connect": ("numbers", "Point a number at this bridge, and remember what was there before."),
    "disconnect": ("numbers", "Point the numbers of an account back at where they pointed before."),
    "numbers": ("numbers", "The numbers of a carrier account."),
    "causes": ("causes", "What the error codes of carriers mean."),
    "doctor": ("diagnose", "Look at everything that can be wrong, inside and outside."),
    "keys": ("administer", "API keys of agent systems."),
    "agents": ("administer", "Who may sign in at the built-in desk."),
    "quarantine": ("administer", "Webhooks that were refused or not understood, kept as they came."),
    "message": ("administer", "What became of a text, and your word on one that is uncertain."),
    "dead-letters": ("administer", "Work that was given up: events a desktop never took, and the like."),
    "brakes": ("administer", "Carriers, desktops and senders that nothing goes to just now."),
    "desktops": ("administer", "Agent systems that are told by webhook."),
    "backup": ("keeping", "Copy everything that is kept, while the bridge runs."),
    "restore": ("keeping", "Put a backup back, safely: nothing old is sent again by itself."),
    "readyz": ("ready", "Ask the running bridge whether it takes requests."),
    "healthcheck": ("ready", "The same as readyz, under the name that containers expect."),
    "version": ("about", "Print the versions of smsbridge and of what it stands on."),
    "completion": ("about", "Print what makes a shell complete commands."),
}
"""Each verb's module in this folder, and its line of help, in the order that a newcomer meets them."""


class Verbs(click.Group):
    """The verbs of the table, each loaded when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - likewise
        found = VERBS.get(cmd_name)
        if found is None:
            return None
        gc.disable()  # what a module brings stays: looking through it for garbage is a twelfth of a start
        try:
            module = import_module(f"{__name__}.{found[0]}")
        finally:
            gc.enable()
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - likewise
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in VERBS.items() if name != "healthcheck"])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="smsbridge", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Texts from SMS carriers into agent desktops, and the replies back.

    Begin with `smsbridge demo`, which needs no account; then init, check-config, serve, connect.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False
