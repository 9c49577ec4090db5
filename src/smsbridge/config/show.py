"""The settings in force, for people: each with its value as it is written in TOML, and where it was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, Secret

from smsbridge.config import Loaded
from smsbridge.config.docs import HIDDEN, write_value
from smsbridge.config.settings import keys_of

Shown = tuple[str, str, str]


def show_settings(loaded: Loaded) -> list[Shown]:
    """Dotted key, value, origin. No secret is among the values."""
    return [
        (key, value, str(loaded.origins[key]) if key in loaded.origins else "default")
        for key, value in _flat(loaded.settings, "")
    ]


def _flat(section: BaseModel, path: str) -> Iterator[tuple[str, str]]:
    for key in keys_of(type(section)):
        value, where = getattr(section, key), f"{path}{key}"
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{where}.")
        elif isinstance(value, Mapping):
            for name, each in value.items():
                yield from _flat(each, f"{where}.{name}.")
        elif isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value):
            for position, each in enumerate(value):
                yield from _flat(each, f"{where}.{position}.")
        else:
            field = type(section).model_fields[key]
            yield where, "not set" if value is None else write_value(field, value)
    for key, value in (section.model_extra or {}).items():
        yield f"{path}{key}", HIDDEN if isinstance(value, Secret) else _plain(value)


def _plain(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else repr(value).replace("'", '"')
