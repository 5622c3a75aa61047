"""Folders of KITTI and its relatives, small enough to know by heart, written from their public descriptions alone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

SCANS = 4
POINTS = 50
WIDTH_PX, HEIGHT_PX = 64, 24
INTRINSICS = np.array([[40.0, 0, 31.5], [0, 40.0, 11.5], [0, 0, 1]])
SEMANTIC_KITTI_IDS = (0, 10, 40, 48, 70, 252, 254, 81)
KITTI_RAW = "2011_09_26/2011_09_26_drive_0005_sync"
FIRST_S = 1_317_042_145  # 2011-09-26 13:02:25 UTC


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Rz(yaw) Ry(pitch) Rx(roll)."""
    c, s = math.cos(yaw), math.sin(yaw)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = math.cos(pitch), math.sin(pitch)
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = math.cos(roll), math.sin(roll)
    return about_z @ about_y @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def homogeneous(rotation: np.ndarray, translation: tuple[float, ...] | np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return matrix


CAM_FROM_LIDAR_AXES = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # x right, y down, z forward
CAM0_FROM_LIDAR = homogeneous(turned(0.01, 0.02, -0.01) @ CAM_FROM_LIDAR_AXES, (0.05, -0.08, -0.27))


def points(drive: int, scan: int, columns: int = 4) -> np.ndarray:
    """x, y, z in metres, intensity 0 … 1, ring where there is a fifth column."""
    rng = np.random.default_rng(1000 * drive + scan)
    made = rng.uniform((-20, -20, -2, 0, 0), (20, 20, 3, 1, 64), (POINTS, 5)).astype(np.float32)
    made[:, 4] = np.floor(made[:, 4])
    return made[:, :columns].copy()


def label_ids(drive: int, scan: int, ids: tuple[int, ...] = SEMANTIC_KITTI_IDS) -> np.ndarray:
    rng = np.random.default_rng(5000 + 1000 * drive + scan)
    return rng.choice(np.array(ids, dtype=np.uint32), POINTS)


def pixels(scan: int) -> np.ndarray:
    return np.full((HEIGHT_PX, WIDTH_PX, 3), (10, 40 * scan, 200), dtype=np.uint8)


def world_from_lidar(scan: int) -> np.ndarray:
    """Driving on a bend that climbs; the world is where the LiDAR stood first."""
    return homogeneous(turned(0.1 * scan, -0.01 * scan, 0.02 * scan), (1.0 * scan, 0.05 * scan**2, 0.02 * scan))


def cam0_pose(scan: int) -> np.ndarray:
    """What poses.txt says: the first camera's frame from the camera's now."""
    return CAM0_FROM_LIDAR @ world_from_lidar(scan) @ np.linalg.inv(CAM0_FROM_LIDAR)


def row(matrix: np.ndarray) -> str:
    return " ".join(f"{value:.12e}" for value in np.asarray(matrix)[:3].ravel())


def projection(baseline_m: float) -> np.ndarray:
    """Of a camera to the right of the first one."""
    return INTRINSICS @ np.concatenate([np.eye(3), [[-baseline_m], [0.01], [0.002]]], axis=1)


def write_calib(path: Path) -> None:
    lines = [f"P{camera}: {row(projection(0.0 if camera % 2 == 0 else 0.54))}" for camera in range(4)]
    path.write_text("\n".join([*lines, f"Tr: {row(CAM0_FROM_LIDAR)}"]) + "\n")


def write_scans(
    folder: Path,
    drive: int = 0,
    ids: tuple[int, ...] = SEMANTIC_KITTI_IDS,
    scans: str = "velodyne",
    labels: str | None = "labels",
    columns: int = 4,
    intensity: float = 1.0,
) -> Path:
    """Scans 000000 … with labels, intensities up to the given."""
    (folder / scans).mkdir(parents=True)
    if labels is not None:
        (folder / labels).mkdir()
    for scan in range(SCANS):
        made = points(drive, scan, columns)
        made[:, 3] *= intensity
        made.tofile(folder / scans / f"{scan:06d}.bin")
        if labels is not None:
            (label_ids(drive, scan, ids) | np.uint32(7 << 16)).tofile(folder / labels / f"{scan:06d}.label")
    return folder


def write_odometry(
    root: Path, names: tuple[str, ...] = ("00", "08"), images: tuple[str, ...] = ("image_2", "image_3")
) -> Path:
    """KITTI's odometry set with SemanticKITTI's labels, two scans a second."""
    for drive, name in enumerate(names):
        sequence = write_scans(root / "sequences" / name, drive)
        write_calib(sequence / "calib.txt")
        (sequence / "poses.txt").write_text("\n".join(row(cam0_pose(scan)) for scan in range(SCANS)) + "\n")
        (sequence / "times.txt").write_text("\n".join(f"{0.5 * scan:.6e}" for scan in range(SCANS)) + "\n")
        for image in images:
            (sequence / image).mkdir()
            for scan in range(SCANS):
                Image.fromarray(pixels(scan)).save(sequence / image / f"{scan:06d}.png")
    return root


# --- the raw data

VELO_FROM_IMU = homogeneous(turned(0.001, -0.002, 0.003), (-0.81, 0.32, -0.80))
CAM0_FROM_VELO_UNRECTIFIED = homogeneous(turned(0.01, 0.0, -0.01) @ CAM_FROM_LIDAR_AXES, (0.0, -0.08, -0.27))
RECTIFYING = turned(0.005, -0.007, 0.004)
SENSOR_DELAYS_S = {"oxts": 0.004, "velodyne_points": 0.0, "image_00": 0.010, "image_02": 0.011, "image_03": 0.012}


def packet(scan: int) -> list[float]:
    """Latitude, longitude in degrees, altitude, roll, pitch, yaw, and 24 more."""
    return [49.01 + 1e-6 * scan, 8.42 + 12e-6 * scan, 112.8 + 0.01 * scan, 0.02, -0.01 + 0.001 * scan, 0.03 * scan] + [
        0.5
    ] * 24


def time_text(seconds: float) -> str:
    whole = FIRST_S + math.floor(seconds)
    nanoseconds = round((seconds - math.floor(seconds)) * 1e9)
    minutes, rest = divmod(whole - FIRST_S + 25, 60)
    return f"2011-09-26 13:{2 + minutes:02d}:{rest:02d}.{nanoseconds:09d}"


def write_raw(root: Path, timestamps: bool = True, tracking: bool = False) -> Path:
    """One drive of a date, with calib_*.txt or the tracking benchmark's calibration."""
    drive = root / KITTI_RAW
    for sensor in SENSOR_DELAYS_S:
        (drive / sensor / "data").mkdir(parents=True)
        if timestamps:
            times = [time_text(0.1 * scan + SENSOR_DELAYS_S[sensor]) for scan in range(SCANS)]
            (drive / sensor / "timestamps.txt").write_text("\n".join(times) + "\n")
    for scan in range(SCANS):
        points(0, scan).tofile(drive / "velodyne_points" / "data" / f"{scan:010d}.bin")
        (drive / "oxts" / "data" / f"{scan:010d}.txt").write_text(" ".join(map(repr, packet(scan))) + "\n")
        for image in ("image_00", "image_02", "image_03"):
            Image.fromarray(pixels(scan)).save(drive / image / "data" / f"{scan:010d}.png")
    if tracking:
        write_tracking_calibration(root / "tracking" / "calib_0000.txt")
    else:
        write_raw_calibration(drive.parent)
    return root


def write_raw_calibration(date: Path) -> None:
    lines = ["calib_time: 09-Jan-2012 13:57:47", "corner_dist: 9.950000e-02"]
    for camera in range(4):
        lines.append(f"S_rect_{camera:02d}: {WIDTH_PX}.0 {HEIGHT_PX}.0")
        lines.append(f"R_rect_{camera:02d}: " + " ".join(f"{value:.12e}" for value in RECTIFYING.ravel()))
        lines.append(f"P_rect_{camera:02d}: {row(projection(0.0 if camera % 2 == 0 else 0.54))}")
    (date / "calib_cam_to_cam.txt").write_text("\n".join(lines) + "\n")
    for name, transform in (("velo_to_cam", CAM0_FROM_VELO_UNRECTIFIED), ("imu_to_velo", VELO_FROM_IMU)):
        rotation = " ".join(f"{value:.12e}" for value in transform[:3, :3].ravel())
        translation = " ".join(f"{value:.12e}" for value in transform[:3, 3])
        (date / f"calib_{name}.txt").write_text(f"calib_time: 15-Mar-2012\nR: {rotation}\nT: {translation}\n")


def write_tracking_calibration(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = [f"P{camera}: {row(projection(0.0 if camera % 2 == 0 else 0.54))}" for camera in range(4)]
    lines.append("R_rect " + " ".join(f"{value:.12e}" for value in RECTIFYING.ravel()))  # as the benchmark has it
    lines += [f"Tr_velo_cam {row(CAM0_FROM_VELO_UNRECTIFIED)}", f"Tr_imu_velo {row(VELO_FROM_IMU)}"]
    path.write_text("\n".join(lines) + "\n")
