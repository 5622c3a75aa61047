"""Streets to drive through when there are no recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from streetsim.config import SimulateConfig


@dataclass(frozen=True)
class Simulate:
    """Drive through procedural streets and write what the sensors saw as nuScenes or SemanticKITTI data."""

    out: Positional[Path]
    """folder to write; an interrupted run continues in it"""
    config: OmitArgPrefixes[SimulateConfig] = field(default_factory=SimulateConfig)

    def run(self) -> None:
        from streetsim.simulate import simulate

        simulate(self.out, self.config)
