"""Carriers, one a file. The folder is the registry: a module here that defines `ADAPTER` is a carrier."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from smsbridge.contracts.carrier import Carrier


def load_carriers() -> Mapping[str, type[Carrier]]:
    """Every carrier by its name. Imports all modules of this package, so call it once, at the start."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    adapters: list[type[Carrier]] = [module.ADAPTER for module in modules if hasattr(module, "ADAPTER")]
    return {adapter.name: adapter for adapter in adapters}
