"""Carriers, one a file. The folder is the registry: a module here that defines `ADAPTER` is a carrier."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from smsbridge.contracts.carrier import Carrier


def load_carriers() -> Mapping[str, type[Carrier]]:
    """Every carrier by its name. A module is imported when its carrier is asked for, since most bridges have one."""
    return _Folder()


class _Folder(Mapping[str, type[Carrier]]):
    def __init__(self) -> None:
        self._names = frozenset(module.name for module in pkgutil.iter_modules(__path__))

    def __getitem__(self, name: str) -> type[Carrier]:
        if name not in self._names:
            raise KeyError(name)
        adapter: type[Carrier] = importlib.import_module(f"{__name__}.{name}").ADAPTER
        return adapter

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)
