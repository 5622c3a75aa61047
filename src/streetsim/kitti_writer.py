"""One drive as a SemanticKITTI sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from streetsim.exact import write_exact
from streetsim.recording import Recording
from streetsim.semantics import kitti_labels


def write_sequence(folder: Path, recording: Recording, name: str, exact: bool) -> None:
    """Write `sequences/<name>` below `folder`.

    The reference frame of calibration and poses is the rig's first camera, which stands for cameras 0 and 2 of KITTI;
    the second one stands for 1 and 3. Points are compensated for the vehicle's motion, as in the odometry set.
    """
    rig = recording.rig
    sequence = folder / "sequences" / name
    for subfolder in ("velodyne", "labels", *(camera.name for camera in rig.cameras)):
        (sequence / subfolder).mkdir(parents=True, exist_ok=True)
    _write_calibration(sequence / "calib.txt", recording)
    reference_from_ego = np.linalg.inv(rig.cameras[0].ego_from_cam())
    first_from_world = reference_from_ego @ np.linalg.inv(recording.scenario.ego_pose(recording.time_s(0)))
    poses, times = [], []
    for index in range(recording.keyframes):
        keyframe = recording.keyframe(index)
        scan, file = keyframe.scan, f"{index:06d}"
        points = np.concatenate([scan.points_lidar, scan.intensity[:, None] / 255], axis=1)
        np.ascontiguousarray(points, dtype=np.float32).tofile(sequence / "velodyne" / f"{file}.bin")
        labels = kitti_labels(scan.semantic, keyframe.moving).astype(np.uint32)
        instances = scan.instance.astype(np.uint32) & 0xFFFF
        (labels | (instances << 16)).tofile(sequence / "labels" / f"{file}.label")
        for shot in keyframe.shots:
            Image.fromarray(shot.picture.pixels).save(sequence / shot.mount.name / f"{file}.png", compress_level=1)
        if exact:
            cameras = {shot.mount.name: shot.answers for shot in keyframe.shots}
            write_exact(folder / "exact" / name / f"{index:03d}.npz", scan, cameras, keyframe.flow_m)
        world_from_reference = recording.scenario.ego_pose(keyframe.time_s) @ rig.cameras[0].ego_from_cam()
        poses.append((first_from_world @ world_from_reference)[:3].ravel())
        times.append(keyframe.time_s)
    np.savetxt(sequence / "poses.txt", np.array(poses), fmt="%.9e")
    np.savetxt(sequence / "times.txt", np.array(times), fmt="%.6e")


def _write_calibration(file: Path, recording: Recording) -> None:
    """P0 … P3: projections from the reference camera's frame; Tr: from the LiDAR's frame to the reference camera's."""
    cameras = recording.rig.cameras
    reference_from_ego = np.linalg.inv(cameras[0].ego_from_cam())
    lines = []
    for number in range(4):
        camera = cameras[number % 2 % len(cameras)]
        cam_from_reference = np.linalg.inv(camera.ego_from_cam()) @ cameras[0].ego_from_cam()
        projection = camera.intrinsics() @ cam_from_reference[:3]
        lines.append(f"P{number}: " + " ".join(f"{value:.12e}" for value in projection.ravel()))
    reference_from_lidar = reference_from_ego @ recording.rig.lidar.ego_from_lidar()
    lines.append("Tr: " + " ".join(f"{value:.12e}" for value in reference_from_lidar[:3].ravel()))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
