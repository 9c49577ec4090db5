"""What the commands have in common: how they end, where the configuration is, how things are printed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import click

from smsbridge.carriers import load_carriers
from smsbridge.config import ConfigProblems, Loaded, Problem, load
from smsbridge.contracts.store import StoreAway, StoreUnavailable
from smsbridge.desktops import load_desktops
from smsbridge.provisioning.check import Check

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 78

HERE: Final = Path("smsbridge.toml")
INSTALLED: Final = Path("/etc/smsbridge/smsbridge.toml")

with_config = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path),
    envvar="SMSBRIDGE_CONFIG",
    help=f"The configuration file.  [default: {HERE} here, in $CONFIGURATION_DIRECTORY or in {INSTALLED.parent}]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Stopped(click.ClickException):
    """What went wrong, where, and what to do about it."""

    exit_code: ClassVar[int] = 1


class Unreachable(Stopped):
    """Something that has to answer does not: the bridge, a carrier, the disk."""

    exit_code: ClassVar[int] = 69


class TryAgain(Stopped):
    """The same may work in a moment."""

    exit_code: ClassVar[int] = 75


class Misconfigured(Stopped):
    """A person has to change something first; starting again is no help."""

    exit_code: ClassVar[int] = EXIT_CONFIG


def find_config(config: Path | None) -> Path | None:
    """The file to read; None where only the environment speaks."""
    if config is not None:
        return config
    folder = os.environ.get("CONFIGURATION_DIRECTORY")
    places = [HERE, *([Path(folder) / HERE] if folder else []), INSTALLED]
    found = next((place for place in places if _is_there(place)), None)
    if found is None and not any(name.startswith("SMSBRIDGE__") for name in os.environ):
        tried = ", ".join(str(place) for place in places)
        words = f"There is no configuration: tried {tried}. Write one with `smsbridge init`, name it with --config, or "
        raise Misconfigured(words + "try everything without one: smsbridge demo")
    return found


def _is_there(place: Path) -> bool:
    """Also where it must not be looked at: reading it then says so."""
    try:
        return place.exists()
    except PermissionError:
        return True


def read_config(config: Path | None) -> Loaded:
    """Raises ConfigProblems."""
    return load(find_config(config), carriers=load_carriers(), desktops=load_desktops())


def load_config(config: Path | None) -> Loaded:
    """Or tells every problem and ends."""
    try:
        return read_config(config)
    except ConfigProblems as error:
        print_problems(error)
        sys.exit(EXIT_CONFIG)


def explain_store(error: StoreUnavailable, store_url: str, folder: str = "data_dir") -> str:
    """Why it cannot be opened, and what to do. What our own checks find says so itself."""
    if not store_url:
        cure = f" Check {folder}, its disk and its permissions."
    elif isinstance(error, StoreAway):
        cure = " Check that PostgreSQL runs, and store.url."
    else:
        cure = " Check store.url and what it names." if error.__cause__ else ""
    return f"The store cannot be opened: {error}.{cure}"


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_rows(items: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json(items)
        return
    if not items:
        click.echo("None.", err=True)
        return
    head = [column.replace("_", " ") for column in columns]
    rows = [head, *([_cell(item[column]) for column in columns] for item in items)]
    widths = [max(len(row[position]) for row in rows) for position in range(len(columns))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_checks(checks: Iterable[Check]) -> None:
    for check in checks:
        click.echo(f"{click.style(f'{check.verdict:<4}', fg=_COLOURS[check.verdict])}  {check.name}: {check.detail}")
        if check.cure and check.verdict != "ok":
            click.echo(f"      → {check.cure}")


def print_problems(error: ConfigProblems) -> None:
    for problem in error.problems:
        click.echo(str(problem), err=True)
    print_warnings(error.warnings)
    count = f"{len(error.problems)} problems" if len(error.problems) > 1 else "1 problem"
    click.echo(f"\nThe configuration has {count}. Every key is explained by: smsbridge config example", err=True)


def print_warnings(warnings: Iterable[Problem]) -> None:
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


def for_each(ids: Iterable[str], work: Callable[[str], str]) -> None:
    """Every one is tried; the exit code is the last failure's."""
    code = 0
    for each in ids:
        try:
            click.echo(f"{each}: {work(each)}")
        except Stopped as error:
            click.echo(f"{each}: {error.message}", err=True)
            code = error.exit_code
    if code:
        sys.exit(code)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(value) if isinstance(value, list) else ("-" if value in (None, "") else str(value))


_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
