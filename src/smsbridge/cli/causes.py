"""causes: what the error codes of carriers mean."""

from __future__ import annotations

from typing import Final

import click

from smsbridge.carriers import load_carriers
from smsbridge.cli.shared import as_json, print_rows
from smsbridge.flows.causes import show_causes


@click.command()
@click.argument("carrier", required=False, type=click.Choice(sorted(load_carriers())))
@as_json
def causes(*, carrier: str | None, as_json: bool) -> None:
    """Print what the error codes of CARRIER mean, or those of all carriers.

    Codes that were seen and are in no table are listed by GET /v1/causes/unknown.
    """
    carriers = load_carriers()
    rows = [row for name in ([carrier] if carrier else carriers) for row in show_causes(carriers[name])]
    print_rows(rows, ("carrier", "code", "cause", "may_work_later", "meaning"), as_json=as_json)


COMMANDS: Final = {"causes": causes}
