"""Writes the reference from the settings: `python -m smsbridge.config.docs` in the repository.

A test compares config/smsbridge.toml and docs/configuration.md with what this writes.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, BeforeValidator, Secret
from pydantic.fields import FieldInfo

from smsbridge.config.settings import (
    NAMED_TABLES,
    CarrierSection,
    DesktopSection,
    SenderSection,
    Settings,
    keys_of,
    read_duration,
    read_size,
    section_at,
    write_duration,
    write_size,
)
from smsbridge.config.sources import ENV_PREFIX

EXAMPLE: Final = Path("config/smsbridge.toml")
REFERENCE: Final = Path("docs/configuration.md")

PUBLIC_URL: Final = "https://sms.example.com"
HIDDEN: Final = '"********"'
_METRICS_PORT: Final = 9464

_HEAD: Final = f"""\
# smsbridge: every setting, and what it means. Lines that are commented out show the default.
#
# Durations are "30s", "5m", "24h" or "2d", sizes "500KB" or "5MB".
# Every key has a twin in the environment: server.port is {ENV_PREFIX}SERVER__PORT. What is said in more than one place
# is taken from the first of: flags, environment, systemd credentials, .env beside this file, this file, default.
# Secrets belong into .env (mode 0600), or into a file of their own: auth_token_file = "..." instead of auth_token.
#
# smsbridge check-config    tells everything that is wrong here, with its line
# smsbridge config show     tells what is in force, and where it was said
"""

_CARRIER_SAMPLE: Final = """\
# Twilio's own settings are explained in docs/carriers/twilio.md.
account_sid = "AC00000000000000000000000000000000"
# In .env:  SMSBRIDGE__CARRIERS__TWILIO__AUTH_TOKEN=...     signs the webhooks
#           SMSBRIDGE__CARRIERS__TWILIO__API_KEY=SK...      signs in to send; without it the auth token does
#           SMSBRIDGE__CARRIERS__TWILIO__API_SECRET=...
"""

_DESKTOPS_HEAD: Final = """\
# Without any table here there is the built-in desk. This one is an agent system that takes signed webhooks.
# [desktops.crm]
"""

_DESKTOP_SAMPLE: Final = """\
# Its own settings are explained in docs/desktops/webhook.md.
# url = "https://crm.example.com/sms"
# In .env:  SMSBRIDGE__DESKTOPS__CRM__SECRET=whsec_...
"""


def write_example() -> str:
    """config/smsbridge.toml: valid as it is but for the secrets, and with the defaults once uncommented."""
    parts = [_HEAD, "\n".join(_toml_keys(Settings, live={"public_url": PUBLIC_URL}))]
    for name, section in _sections():
        parts.append(f"{_comment(_about(section))}\n[{name}]\n\n" + "\n".join(_toml_keys(section)))
    carrier = "\n".join(_toml_keys(CarrierSection, live={"type": "twilio"}))
    parts.append(f"{_comment(_about(CarrierSection))}\n[carriers.twilio]\n\n{carrier}\n{_CARRIER_SAMPLE}")
    sender = "\n".join(_toml_keys(SenderSection, live={"number": "+15005550006", "carrier": "twilio"}))
    parts.append(f"{_comment(_about(SenderSection))} One table for each.\n[[senders]]\n\n{sender}")
    desktop = "\n".join(_toml_keys(DesktopSection)).replace('type = ""', 'type = "webhook"')
    parts.append(f"{_comment(_about(DesktopSection))}\n{_DESKTOPS_HEAD}\n{desktop}\n{_DESKTOP_SAMPLE}")
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def write_reference() -> str:
    """docs/configuration.md: the same as tables, with the twins in the environment."""
    parts = [_INTRODUCTION, "## Everything\n\n" + _table("", Settings)]
    for name, section in _sections():
        parts.append(f"## `[{name}]`\n\n{_about(section)}\n\n{_table(name, section)}")
    for name, title in (
        ("carriers", "`[carriers.<name>]`"),
        ("senders", "`[[senders]]`"),
        ("desktops", "`[desktops.<name>]`"),
    ):
        section = NAMED_TABLES[name]
        step = "0" if name == "senders" else "<name>"
        parts.append(f"## {title}\n\n{_about(section)}\n\n{_table(f'{name}.{step}', section)}")
    return "\n".join(parts)


_INTRODUCTION: Final = f"""\
# Configuration

