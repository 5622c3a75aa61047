"""What every sensor recorded at every keyframe, and where the sensor and the vehicle were."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from lima.datasets.tables import (
    TokenIndex,
    column,
    hex_token,
    numbers,
    read_columns,
    read_rows,
    text_array,
    tokens_from_strings,
)  # fmt: skip

LIDAR = "LIDAR_TOP"
TRUCK_LIDARS = (
    "LIDAR_LEFT", "LIDAR_RIGHT", "LIDAR_TOP_FRONT", "LIDAR_TOP_LEFT", "LIDAR_TOP_RIGHT", "LIDAR_REAR",
)  # fmt: skip
"""TruckScenes's: the two that see far first"""
CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")


@dataclass(frozen=True, eq=False)
class Calibrations:
    """Where sensors sit on the vehicle. channel_of_row: -1 for sensors that are not read, such as radars."""

    path: Path
    channels: list[str]
    tokens: list[str]
    channel_of_row: Int64[np.ndarray, "calibrations"]
    poses: Float64[np.ndarray, "calibrations 7"]
    intrinsics: Float64[np.ndarray, "calibrations 3 3"]


def read_calibrations(sensor_path: Path, path: Path) -> Calibrations:
    """The LiDAR; the cameras, nuScenes's six clockwise from the front, then any others by name; further LiDARs."""
    sensors = read_columns(sensor_path, ("token", "channel", "modality"))
    lidars = [name for name in (LIDAR, *TRUCK_LIDARS) if name in sensors["channel"]]
    if not lidars:
        raise ValueError(f"{sensor_path} has no sensor {LIDAR}, where the points come from: only {sensors['channel']}")
    first, others = lidars[0], [] if lidars[0] == LIDAR else lidars[1:]
    cameras = {c for c, kind in zip(sensors["channel"], sensors["modality"], strict=True) if kind == "camera"}
    channels = [first, *(c for c in CAMERAS if c in cameras), *sorted(cameras.difference(CAMERAS)), *others]

    rows = read_columns(path, ("token", "sensor_token", "translation", "rotation", "camera_intrinsic"))
    sensor_rows = TokenIndex(sensor_path, sensors["token"]).rows(
        rows["sensor_token"], path, "sensor_token", rows["token"]
    )
    channel_of_sensor = np.array([channels.index(c) if c in channels else -1 for c in sensors["channel"]])
    nothing = np.full((3, 3), np.nan).tolist()
    cameras_only = [row for row, matrix in enumerate(rows["camera_intrinsic"]) if matrix]
    intrinsics = np.array([nothing] * len(rows["token"])).reshape(-1, 3, 3)
    intrinsics[cameras_only] = numbers(
        path,
        "camera_intrinsic",
        [rows["camera_intrinsic"][row] for row in cameras_only],
        (3, 3),
        [rows["token"][row] for row in cameras_only],
    )
    return Calibrations(
        path=path,
        channels=channels,
        tokens=rows["token"],
        channel_of_row=channel_of_sensor[sensor_rows],
        poses=poses(path, rows),
        intrinsics=intrinsics,
    )


def poses(path: Path, columns: dict[str, list[Any]]) -> Float64[np.ndarray, "rows 7"]:
    """Quaternion (w, x, y, z) and translation of every row."""
    rotations = numbers(path, "rotation", columns["rotation"], (4,), columns["token"])
    return np.hstack([rotations, numbers(path, "translation", columns["translation"], (3,), columns["token"])])


