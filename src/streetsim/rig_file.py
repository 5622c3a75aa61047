"""Rigs of one's own, read from a small TOML or JSON file; docs/simulator.md shows one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np

from streetsim.rigs import RIGS, CameraMount, LidarMount, Rig


def load_rig(name_or_file: str) -> Rig:
    """A built-in rig by its name, or the one that a .toml or .json file describes.

    Raises:
        ValueError: unknown name, or a file that does not describe a rig; the message says what is wrong with which key.
        FileNotFoundError: no such file.
    """
    if name_or_file in RIGS:
        return RIGS[name_or_file]()
    path = Path(name_or_file)
    if path.suffix not in (".toml", ".json"):
        names = ", ".join(RIGS)
        raise ValueError(f"rig {name_or_file!r} is unknown; choose {names}, or give a .toml or .json file")
    if not path.is_file():
        raise FileNotFoundError(f"rig file {path} does not exist")
    text = path.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:
        raise ValueError(f"rig file {path} is not valid {path.suffix[1:].upper()}: {error}") from error
    try:
        return _rig(path.stem, content)
    except ValueError as error:
        raise ValueError(f"rig file {path}: {error}") from error


def _rig(name: str, content: Any) -> Rig:
    table = _table("the file", content, {"lidar", "camera", "keyframes_per_s"}, {"lidar", "camera"})
    cameras = table["camera"]
    if not isinstance(cameras, list):
        raise ValueError("'camera' must be a list of tables: [[camera]] in TOML")
    rate = _number("keyframes_per_s", table.get("keyframes_per_s", 2.0))
    return Rig(name, _lidar(table["lidar"]), tuple(_camera(i, camera) for i, camera in enumerate(cameras)), rate)


def _camera(index: int, content: Any) -> CameraMount:
    known = {field.name for field in fields(CameraMount)}
    required = {field.name for field in fields(CameraMount) if field.default is MISSING}
    where = f"camera {index + 1}"
    table = _table(where, content, known, required)
    values = {key: _number(f"{where}: {key}", value) for key, value in table.items() if key not in _NOT_NUMBERS}
    for key in ("width_px", "height_px"):
        if key in values:
            values[key] = _integer(f"{where}: {key}", values[key])
    name = table["name"]
    if not isinstance(name, str):
        raise ValueError(f"{where}: name must be text, got {name!r}")
    position = _numbers(f"{where}: position_m", table["position_m"], 3)
    return CameraMount(name=name, position_m=(position[0], position[1], position[2]), **values)  # type: ignore[arg-type]


def _lidar(content: Any) -> LidarMount:
    optional = {"name", "elevations_deg", "beams", "lowest_deg", "highest_deg"}
    required = {field.name for field in fields(LidarMount)} - optional
    table = _table("lidar", content, required | optional, required)
    if "elevations_deg" in table:
        elevations = _numbers("lidar: elevations_deg", table["elevations_deg"], None)
    else:
        missing = sorted({"beams", "lowest_deg", "highest_deg"} - set(table))
        if missing:
            raise ValueError(
                f"lidar: give elevations_deg, or beams, lowest_deg and highest_deg ({missing[0]} is missing)"
            )
        beams = _integer("lidar: beams", table["beams"])
        low, high = (
            _number("lidar: lowest_deg", table["lowest_deg"]),
            _number("lidar: highest_deg", table["highest_deg"]),
        )
        elevations = [float(angle) for angle in np.linspace(low, high, beams)]
    position = _numbers("lidar: position_m", table["position_m"], 3)
    turn = _numbers("lidar: turn_s", table["turn_s"], 2)
    return LidarMount(
        name=str(table.get("name", "LIDAR_TOP")),
        position_m=(position[0], position[1], position[2]),
        yaw_deg=_number("lidar: yaw_deg", table["yaw_deg"]),
        elevations_deg=tuple(elevations),
        columns=_integer("lidar: columns", table["columns"]),
        turn_s=(turn[0], turn[1]),
        first_azimuth_deg=_number("lidar: first_azimuth_deg", table["first_azimuth_deg"]),
        max_range_m=_number("lidar: max_range_m", table["max_range_m"]),
        range_noise_m=_number("lidar: range_noise_m", table["range_noise_m"]),
    )


_NOT_NUMBERS = {"name", "position_m"}


def _table(where: str, content: Any, known: set[str], required: set[str]) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"{where} must be a table, got {content!r}")
    for key in content:
        if key not in known:
            raise ValueError(f"{where}: key {key!r} is unknown; known are {', '.join(sorted(known))}")
    for key in sorted(required):
        if key not in content:
            raise ValueError(f"{where}: {key!r} is missing")
    return content


def _number(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(f"{where} must be a number, got {value!r}")
    return float(value)


def _integer(where: str, value: Any) -> int:
    if _number(where, value) != int(value):
        raise ValueError(f"{where} must be a whole number, got {value!r}")
    return int(value)


def _numbers(where: str, value: Any, count: int | None) -> list[float]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise ValueError(f"{where} must be a list of {count or 'the'} numbers, got {value!r}")
    return [_number(where, item) for item in value]
