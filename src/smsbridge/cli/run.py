"""serve and demo."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from smsbridge import app
from smsbridge.cli.shared import (
    Misconfigured,
    Stopped,
    TryAgain,
    Unreachable,
    load_config,
    print_warnings,
    with_config,
)
from smsbridge.config import PORT, ConfigProblems
from smsbridge.contracts.store import StoreInUse, StoreMisplaced, StoreTooNew, StoreUnavailable
from smsbridge.demo import DemoOptions, run_demo
from smsbridge.log import set_up_logging
from smsbridge.simulator import read_faults


@click.command()
@with_config
def serve(config: Path | None) -> None:
    """Run the bridge until it is told to stop."""
    loaded = load_config(config)
    settings = loaded.settings
    set_up_logging(level=settings.log.level, style=settings.log.format)
    print_warnings(loaded.warnings)
    with _explained(f"{settings.server.host}:{settings.server.port}", settings.store_url), _runner() as runner:
        sys.exit(runner.run(app.serve(loaded)))


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0 takes any free one.")
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Gets addresses and keys, as JSON.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the data in this folder.")
@click.option("--store-url", default="", metavar="URL", help="Keep texts in this PostgreSQL database instead.")
@click.option("--chaos", default="", metavar="TEXT", help='What goes wrong, and how often in 100: "drop=10,dup=20".')
@click.option("--carrier", type=click.Choice(["twilio"]), default="twilio", show_default=True, help="Whom to simulate.")
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
    del carrier  # there is one so far
    try:
        faults = read_faults(chaos) if chaos else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--chaos") from None
    options = DemoOptions(
        port=port,
        ready_file=ready_file,
        keep=keep,
        store_url=store_url,
        faults=faults,
        say=click.echo,
        show_traffic=not quiet,
        curl=curl,
    )
    set_up_logging(level="warning")
    with _explained(f"127.0.0.1:{port}", store_url), _runner() as runner:
        sys.exit(runner.run(run_demo(options)))


COMMANDS: Final = {"serve": serve, "demo": demo}


def _runner() -> asyncio.Runner:
    """On uvloop where it is installed (the extra `speed`), else on the standard loop."""
    factory: Callable[[], Any] | None = import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    return asyncio.Runner(loop_factory=factory)


@contextmanager
def _explained(address: str, store_url: str) -> Iterator[None]:
    """What keeps a bridge from starting, as one sentence and an exit code. A bug keeps its traceback."""
    cure = "Check that PostgreSQL runs, and store.url." if store_url else _CHECK_FOLDER
    try:
        yield
    except Exception as error:
        stopped = _explain(_only(error), address, cure)
        if stopped is None:
            raise
        raise stopped from None


def _explain(error: BaseException, address: str, cure: str) -> Stopped | None:
    match error:
        case StoreInUse():
            return TryAgain(f"{error}. Stop that one first, or choose another data_dir.")
        case StoreTooNew() | StoreMisplaced() | ConfigProblems():
            return Misconfigured(str(error))
        case StoreUnavailable():
            return Unreachable(f"The store cannot be opened: {error}. {cure}")
        case OSError(filename=str() as name):
            return Unreachable(f"{name}: {error.strerror}. Check data_dir and its permissions.")
        case OSError():
            words = f"Cannot listen on {address}: {error.strerror or error}."
            return Unreachable(f"{words} Stop what listens there, or choose another port.")
        case _:
            return None


_CHECK_FOLDER: Final = "Check data_dir, its disk and its permissions."


def _only(error: BaseException) -> BaseException:
    """What task groups wrap, when it is one error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
