"""The settings of a simulation: plain data, readable without loading anything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SimulateConfig:
    """What to simulate. Everything but `workers` decides the bytes that are written."""

    scenes: int = 8
    """number of drives"""
    keyframes: int = 16
    """per drive, half a second apart"""
    format: Literal["nuscenes", "kitti"] = "nuscenes"
    """how to write them; SemanticKITTI needs the kitti rig or one with cameras image_2, image_3"""
    rig: str = "nuscenes"
    """nuscenes, kitti, or a .toml or .json file (docs/simulator.md)"""
    town: tuple[str, ...] = ("downtown", "residential", "industrial", "euro")
    """towns, taken in turn"""
    weather: tuple[str, ...] = ("clear", "golden", "overcast")
    """kinds of weather, taken in turn: clear, golden, overcast, rain, fog, dusk"""
    image_width_px: int | None = None
    """of every camera; the rig's own when left out (448 for nuscenes)"""
    image_height_px: int | None = None
    """of every camera; the rig's own when left out (252 for nuscenes)"""
    samples_per_pixel: int = 4
    """extra rays through pixels whose neighbours differ: 0 is fast and jagged, 8 the most"""
    sweeps: int = 0
    """LiDAR sweeps between two keyframes (nuScenes has 9)"""
    sweep_images: bool = False
    """a picture of every camera with each of these sweeps, too"""
    val_every: int = 4
    """every so manieth drive, and at least one of two or more, is for validation; 0 for none"""
    exact: bool = True
    """write the exact answers too: what each camera really sees, depth and class per pixel, scene flow"""
    seed: int = 0
    workers: int = 1
    """processes that work on different drives; the same bytes come out of any number"""
