"""What nuScenes recorded between its keyframes: every LiDAR sweep there, and the image of each camera nearest to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from lima.datasets.index import NuScenesIndex
from lima.datasets.nuscenes_records import Record
from lima.datasets.recordings import Calibrations, read_calibrations, read_ego_poses
from lima.datasets.tables import (
    TokenIndex,
    column,
    hex_token,
    read_columns,
    read_rows,
    text_array,
    tokens_from_strings,
)  # fmt: skip

MAX_APART_US = 75_000
"""An image farther from a sweep in time is not the sweep's image; nuScenes's cameras take 12 a second."""

Columns = dict[str, Shaped[np.ndarray, "records ..."]]


@dataclass(frozen=True, eq=False)
class SweepIndex:
    """The sweeps that lie between two keyframes, by scene and time, and the records they name.

    sweep_frames: the keyframe (row of the `NuScenesIndex`) that comes next. sweep_records: rows of what every sensor
    recorded, in the order of the index's channels, -1 for a camera without an image near enough; a sweep may have none.
    Tokens are 16 bytes, files UTF-8 bytes; a pose is a quaternion (w, x, y, z), then a translation in metres.
    """

    sweep_frames: Int64[np.ndarray, "sweeps"]
    sweep_records: Int64[np.ndarray, "sweeps channels"]
    tokens: Shaped[np.ndarray, "records"]
    files: Shaped[np.ndarray, "records"]
    times_us: Int64[np.ndarray, "records"]
    sizes_px: Int64[np.ndarray, "records 2"]
    calibrations: Int64[np.ndarray, "records"]
    ego_pose_tokens: Shaped[np.ndarray, "records"]
    ego_poses: Float64[np.ndarray, "records 7"]

    def record(self, index: NuScenesIndex, sweep: int, channel: int) -> Record | None:
        """What a sensor recorded nearest to a sweep; None for a camera that recorded nothing near it."""
        row = int(self.sweep_records[sweep, channel])
        if row < 0:
            return None
        width_px, height_px = self.sizes_px[row].tolist()
        return Record(
            token=hex_token(self.tokens[row]),
            channel=index.channels[channel].decode(),
            file=self.files[row].decode(),
            time_us=int(self.times_us[row]),
            size_px=(width_px, height_px),
            calibration=int(self.calibrations[row]),
            pose_token=hex_token(self.ego_pose_tokens[row]),
            pose=self.ego_poses[row],
        )


def build_sweep_index(folder: Path, index: NuScenesIndex) -> SweepIndex:
    """From the tables of a version folder. Raises FileNotFoundError and ValueError naming table and token."""
    path = folder / "sample_data.json"
    calibrations = read_calibrations(folder / "sensor.json", folder / "calibrated_sensor.json")
    found = _read_records(path, folder / "sample.json", index, calibrations)
    moments, keyframes = _moments(index, found)

    sweeps = np.flatnonzero(found["channel"] == 0)
    sweeps = sweeps[np.argsort(moments[sweeps], kind="stable")]
    after = np.searchsorted(keyframes, moments[sweeps])
    first = index.first_frame[found["scene"][sweeps]]
    last = index.first_frame[found["scene"][sweeps] + 1]
    between = (first < after) & (after < last) & (moments[sweeps] < keyframes[np.minimum(after, len(keyframes) - 1)])
    sweeps, after = sweeps[between], after[between]

    records = np.full((len(sweeps), len(calibrations.channels)), -1, dtype=np.int64)
    records[:, 0] = sweeps
    for channel in range(1, records.shape[1]):
        records[:, channel] = _nearest(moments, np.flatnonzero(found["channel"] == channel), moments[sweeps])

    kept = np.unique(records[records >= 0])
    return SweepIndex(
        sweep_frames=after,
        sweep_records=np.where(records >= 0, np.searchsorted(kept, records), -1),
        tokens=found["token"][kept],
        files=found["file"][kept],
        times_us=found["time_us"][kept],
        sizes_px=found["size_px"][kept],
        calibrations=found["calibration"][kept],
        ego_pose_tokens=found["pose_token"][kept],
        ego_poses=read_ego_poses(folder / "ego_pose.json", path, found["pose_token"][kept], found["token"][kept]),
    )


def _read_records(path: Path, sample_path: Path, index: NuScenesIndex, calibrations: Calibrations) -> Columns:
    """Every image, and every sweep that is no keyframe, with its scene and channel."""
    samples = TokenIndex(sample_path, read_columns(sample_path, ("token",))["token"])
    frame_of_sample = np.argsort(samples.find(tokens_from_strings([token.decode() for token in index.frame_tokens])))
    scene_of_sample = _scene_of_frame(index)[frame_of_sample]
    calibration_index = TokenIndex(calibrations.path, calibrations.tokens)
    channel_of_calibration = dict(zip(calibrations.tokens, calibrations.channel_of_row.tolist(), strict=True))
    parts: list[Columns] = []
    for everything in read_rows(path):
        channels = [channel_of_calibration.get(name, 0) for name in column(path, everything, "calibrated_sensor_token")]
        block = [row for row, channel in zip(everything, channels, strict=True) if channel >= 0]
        names = column(path, block, "token")
        calibrated = calibration_index.rows(
            column(path, block, "calibrated_sensor_token"), path, "calibrated_sensor_token", names
        )
        channel = calibrations.channel_of_row[calibrated]
        is_key = np.array(column(path, block, "is_key_frame"), dtype=bool)
        sizes_px = [column(path, block, "width"), column(path, block, "height")]
        sample = samples.rows(column(path, block, "sample_token"), path, "sample_token", names)
        used = (channel > 0) | ((channel == 0) & ~is_key)
        part: Columns = {
            "token": tokens_from_strings(names),
            "pose_token": tokens_from_strings(column(path, block, "ego_pose_token")),
            "file": text_array(column(path, block, "filename")),
            "time_us": np.array(column(path, block, "timestamp"), dtype=np.int64),
            "size_px": np.array(sizes_px, dtype=np.int64).T,
            "calibration": calibrated,
            "channel": channel,
            "scene": scene_of_sample[sample],
        }
        parts.append({name: values[used] for name, values in part.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _scene_of_frame(index: NuScenesIndex) -> Int64[np.ndarray, "frames"]:
    return np.repeat(np.arange(len(index.scene_names)), np.diff(index.first_frame))


def _moments(index: NuScenesIndex, found: Columns) -> tuple[Int64[np.ndarray, "records"], Int64[np.ndarray, "frames"]]:
    """One number for scene and time, of records and of keyframes: microseconds, and scenes far from each other."""
    times_us = np.concatenate([found["time_us"], index.frame_times_us])
    scenes = np.concatenate([found["scene"], _scene_of_frame(index)])
    stride_us = int(times_us.max() - times_us.min()) + 10 * MAX_APART_US
    moments = scenes * stride_us + (times_us - times_us.min())
    return moments[: len(found["time_us"])], moments[len(found["time_us"]) :]


def _nearest(
    moments: Int64[np.ndarray, "records"],
    images: Int64[np.ndarray, "images"],
    wanted: Int64[np.ndarray, "sweeps"],
) -> Int64[np.ndarray, "sweeps"]:
    """Of these images the one nearest to each wanted moment, the earlier of two; -1 where none is near enough."""
    if len(images) == 0:
        return np.full(len(wanted), -1)
    images = images[np.argsort(moments[images], kind="stable")]
    have = moments[images]
    after = np.clip(np.searchsorted(have, wanted), min(1, len(have) - 1), len(have) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(wanted - have[before]) <= np.abs(have[after] - wanted), before, after)
    return np.where(np.abs(have[nearest] - wanted) <= MAX_APART_US, images[nearest], -1)
