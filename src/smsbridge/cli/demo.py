"""demo: in a file of its own, because a bridge in production needs neither the simulator nor what draws its samples."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from smsbridge.cli.run import explained, new_runner
from smsbridge.config import PORT
from smsbridge.demo import CARRIER, DemoOptions, run_demo
from smsbridge.log import set_up_logging
from smsbridge.simulator import read_faults
from smsbridge.simulator.dialects import dialect_names


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0 takes any free one.")
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Gets addresses and keys, as JSON.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the data in this folder.")
@click.option("--store-url", default="", metavar="URL", help="Keep texts in this PostgreSQL database instead.")
@click.option("--chaos", default="", metavar="TEXT", help='What goes wrong, and how often in 100: "drop=10,dup=20".')
@click.option("--carrier", type=click.Choice(dialect_names()), default=CARRIER, show_default=True, help="Whom to play.")
@click.option("--quiet", is_flag=True, help="Do not show what goes over the wire.")
@click.option("--curl", is_flag=True, help="Print commands that go the whole way by hand.")
def demo(
    *,
    port: int,
    ready_file: Path | None,
    keep: Path | None,
    store_url: str,
    chaos: str,
    carrier: str,
    quiet: bool,
    curl: bool,
) -> None:
    """Try everything on this computer: no account, no phone, nothing leaves it."""
    try:
        faults = read_faults(chaos) if chaos else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--chaos") from None
    options = DemoOptions(
        port=port,
        carrier=carrier,
        ready_file=ready_file,
        keep=keep,
        store_url=store_url,
        faults=faults,
        say=click.echo,
        show_traffic=not quiet,
        curl=curl,
    )
    if ready_file is not None and not ready_file.parent.is_dir():
        raise click.BadParameter(f"there is no folder {ready_file.parent}", param_hint="--ready-file")
    set_up_logging(level="warning")
    with explained(store_url, folder="--keep", port="--port (0 takes any free one)"), new_runner() as runner:
        sys.exit(runner.run(run_demo(options)))


COMMANDS: Final = {"demo": demo}
