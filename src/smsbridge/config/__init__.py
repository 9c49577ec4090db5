"""The configuration: one typed record, read from flags, environment, `.env`, credentials and one TOML file.

`load` finds every problem in one go, each with its place, its key, what is wrong and what would be right. No secret is
ever shown. config/smsbridge.toml and docs/configuration.md are written from the settings (docs.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smsbridge.config.checks import (
    HOOKS_PATH,
    Findings,
    check_only_senders,
    cross_check,
    make_carriers,
    make_desktops,
    validate,
)
from smsbridge.config.problems import ConfigProblems, Problem
from smsbridge.config.settings import PORT, Settings, policy_of
from smsbridge.config.sources import ENV_PREFIX, Origin, read_sources
from smsbridge.contracts.carrier import Carrier
from smsbridge.contracts.desktop import Desktop

__all__ = [
    "ENV_PREFIX",
    "HOOKS_PATH",
    "PORT",
    "ConfigProblems",
    "Loaded",
    "Origin",
    "Problem",
    "Settings",
    "load",
    "policy_of",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """Valid settings, the adapters they describe, and where each value that is no default came from."""

    settings: Settings
    carriers: Mapping[str, Carrier]
    desktops: Mapping[str, Desktop]
    warnings: tuple[Problem, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """By dotted key: `server.port`, `senders.0.number`."""


def load(
    file: Path | None,
    *,
    carriers: Mapping[str, type[Carrier]],
    desktops: Mapping[str, type[Desktop]],
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """Reads everything there is to read. Raises ConfigProblems with all that is wrong.

    `carriers` and `desktops` are the kinds there are; `overrides` are flags, by dotted key.
    """
    sources = read_sources(file, environment=os.environ if environment is None else environment, overrides=overrides)
    findings = Findings(sources.problems)
    settings = validate(sources.values, findings)
    settings = settings.model_copy(update={"folder": file.parent if file else Path()})
    cross_check(settings, findings)
    made_carriers = make_carriers(settings, carriers, findings)
    check_only_senders(settings, made_carriers, findings)
    made_desktops = make_desktops(settings, desktops, findings)
    warnings = tuple(sources.locate(warning) for warning in sources.warnings)
    if findings.problems:
        raise ConfigProblems((sources.locate(problem) for problem in findings.problems), warnings)
    return Loaded(
        settings=settings,
        carriers=made_carriers,
        desktops=made_desktops,
        warnings=warnings,
        origins=sources.origins,
    )
