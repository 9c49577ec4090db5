"""Desktops, one module each. The folder is the registry: a module in it is a desktop, found by its `ADAPTER`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from smsbridge.contracts.desktop import Desktop


def load_desktops() -> Mapping[str, type[Desktop]]:
    """Every desktop there is, by the name that the configuration calls it."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return {module.ADAPTER.name: module.ADAPTER for module in modules}
