"""readyz and healthcheck: does the running bridge take requests?"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

import click

from smsbridge.cli.shared import (
    Unreachable,
    load_config,
    with_config,
)

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read here, not bound
_ASK_AGAIN_S: Final = 0.2
_LONGEST_ANSWER_S: Final = 10.0
_LONGEST_ANSWER_BYTES: Final = 100_000


@click.command()
@with_config
@click.option("--url", help="Ask this bridge.  [default: the one that the configuration describes]")
@click.option("--wait", is_flag=True, help="Ask until it is ready, or the time is over.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, help="In seconds."
)
def readyz(*, config: Path | None, url: str | None, wait: bool, timeout_s: float) -> None:
    """Ask the running bridge whether it takes requests. Exit code 69: it does not."""
    address = url or _own_address(config)
    if not address.startswith(("http://", "https://")):
        raise click.BadParameter(f"{address!r} is no http address", param_hint="--url")
    until = time.monotonic() + timeout_s
    while True:
        problem, degraded = _ask(f"{address.rstrip('/')}/readyz", min(_LONGEST_ANSWER_S, timeout_s))
        if not problem:
            click.echo(f"ready, but {degraded}" if degraded else "ready")
            return
        if not wait or time.monotonic() >= until:
            raise Unreachable(f"Not ready: {problem}.")
        time.sleep(_ASK_AGAIN_S)


@click.command(hidden=True)
@with_config
def healthcheck(*, config: Path | None) -> None:
    """The same as readyz, under the name that containers expect."""
    problem, _ = _ask(f"{_own_address(config)}/readyz", _LONGEST_ANSWER_S)
    if problem:
        raise Unreachable(f"Not ready: {problem}.")


COMMANDS: Final = {"readyz": readyz, "healthcheck": healthcheck}


def _own_address(config: Path | None) -> str:
    server = load_config(config).settings.server
    if server.metrics_port is not None:
        return f"http://127.0.0.1:{server.metrics_port}"
    host = _ANY.get(server.host, server.host)
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"


def _ask(url: str, timeout_s: float) -> tuple[str, str]:
    """What keeps it from being ready, nothing when it is; and what it cannot do all the same. No proxy of the
    environment is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout_s) as answer:
            return "", _read_degraded(answer.read(_LONGEST_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return f"{url} answers {error.code}, {_read_problems(error.read(_LONGEST_ANSWER_BYTES))}", ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"{url} does not answer ({getattr(reason, 'strerror', None) or reason})", ""


def _read_degraded(body: bytes) -> str:
    try:
        return json.loads(body).get("degraded") or ""
    except (ValueError, AttributeError):
        return ""


def _read_problems(body: bytes) -> str:
    try:
        checks = json.loads(body)["checks"]
        return "; ".join(f"{name}: {check.get('problem', 'no')}" for name, check in checks.items() if not check["ok"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return "and not as a bridge does"
