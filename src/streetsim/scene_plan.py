"""Which drive is which: names, towns, weathers, seeds and the split, from the settings alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streetsim.config import SimulateConfig
from streetsim.nuscenes_names import choose_names

# measured on one core of a two-core machine (AMD EPYC), a little rounded up; they only serve the forecast
_SECONDS_PER_SCENE = 2.5
_SECONDS_PER_KEYFRAME = 0.3
_SECONDS_PER_PIXEL = 1.0e-6
_SECONDS_PER_EXTRA_RAY = 1.0e-6
_SHARE_OF_EDGES = 0.3
_SECONDS_PER_SHOT = 3.0e-6
_BYTES_PER_SCENE = 0.3e6
_BYTES_PER_PIXEL = 0.46
_BYTES_PER_PIXEL_EXACT = 0.13
_BYTES_PER_SHOT = 18.5
_BYTES_PER_SHOT_EXACT = 1.5


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
    turns = 1 + config.sweeps
    rays = _SECONDS_PER_PIXEL + _SHARE_OF_EDGES * config.samples_per_pixel * _SECONDS_PER_EXTRA_RAY
    pictures = turns if config.sweep_images else 1
    seconds = _SECONDS_PER_KEYFRAME + pictures * pixels * rays + turns * shots * _SECONDS_PER_SHOT
    size = pictures * pixels * _BYTES_PER_PIXEL + turns * shots * _BYTES_PER_SHOT
    if config.exact:
        size += pixels * _BYTES_PER_PIXEL_EXACT + shots * _BYTES_PER_SHOT_EXACT
    frames = config.scenes * config.keyframes
    return config.scenes * _SECONDS_PER_SCENE + frames * seconds, config.scenes * _BYTES_PER_SCENE + frames * size


def in_words(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
