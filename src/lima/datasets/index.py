"""What the nuScenes tables say, joined into arrays: one row per keyframe, per sensor and keyframe, per box."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from lima.datasets.annotations import read_boxes, read_label_files
from lima.datasets.recordings import read_calibrations, read_recordings
from lima.datasets.tables import TokenIndex, read_columns, text_array

TABLES = (
    "scene",
    "sample",
    "sample_data",
    "ego_pose",
    "calibrated_sensor",
    "sensor",
    "category",
    "instance",
    "sample_annotation",
)


@dataclass(frozen=True, eq=False)
class NuScenesIndex:
    """The tables joined. Frames are keyframes, sorted by scene (in the order of the scene table) and LiDAR time.

    channels: the LiDAR first, then the cameras: nuScenes's six clockwise from the front, then any others by name.
    Positions in other arrays are -1, and texts are empty, where there is nothing. Texts are UTF-8 bytes; instances
    and boxes are named by 16 bytes. A pose is a quaternion (w, x, y, z), then a translation in metres. A box's size
    is length, width, height; its points are LiDAR's and radar's together, as the table counts them.
    """

    scene_names: Shaped[np.ndarray, "scenes"]
    scene_frames_promised: Int64[np.ndarray, "scenes"]
    first_frame: Int64[np.ndarray, "scenes_and_end"]
    frame_tokens: Shaped[np.ndarray, "frames"]
    frame_times_us: Int64[np.ndarray, "frames"]
    previous_frame: Int64[np.ndarray, "frames"]
    next_frame: Int64[np.ndarray, "frames"]
    channels: Shaped[np.ndarray, "channels"]
    data_tokens: Shaped[np.ndarray, "frames channels"]
    data_files: Shaped[np.ndarray, "frames channels"]
    data_times_us: Int64[np.ndarray, "frames channels"]
    data_sizes_px: Int64[np.ndarray, "frames channels 2"]
    data_calibrations: Int64[np.ndarray, "frames channels"]
    ego_pose_tokens: Shaped[np.ndarray, "frames channels"]
    ego_poses: Float64[np.ndarray, "frames channels 7"]
    calibration_tokens: Shaped[np.ndarray, "calibrations"]
    calibration_poses: Float64[np.ndarray, "calibrations 7"]
    calibration_intrinsics: Float64[np.ndarray, "calibrations 3 3"]
    has_labels: Bool[np.ndarray, ""]
    label_files: Shaped[np.ndarray, "frames"]
    category_names: Shaped[np.ndarray, "categories"]
    category_label_ids: Int64[np.ndarray, "categories"]
    instance_tokens: Shaped[np.ndarray, "instances"]
    first_box: Int64[np.ndarray, "frames_and_end"]
    box_tokens: Shaped[np.ndarray, "boxes"]
    box_categories: Int64[np.ndarray, "boxes"]
    box_instances: Int64[np.ndarray, "boxes"]
    box_poses: Float64[np.ndarray, "boxes 7"]
    box_sizes_m: Float64[np.ndarray, "boxes 3"]
    box_velocities_mps: Float64[np.ndarray, "boxes 3"]
    attribute_names: Shaped[np.ndarray, "attributes"]
    box_attributes: Int64[np.ndarray, "boxes"]
    box_points: Int64[np.ndarray, "boxes"]


def build_index(folder: Path) -> NuScenesIndex:
    """The index of a version folder from its tables. Raises FileNotFoundError and ValueError naming table and token."""
    paths = {table: folder / f"{table}.json" for table in TABLES}
    scenes = read_columns(paths["scene"], ("token", "name", "nbr_samples"))
    samples = read_columns(paths["sample"], ("token", "timestamp", "scene_token", "prev", "next"))
    sample_index = TokenIndex(paths["sample"], samples["token"])
    scene_index = TokenIndex(paths["scene"], scenes["token"])
    scene_of_sample = scene_index.rows(samples["scene_token"], paths["sample"], "scene_token", samples["token"])

    calibrations = read_calibrations(paths["sensor"], paths["calibrated_sensor"])
    recordings = read_recordings(paths["sample_data"], paths["ego_pose"], sample_index, samples["token"], calibrations)
    lidar_times_us = recordings["data_times_us"][:, 0]
    sample_of_frame = np.lexsort((lidar_times_us, scene_of_sample))
    frame_of_sample = np.argsort(sample_of_frame)

    def neighbours(field: str) -> Int64[np.ndarray, "frames"]:
        rows = sample_index.rows(samples[field], paths["sample"], field, samples["token"], may_be_empty=True)
        return np.where(rows < 0, -1, frame_of_sample[rows])[sample_of_frame]

    has_labels, label_files = read_label_files(folder / "lidarseg.json", recordings["data_tokens"][:, 0])
    return NuScenesIndex(
        scene_names=text_array(scenes["name"]),
        scene_frames_promised=np.array(scenes["nbr_samples"], dtype=np.int64),
        first_frame=np.searchsorted(scene_of_sample[sample_of_frame], np.arange(len(scenes["token"]) + 1)),
        frame_tokens=text_array(samples["token"])[sample_of_frame],
        frame_times_us=lidar_times_us[sample_of_frame],
        previous_frame=neighbours("prev"),
        next_frame=neighbours("next"),
        channels=text_array(calibrations.channels),
        **{name: array[sample_of_frame] for name, array in recordings.items()},
        calibration_tokens=text_array(calibrations.tokens),
        calibration_poses=calibrations.poses,
        calibration_intrinsics=calibrations.intrinsics,
        has_labels=has_labels,
        label_files=label_files[sample_of_frame],
        **read_boxes(paths, sample_index, frame_of_sample, np.array(samples["timestamp"], dtype=np.int64)),
    )
