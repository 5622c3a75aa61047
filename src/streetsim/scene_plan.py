"""Which drive is which: names, towns, weathers, seeds and the split, from the settings alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streetsim.config import SimulateConfig
from streetsim.nuscenes_names import choose_names

# measured on one core of a two-core machine; they only serve the forecast
_SECONDS_PER_SCENE = 2.0
_SECONDS_PER_RAY = 4.0e-6
_SECONDS_PER_BEAM_COLUMN = 5.0e-6
_BYTES_PER_PIXEL = 0.45
_BYTES_PER_PIXEL_EXACT = 0.25
_BYTES_PER_POINT = 18.0
_BYTES_PER_POINT_EXACT = 6.0


@dataclass(frozen=True)
class ScenePlan:
    """One drive."""

    name: str
    number: int
    split: str
    town: str
    weather: str
    seed: int

    @property
    def kind(self) -> str:
        """What is special about it, in words."""
        return f"{self.town}, {self.weather}"


@dataclass(frozen=True)
class Plan:
    """All drives of a simulation; `version` is the name of the folder of the tables."""

    version: str
    scenes: tuple[ScenePlan, ...]

    def split_lists(self) -> dict[str, list[str]]:
        """Names of the scenes by split."""
        names: dict[str, list[str]] = {"train": [], "val": []}
        for scene in self.scenes:
            names[scene.split].append(scene.name)
        return names


def plan_scenes(config: SimulateConfig) -> Plan:
    """Every `val_every`-th drive is for validation. Each split goes through all towns and weathers by itself."""
    is_val = [config.val_every > 0 and (i + 1) % config.val_every == 0 for i in range(config.scenes)]
    if config.val_every > 0 and config.scenes >= 2:
        if not any(is_val):
            is_val[-1] = True
        if all(is_val):
            is_val[0] = False
    names = choose_names(is_val.count(False), is_val.count(True))
    sequences = np.random.SeedSequence(config.seed).generate_state(config.scenes)
    count = {"train": 0, "val": 0}
    scenes = []
    for number in range(config.scenes):
        split = "val" if is_val[number] else "train"
        place = count[split]
        count[split] += 1
        name = (names.val if is_val[number] else names.train)[place]
        if config.format == "kitti":
            name = f"{number:02d}"
        town = config.town[place % len(config.town)]
        weather = config.weather[(place + place // len(config.town)) % len(config.weather)]
        scenes.append(ScenePlan(name, number, split, town, weather, int(sequences[number])))
    return Plan(names.version, tuple(scenes))


def forecast(config: SimulateConfig, pixels: int, shots: int) -> tuple[float, float]:
    """Seconds of one core and bytes, roughly, for a rig with that many pixels and LiDAR shots per keyframe."""
    samples = 1 + 0.35 * config.samples_per_pixel
    turns = 1 + config.sweeps
    seconds = pixels * samples * _SECONDS_PER_RAY * 0.4 + turns * shots * _SECONDS_PER_BEAM_COLUMN
    size = pixels * _BYTES_PER_PIXEL + turns * shots * _BYTES_PER_POINT
    if config.exact:
        size += pixels * _BYTES_PER_PIXEL_EXACT + shots * _BYTES_PER_POINT_EXACT
    frames = config.scenes * config.keyframes
    return config.scenes * _SECONDS_PER_SCENE + frames * seconds, frames * size


def in_words(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
