"""Scenarios that several tests look at, each built once."""

from __future__ import annotations

from functools import cache

from streetsim.scenario import Scenario, build_scenario

DURATION_S = 8.0


@cache
def world(town: str, seed: int = 0, duration_s: float = DURATION_S) -> Scenario:
    return build_scenario(town, "clear", seed, duration_s)
