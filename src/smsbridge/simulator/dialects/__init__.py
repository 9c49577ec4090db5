"""Dialects, one for each carrier. The folder is the registry: a module here that defines `DIALECT` is one."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smsbridge.simulator.dialect import Dialect


def dialect_names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load_dialect(name: str) -> type[Dialect]:
    """Raises `KeyError` for a carrier that has none."""
    if name not in dialect_names():
        raise KeyError(name)
    dialect: type[Dialect] = importlib.import_module(f"{__name__}.{name}").DIALECT
    return dialect