One TOML file, `smsbridge.toml` unless `--config` names another. [config/smsbridge.toml](../config/smsbridge.toml) has
every key in place, `smsbridge config example` prints it, and `smsbridge init` writes a short one to begin with. This
page is written from the settings themselves (`python -m smsbridge.config.docs`).

**Where a value comes from.** Of several, the first that says something counts:

1. a flag of the command
2. the environment
3. a systemd credential
4. `.env` beside the file
5. the file
6. the default

`smsbridge config show --origin` prints each value with its origin, secrets hidden.

**In the environment** every key has a twin: `{ENV_PREFIX}`, the section and the key, in capitals, joined by two
underscores. Names of accounts are written in capitals too, a hyphen as an underscore: `auth_token` of
`[carriers.twilio-us]` is `SMSBRIDGE__CARRIERS__TWILIO_US__AUTH_TOKEN`. Senders are counted from 0. Lists and tables are
JSON: `SMSBRIDGE__INTERACTIONS__DISPOSITIONS=["Sold", "Spam"]`. An empty variable, in `.env` as well, counts as not set;
what shall be empty is written in the file.

**Secrets** (every key of an account or a desktop, and `store.url`) may be given three ways, none of them in the file
itself:

- in `.env` or the environment;
- in a file of their own, mode 0600: `auth_token_file = "twilio-token"` stands for `auth_token`, and a relative path
  begins at the configuration's folder;
- as a systemd credential that is called like the key:
  `LoadCredential=carriers.twilio.auth_token:/etc/smsbridge/twilio-token`.

**Values.** Durations are `"30s"`, `"5m"`, `"24h"`, `"2d"`, or a number of seconds. Sizes are `"500KB"`, `"5MB"`, or a
number of bytes; a KB has 1024.

**Mistakes.** A key that does not exist is an error, not ignored. `smsbridge check-config` tells all problems at once,
each with its line and what would be right:

    smsbridge.toml:7: server.prt: there is no such key in [server]. Did you mean port?
    smsbridge.toml:12: carriers.twilio.account_sid: does not look like one; it is AC and 32 hexadecimal digits, ...
    smsbridge.toml:18: senders.0.carrier: there is no carrier account 'twilo'. Did you mean twilio?

Settings are read at the start; a change needs a restart, which loses nothing.
"""


def write_value(field: FieldInfo, value: Any) -> str:
    """As it is written in TOML, in the units of the field."""
    if isinstance(value, (tuple, list)):
        inner = get_args(field.annotation)[0]
        unit = FieldInfo.from_annotation(inner)
        return "[" + ", ".join(write_value(unit, each) for each in value) + "]"
    readers = [each.func for each in field.metadata if isinstance(each, BeforeValidator)]
    if read_duration in readers:
        return f'"{write_duration(value)}"'
    if read_size in readers:
        return f'"{write_size(value)}"'
    if isinstance(value, Secret):
        return HIDDEN if value.get_secret_value() else '""'
    return json.dumps(value, ensure_ascii=False)


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name in Settings.model_fields:
        section = section_at([name])
        if section is not None:
            yield name, section


def _about(section: type[BaseModel]) -> str:
    return " ".join((section.__doc__ or "").split())


def _plain_fields(section: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Without the tables within."""
    for key in keys_of(section):
        if section is not Settings or (section_at([key]) is None and key not in NAMED_TABLES):
            yield key, section.model_fields[key]


def _toml_keys(section: type[BaseModel], live: Mapping[str, str] | None = None) -> Iterator[str]:
    for key, field in _plain_fields(section):
        yield _comment(field.description or "")
        if live and key in live:
            yield f"{key} = {json.dumps(live[key])}\n"
        elif field.is_required():
            yield f'# {key} = ""\n'
        elif field.default is None:
            yield f"# {key} = {_METRICS_PORT}    # not set\n"
        else:
            yield f"# {key} = {write_value(field, field.default)}\n"


def _comment(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="# "))


def _table(path: str, section: type[BaseModel]) -> str:
    rows = ["| key | environment | default | |", "|---|---|---|---|"]
    for key, field in _plain_fields(section):
        twin = ENV_PREFIX + "__".join((*path.upper().split("."), key.upper()) if path else (key.upper(),))
        rows.append(f"| `{key}` | `{twin}` | {_shown_default(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "not set" if field.default is None else f"`{write_value(field, field.default)}`"


if __name__ == "__main__":
    EXAMPLE.write_text(write_example(), "utf-8")
    REFERENCE.write_text(write_reference(), "utf-8")
