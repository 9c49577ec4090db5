"""A configuration to begin with, for `smsbridge init`: a short file, and the secrets apart from it."""

from __future__ import annotations

import json
import os
import re
import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

FILE_NAME: Final = "smsbridge.toml"
SECRETS_NAME: Final = ".env"


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """The answers. What is empty gets a place to be filled in."""

    public_url: str
    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    number: str = ""
    desktop_url: str = ""


def write_start(folder: Path, start: Start) -> tuple[Path, Path]:
    """Both files, or neither: never over one that is there. Raises FileExistsError, or OSError for the disk."""
    file, dotenv = folder / FILE_NAME, folder / SECRETS_NAME
    for there in (file, dotenv):
        if there.exists():
            raise FileExistsError(17, "is there already", str(there))
    folder.mkdir(parents=True, exist_ok=True)
    _write_new(dotenv, _secrets(start), 0o600)
    _write_new(file, _settings(start), 0o644)
    return file, dotenv


def _settings(start: Start) -> str:
    text = f"""\
# Every key is explained by `smsbridge config example`; `smsbridge check-config` tells what is wrong here.

# How Twilio reaches this bridge: https, without a slash at the end.
public_url = {json.dumps(start.public_url)}

[carriers.twilio]
type = "twilio"
account_sid = {json.dumps(start.account_sid or "AC...")}
# The secrets are in {SECRETS_NAME}.

[[senders]]
number = {json.dumps(start.number or "+1...")}
carrier = "twilio"
"""
    if not start.desktop_url:
        return text
    return f"""{text}
# The agent system that is told by signed webhooks (docs/desktops/webhook.md).
[desktops.crm]
type = "webhook"
url = {json.dumps(start.desktop_url)}
"""


def _secrets(start: Start) -> str:
    lines = [
        "# Secrets of smsbridge. Keep this file to yourself: mode 0600, and in no repository.",
        "",
        "# Signs Twilio's webhooks, and signs in to send unless there is an API key.",
        f"SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN={_quoted(start.auth_token)}",
        "# An API key is better to send with: https://console.twilio.com, API keys.",
        "# SMSBRIDGE__CARRIERS__TWILIO__API_KEY=SK...",
        "# SMSBRIDGE__CARRIERS__TWILIO__API_SECRET=...",
    ]
    if start.desktop_url:
        lines += [
            "",
            "# Signs what is posted to the agent system, and what it posts here. Give it the same.",
            f"SMSBRIDGE__DESKTOPS__CRM__SECRET=whsec_{b64encode(secrets.token_bytes(32)).decode()}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    """As dotenv reads it back: bare where it can be, else in single quotes."""
    if re.fullmatch(r"[A-Za-z0-9+/=_.-]*", value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _write_new(file: Path, text: str, mode: int) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as new:
        new.write(text)
