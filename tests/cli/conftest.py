from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from smsbridge.cli import main

SID = "AC" + "0" * 32
TOKEN = "a-token-of-tests"
OUR_NUMBER = "+15005550006"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with a configuration, and hands to run commands on it."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "smsbridge.toml"

    def run(self, *arguments: str, **environment: str) -> Result:
        """In this process."""
        return CliRunner(env={"SMSBRIDGE_CONFIG": str(self.file), **environment}).invoke(main, arguments)

    def ask(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def process(self, *arguments: str, wrap: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
        """`wrap` goes before the command."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SMSBRIDGE")}
        return subprocess.Popen(
            [*wrap, sys.executable, "-m", "smsbridge", *arguments],
            cwd=self.folder,
            env=clean | {"SMSBRIDGE_CONFIG": str(self.file)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def serving(self, *, wrap: Sequence[str] = (), **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
        """A daemon that has said that it started, and its port."""
        with self.process("serve", wrap=wrap, **environment) as daemon:
            try:
                assert daemon.stderr is not None
                line = json.loads(daemon.stderr.readline())
                assert line["event"] == "bridge.started", line
                yield daemon, line["port"]
            finally:
                daemon.kill()


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Place]:
    def configure(more: str = "") -> Place:
        place = Place(folder=tmp_path)
        place.file.write_text(
            f"""\
public_url = "http://127.0.0.1:8398"
[server]
port = 0
[carriers.twilio]
type = "twilio"
account_sid = "{SID}"
[[senders]]
number = "{OUR_NUMBER}"
carrier = "twilio"
{more}"""
        )
        (tmp_path / ".env").write_text(f"SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN={TOKEN}\n")
        return place

    return configure


@pytest.fixture
def place(configured: Callable[[str], Place]) -> Place:
    return configured("")
