"""serve, and how a bridge is run."""

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
from smsbridge.config import ConfigProblems
from smsbridge.contracts.store import StoreInUse, StoreMisplaced, StoreTooNew, StoreUnavailable
from smsbridge.log import set_up_logging


@click.command()
@with_config
def serve(config: Path | None) -> None:
    """Run the bridge until it is told to stop."""
    loaded = load_config(config)
    settings = loaded.settings
    set_up_logging(level=settings.log.level, style=settings.log.format)
    print_warnings(loaded.warnings)
    with explained(f"{settings.server.host}:{settings.server.port}", settings.store_url), new_runner() as runner:
        sys.exit(runner.run(app.serve(loaded)))


COMMANDS: Final = {"serve": serve}


def new_runner() -> asyncio.Runner:
    """On uvloop where it is installed (the extra `speed`), else on the standard loop."""
    factory: Callable[[], Any] | None = import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    return asyncio.Runner(loop_factory=factory)


@contextmanager
def explained(address: str, store_url: str) -> Iterator[None]:
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
