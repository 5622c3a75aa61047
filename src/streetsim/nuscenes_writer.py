"""One scene as nuScenes files: point clouds, pictures, labels, the exact answers, and its part of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streetsim.camera import Picture
from streetsim.exact import write_exact
from streetsim.lidar import Scan
from streetsim.map_mask import map_mask
from streetsim.nuscenes_tables import MAP_ORIGIN_M, SceneTables
from streetsim.recording import Keyframe, Recording
from streetsim.rigs import CameraMount
from streetsim.semantics import NUSCENES_FROM_SEMANTIC

_FIRST_SCENE_US = 1_531_883_530_000_000
_BETWEEN_SCENES_US = 1_000_000_000
JPEG_QUALITY = 92


def write_scene(
    folder: Path,
    recording: Recording,
    name: str,
    number: int,
    version: str,
    kind: str,
    exact: bool,
    sweep_images: bool = False,
) -> dict[str, list[dict[str, Any]]]:
    """Write the files of one scene below `folder` and return its records by table.

    Args:
        name: of the scene. number: its place in the simulation, keeps times apart. version: of the dataset.
        kind: what is special about it, such as "downtown, rain".
        exact: write the exact answers too.
        sweep_images: take pictures with the sweeps between keyframes, too.
    """
    rig = recording.rig
    location = "sim-" + kind.split(",")[0]
    log = f"{location}-{name}"
    tables = SceneTables(name, recording.identity, rig, recording.keyframes, kind, location, log)
    channels = [rig.lidar.name, *(camera.name for camera in rig.cameras)]
    subfolders = ["maps", f"lidarseg/{version}", *(f"samples/{channel}" for channel in channels)]
    if recording.sweeps:
        subfolders += [f"sweeps/{channel}" for channel in (channels if sweep_images else channels[:1])]
    for subfolder in subfolders:
        (folder / subfolder).mkdir(parents=True, exist_ok=True)
    writer = _SceneWriter(folder, recording, tables, log, _FIRST_SCENE_US + number * _BETWEEN_SCENES_US, version)
    for index in range(recording.keyframes):
        writer.write_sweeps(index, sweep_images)
        keyframe = recording.keyframe(index)
        writer.write_keyframe(keyframe)
        if exact:
            cameras = {shot.mount.name: shot.answers for shot in keyframe.shots}
            write_exact(folder / "exact" / name / f"{index:03d}.npz", keyframe.scan, cameras, keyframe.flow_m)
    origin_m = (float(MAP_ORIGIN_M[0]), float(MAP_ORIGIN_M[1]))
    map_mask(recording.scenario.static, origin_m).save(folder / tables.map_file, compress_level=1)
    return tables.records


class _SceneWriter:
    def __init__(
        self, folder: Path, recording: Recording, tables: SceneTables, log: str, first_us: int, version: str
    ) -> None:
        self.folder, self.recording, self.tables = folder, recording, tables
        self.log, self.first_us, self.version = log, first_us, version

    def timestamp_us(self, time_s: float) -> int:
        """Microseconds, as nuScenes counts."""
        return self.first_us + round(time_s * 1e6)

    def filename(self, place: str, channel: str, timestamp_us: int, ending: str) -> str:
        """Relative to the dataset, in the manner of nuScenes."""
        return f"{place}/{channel}/{self.log}__{channel}__{timestamp_us}.{ending}"

    def write_sweeps(self, index: int, images: bool) -> None:
        """The sweeps since the last keyframe; each belongs to the sample that is nearer in time."""
        channel = self.recording.rig.lidar.name
        middle_s = self.recording.time_s(index) - self.recording.interval_s / 2
        for time_s, scan in self.recording.between(index):
            timestamp_us = self.timestamp_us(time_s)
            filename = self.filename("sweeps", channel, timestamp_us, "pcd.bin")
            _point_records(scan).tofile(self.folder / filename)
            pose = self.recording.scenario.ego_pose(time_s)
            sample = index - (time_s <= middle_s)
            self.tables.add_data(channel, timestamp_us, filename, pose, sample, False)
            for snapshot in self.recording.snapshots(time_s) if images else ():
                self._write_picture("sweeps", snapshot.mount, snapshot.time_s, snapshot.picture, sample)

    def write_keyframe(self, keyframe: Keyframe) -> None:
        """Points, labels, pictures, boxes."""
        ego_pose = self.recording.scenario.ego_pose
        channel = self.recording.rig.lidar.name
        timestamp_us = self.timestamp_us(keyframe.time_s)
        self.tables.add_sample(keyframe.index, timestamp_us)
        filename = self.filename("samples", channel, timestamp_us, "pcd.bin")
        _point_records(keyframe.scan).tofile(self.folder / filename)
        pose = ego_pose(keyframe.time_s)
        data = self.tables.add_data(channel, timestamp_us, filename, pose, keyframe.index, True)
        labels = f"lidarseg/{self.version}/{data}_lidarseg.bin"
        NUSCENES_FROM_SEMANTIC[keyframe.scan.semantic].tofile(self.folder / labels)
        self.tables.add_labels(data, labels)
        for shot in keyframe.shots:
            self._write_picture("samples", shot.mount, shot.time_s, shot.picture, keyframe.index)
        for annotation in keyframe.annotations:
            self.tables.add_annotation(annotation, keyframe.index)

    def _write_picture(self, place: str, mount: CameraMount, time_s: float, picture: Picture, sample: int) -> None:
        taken_us = self.timestamp_us(time_s)
        filename = self.filename(place, mount.name, taken_us, "jpg")
        Image.fromarray(picture.pixels).save(self.folder / filename, quality=JPEG_QUALITY, subsampling=0)
        pose = self.recording.scenario.ego_pose(time_s)
        size_px = (mount.width_px, mount.height_px)
        self.tables.add_data(mount.name, taken_us, filename, pose, sample, place == "samples", size_px)


def _point_records(scan: Scan) -> NDArray[np.float32]:
    """x, y, z, intensity, ring: the five numbers per point of nuScenes."""
    columns = [scan.points_lidar, scan.intensity[:, None], scan.ring[:, None].astype(np.float32)]
    return np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float32)