def read_recordings(
    path: Path, ego_pose_path: Path, samples: TokenIndex, sample_tokens: Series[str], calibrations: Calibrations
) -> dict[str, Shaped[np.ndarray, "samples channels ..."]]:
    """For every sample and channel: token, file, time, image size, calibration and ego pose of its keyframe.

    Raises ValueError where a sample has no LiDAR keyframe, or a sensor has two.
    """
    key = _keyframes(path, calibrations)
    cells = (samples.rows(key["sample_token"], path, "sample_token", key["token"]), np.array(key["channel"], dtype=int))
    shape = (len(sample_tokens), len(calibrations.channels))
    flat, first = np.unique(np.ravel_multi_index(cells, shape), return_index=True)
    if len(flat) < len(key["token"]):
        second = min(set(range(len(key["token"]))).difference(first.tolist()))
        raise ValueError(
            f"{path}: row {key['token'][second]} is a second keyframe of {calibrations.channels[cells[1][second]]} "
            f"for sample {key['sample_token'][second]}, which may have one"
        )
    without = np.setdiff1d(np.arange(len(sample_tokens)), cells[0][cells[1] == 0])
    if len(without):
        lidar = calibrations.channels[0]
        raise ValueError(f"{path} has no keyframe of {lidar} for sample {sample_tokens[without[0]]}")

    def grid(values: Any, empty: Any) -> Shaped[np.ndarray, "samples channels ..."]:
        values = np.asarray(values)
        filled = np.full((*shape, *values.shape[1:]), empty, dtype=values.dtype)
        filled[cells] = values
        return filled

    return {
        "data_tokens": grid(text_array(key["token"]), b""),
        "data_files": grid(text_array(key["filename"]), b""),
        "data_times_us": grid(np.array(key["timestamp"], dtype=np.int64), 0),
        "data_sizes_px": grid(np.array([key["width"], key["height"]], dtype=np.int64).T, 0),
        "data_calibrations": grid(np.array(key["calibration"], dtype=np.int64), -1),
        "ego_pose_tokens": grid(text_array(key["ego_pose_token"]), b""),
        "ego_poses": grid(
            read_ego_poses(
                ego_pose_path, path, tokens_from_strings(key["ego_pose_token"]), tokens_from_strings(key["token"])
            ),
            np.nan,
        ),
    }


def _keyframes(path: Path, calibrations: Calibrations) -> dict[str, list[Any]]:
    """The rows of sample_data that are keyframes of the LiDAR or of a camera, with channel and calibration."""
    calibration_index = TokenIndex(calibrations.path, calibrations.tokens)
    fields = ("token", "sample_token", "ego_pose_token", "timestamp", "filename", "width", "height")
    kept: dict[str, list[Any]] = {name: [] for name in (*fields, "channel", "calibration")}
    for block in read_rows(path, only=("is_key_frame", lambda texts: [text == "true" for text in texts])):
        rows = [row for row, is_key in zip(block, column(path, block, "is_key_frame"), strict=True) if is_key]
        calibrated = calibration_index.rows(
            column(path, rows, "calibrated_sensor_token"), path, "calibrated_sensor_token", column(path, rows, "token")
        )
        channel = calibrations.channel_of_row[calibrated]
        used = np.flatnonzero(channel >= 0).tolist()
        rows = [rows[row] for row in used]
        for name in fields:
            kept[name] += column(path, rows, name)
        kept["channel"] += channel[used].tolist()
        kept["calibration"] += calibrated[used].tolist()
    return kept


def read_ego_poses(
    path: Path,
    asked_by: Path,
    tokens: Shaped[np.ndarray, "records"],
    askers: Shaped[np.ndarray, "records"],
) -> Float64[np.ndarray, "records 7"]:
    """The ego poses of these packed tokens, picked from a table that holds those of every sweep and image.

    askers: packed tokens of the rows that ask, for the error where a pose is not in the table.
    """
    wanted, place_of_token = np.unique(tokens, return_inverse=True)
    found = np.full((len(wanted), 7), np.nan)

    def places_of(names: Series[str]) -> tuple[Int64[np.ndarray, "names"], Bool[np.ndarray, "names"]]:
        packed = tokens_from_strings(names)
        places = np.searchsorted(wanted, packed) % max(len(wanted), 1)
        return places, wanted[places] == packed if len(wanted) else np.zeros(len(names), dtype=bool)

    for rows in read_rows(path, only=("token", lambda texts: places_of([text[1:-1] for text in texts])[1].tolist())):
        places, used = places_of(column(path, rows, "token"))
        kept = [row for row, keep in zip(rows, used.tolist(), strict=True) if keep]
        fields = ("token", "translation", "rotation")
        found[places[used]] = poses(path, {name: column(path, kept, name) for name in fields})
    lost = np.flatnonzero(np.isnan(found[place_of_token, 0]))
    if len(lost):
        raise ValueError(
            f"{asked_by}: row {hex_token(askers[lost[0]])} has ego_pose_token {hex_token(tokens[lost[0]])!r}, which is "
            f"not in {path}: do the tables come from the same version?"
        )
    return found[place_of_token]
