"""serve, and how a bridge is run."""

from __future__ import annotations

import asyncio
import errno
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
    explain_store,
    load_config,
    print_warnings,
    with_config,
)
from smsbridge.config import ConfigProblems
from smsbridge.contracts.store import StoreInUse, StoreMisplaced, StoreTooNew, StoreUnavailable
from smsbridge.log import set_up_logging
from smsbridge.web.server import CannotListen


@click.command()
@with_config
def serve(config: Path | None) -> None:
    """Run the bridge until it is told to stop."""
    loaded = load_config(config)
    settings = loaded.settings
    set_up_logging(level=settings.log.level, style=settings.log.format)
    print_warnings(loaded.warnings)
    with explained(settings.store_url, folder="data_dir", port=_PORTS), new_runner() as runner:
        sys.exit(runner.run(app.serve(loaded)))


COMMANDS: Final = {"serve": serve}
_PORTS: Final = "server.port (server.metrics_port for the metrics)"


def new_runner() -> asyncio.Runner:
    """On uvloop where it is installed (the extra `speed`), else on the standard loop."""
    factory: Callable[[], Any] | None = import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    return asyncio.Runner(loop_factory=factory)


@contextmanager
def explained(store_url: str, *, folder: str, port: str) -> Iterator[None]:
    """What keeps a bridge from starting, as one sentence and an exit code. A bug keeps its traceback.

    `folder` and `port` name what the reader changes: settings or options.
    """
    try:
        yield
    except Exception as error:
        stopped = _explain(_only(error), store_url, folder, port)
        if stopped is None:
            raise
        raise stopped from None


def _explain(error: BaseException, store_url: str, folder: str, port: str) -> Stopped | None:
    match error:
        case StoreInUse():
            return TryAgain(f"{error}. Stop that one first, or choose another {folder}.")
        case StoreTooNew() | StoreMisplaced() | ConfigProblems():
            return Misconfigured(str(error))
        case StoreUnavailable():
            return Unreachable(explain_store(error, store_url, folder))
        case CannotListen(errno=errno.EADDRINUSE):
            return Unreachable(f"{error} Stop what listens there, or choose another one with {port}.")
        case CannotListen(errno=errno.EACCES):
            return Unreachable(f"{error} Ports below 1024 are for root: choose a higher one with {port}.")
        case CannotListen(errno=errno.EMFILE | errno.ENFILE):
            return Unreachable(f"{error} Let the process have more: LimitNOFILE in its service, ulimit -n in a shell.")
        case CannotListen():
            return Unreachable(f"{error} It has to be an address of this computer: server.host.")
        case OSError(filename=str() as name):
            return Unreachable(f"{name}: {error.strerror}. Check {folder} and its permissions.")
        case _:
            return None


def _only(error: BaseException) -> BaseException:
    """What task groups wrap, when it is one error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
