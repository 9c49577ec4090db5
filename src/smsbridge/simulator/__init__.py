"""A carrier and its phones on this computer: wire formats, signatures, failures; Twilio's, or another's in `dialects/`.

It is the demo's other half, the test double of the end-to-end tests and the load generator of the benchmarks. It
knows the bridge only by HTTP: it imports nothing of it but `wire`, binds to loopback only, and calls nothing else.
"""

from __future__ import annotations

from .faults import FaultSettings, read_faults
from .personas import PERSONAS, Persona
from .settings import SimulatorSettings
from .simulator import Simulator

__all__ = ["PERSONAS", "FaultSettings", "Persona", "Simulator", "SimulatorSettings", "read_faults"]
