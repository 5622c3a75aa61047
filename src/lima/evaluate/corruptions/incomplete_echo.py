"""Incomplete echo: dark paint swallows the pulse, and most of a vehicle is not seen (Robo3D)."""

from __future__ import annotations

from collections.abc import Sequence as Series

import torch

from lima.evaluate.corruptions.corrupted import Corrupted, KnownClasses, Severity, kept
from lima.scene import Sweep

SHARE = {"light": 0.75, "moderate": 0.85, "heavy": 0.95}
VEHICLES = (
    "bicycle", "bus", "car", "construction_vehicle", "motorcycle", "trailer", "truck",  # nuScenes
    "regular_vehicle", "large_vehicle", "box_truck", "truck_cab", "school_bus", "articulated_bus",
    "vehicular_trailer", "railed_vehicle",  # Argoverse 2
    "other_vehicle", "moving_car", "moving_other_vehicle", "moving_truck", "pick_up", "bike", "vehicle",  # others
)  # fmt: skip
"""those of the published sets and their like: no riders, and no signs and lights that are only towed to their place"""
FEW_POINTS = 10
"""classes with no more points than that in a sweep keep them all, as in the published sets"""


def incomplete_echo(sweep: Sweep, known: KnownClasses, severity: Severity, generator: torch.Generator) -> Corrupted:
    """The sweep without a share of the points of every class of vehicles."""
    return without_echoes(sweep, known, SHARE[severity], generator)


def without_echoes(sweep: Sweep, known: KnownClasses, share: float, generator: torch.Generator) -> Corrupted:
    """Drops floor(share x points) points of every vehicle class with more than ten points, drawn at random.

    Raises ValueError where the dataset has no class of vehicles.
    """
    check_vehicles(known.class_names)
    keep = torch.ones(len(sweep.points_lidar), dtype=torch.bool)
    for position in known.positions_of(VEHICLES):
        members = torch.nonzero(known.labels == position)[:, 0]
        if len(members) > FEW_POINTS:
            order = torch.randperm(len(members), generator=generator)
            keep[members[order[: int(share * len(members))]]] = False
    return kept(sweep, keep)


def check_vehicles(class_names: Series[str]) -> None:
    """Raises ValueError where none of the classes is one of vehicles."""
    if not set(VEHICLES).intersection(class_names):
        raise ValueError(
            f"incomplete echo drops points of vehicles, but none of the classes is one: {', '.join(class_names)}. "
            f"Vehicles are known by the names of other datasets: car, truck, vehicle, …"
        )
