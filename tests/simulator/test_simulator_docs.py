"""docs/simulator.md names everything there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smsbridge.simulator import PERSONAS, FaultSettings, Simulator
from smsbridge.simulator.faults import SHORT_NAMES
from smsbridge.simulator.personas import FIXED_FATES_OF_RECIPIENTS, FIXED_FATES_OF_SENDERS
from smsbridge.simulator.samples import RECIPES

PAGE = (Path(__file__).parents[2] / "docs/simulator.md").read_text()


@pytest.mark.parametrize("name", [*PERSONAS, *FaultSettings().json(), *SHORT_NAMES.values(), *RECIPES])
def test_every_persona_fault_and_sample_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("short", SHORT_NAMES)
def test_every_short_name_stands_beside_its_fault(short: str) -> None:
    assert f"| `{SHORT_NAMES[short]}` | `{short}` |" in PAGE


@pytest.mark.parametrize(("number", "code"), [*FIXED_FATES_OF_RECIPIENTS.items(), *FIXED_FATES_OF_SENDERS.items()])
def test_every_fixed_fate_is_told(number: str, code: int) -> None:
    assert re.search(rf"`{re.escape(number)}` \| {code}\b", PAGE)


@pytest.mark.parametrize("name", [name for name, persona in PERSONAS.items() if persona.code or persona.refusal])
def test_every_persona_is_told_with_its_code(name: str) -> None:
    code = PERSONAS[name].refusal or PERSONAS[name].code
    [row] = [line for line in PAGE.splitlines() if line.startswith("| ") and f"`{name}`" in line.split("|")[1]]
    assert str(code) in row


async def test_every_url_is_told(simulator: Simulator) -> None:
    assert simulator._runner is not None
    routes = {route.resource.canonical for route in simulator._runner.app.router.routes() if route.resource}
    assert not [path for path in routes if path not in PAGE and "{rest}" not in path]
