"""Frames as a plain folder, from the page that describes it, in any of its forms. Knows nothing of the reader."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from lima.geometry.rigid import RigidTransform
from lima.scene import Frame

Table = np.ndarray  # records with names
KINDS = ("npy", "bin", "pcd ascii", "pcd binary", "pcd binary_compressed", "ply ascii", "ply little", "ply big")


def table_of(frame: Frame) -> Table:
    """x, y, z, intensity 0 … 255, ring."""
    fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4"), ("ring", "<u2")]
    table = np.zeros(len(frame.sweep.points_lidar), dtype=fields)
    for place, name in enumerate("xyz"):
        table[name] = frame.sweep.points_lidar[:, place].numpy()
    table["intensity"] = np.round(frame.sweep.intensity.numpy() * 255)
    if frame.sweep.ring is not None:
        table["ring"] = frame.sweep.ring.numpy()
    return table


def write_points(path: Path, table: Table, kind: str) -> None:
    """One file of points. kind: ending, and how."""
    names = table.dtype.names or ()
    match kind.split():
        case ["npy"]:
            np.save(path, table)
        case ["bin"]:
            np.stack([table[name].astype("<f4") for name in names], axis=1).tofile(path)
        case ["pcd", data]:
            path.write_bytes(_pcd(table, data))
        case ["ply", data]:
            path.write_bytes(_ply(table, data))


def _pcd(table: Table, data: str) -> bytes:
    kinds = {"f": "F", "u": "U", "i": "I"}
    names = table.dtype.names or ()
    types = [table.dtype[name] for name in names]
    head = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n"
        f"FIELDS {' '.join(names)}\nSIZE {' '.join(str(kind.itemsize) for kind in types)}\n"
        f"TYPE {' '.join(kinds[kind.kind] for kind in types)}\nCOUNT {' '.join('1' for _ in types)}\n"
        f"WIDTH {len(table)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(table)}\nDATA {data}\n"
    ).encode()
    if data == "ascii":
        return head + _lines(table)
    if data == "binary":
        return head + table.tobytes()
    plain = b"".join(np.ascontiguousarray(table[name]).tobytes() for name in names)
    packed = lzf_compress(plain)
    return head + struct.pack("<II", len(packed), len(plain)) + packed


def _ply(table: Table, data: str) -> bytes:
    words = {"<f4": "float", "<f8": "double", "<u2": "ushort", "|u1": "uchar", "<i4": "int"}
    formats = {"ascii": "ascii", "little": "binary_little_endian", "big": "binary_big_endian"}
    names = table.dtype.names or ()
    head = f"ply\nformat {formats[data]} 1.0\ncomment made by hand\nelement vertex {len(table)}\n"
    head += "".join(f"property {words[table.dtype[name].str]} {name}\n" for name in names)
    head += "element face 0\nproperty list uchar int vertex_indices\nend_header\n"
    if data == "ascii":
        return head.encode() + _lines(table)
    return head.encode() + (table if data == "little" else table.astype(table.dtype.newbyteorder(">"))).tobytes()


def _lines(table: Table) -> bytes:
    """Float32 numbers with nine digits come back as they were."""
    words = [
        [f"{value:.9g}" for value in table[name]] if table.dtype[name].kind == "f" else [str(v) for v in table[name]]
        for name in table.dtype.names or ()
    ]
    return "".join(" ".join(row) + "\n" for row in zip(*words, strict=True)).encode()


def lzf_compress(plain: bytes) -> bytes:
    """A greedy packer in the format of liblzf: literals up to 32 bytes, references of 3 … 264 bytes up to 8192 back."""
    packed, literals, place = bytearray(), bytearray(), 0
    seen: dict[bytes, int] = {}

    def flush() -> None:
        for start in range(0, len(literals), 32):
            run = literals[start : start + 32]
            packed.append(len(run) - 1)
            packed.extend(run)
        literals.clear()

    while place < len(plain):
        key = plain[place : place + 3]
        before = seen.get(key)
        seen[key] = place
        if before is None or len(key) < 3 or place - before > 8192:
            literals.append(plain[place])
            place += 1
            continue
        length = 3
        while length < 264 and place + length < len(plain) and plain[before + length] == plain[place + length]:
            length += 1
        flush()
        distance, code = place - before - 1, length - 2
        if code < 7:
            packed.append((code << 5) | (distance >> 8))
        else:
            packed.extend([(7 << 5) | (distance >> 8), code - 7])
        packed.append(distance & 255)
        place += length
    flush()
    return bytes(packed)


def matrix_rows(pose: RigidTransform) -> list[list[float]]:
    """4 x 4, as calibration.yaml takes it."""
    return pose.matrix().tolist()


def wxyz_of(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """The quaternion of a rotation by less than half a turn about the world's x or y: enough for vehicles."""
    w = np.sqrt(max(1 + np.trace(rotation), 0)) / 2
    if w < 1e-3:
        raise ValueError("half a turn: the formula divides by nothing")
    x, y, z = (
        (rotation[2, 1] - rotation[1, 2]) / (4 * w),
        (rotation[0, 2] - rotation[2, 0]) / (4 * w),
        (rotation[1, 0] - rotation[0, 1]) / (4 * w),
    )
    return float(w), float(x), float(y), float(z)


def tum_line(time_ns: int, pose: RigidTransform) -> str:
    """time x y z qx qy qz qw."""
    w, x, y, z = wxyz_of(pose.rotation.numpy())
    numbers = [*pose.translation_m.tolist(), x, y, z, w]
    return f"{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000:09d} " + " ".join(f"{value:.12g}" for value in numbers)


def calibration(frame: Frame, **points: object) -> dict[str, object]:
    """calibration.yaml; JSON is YAML too."""
    return {
        "ego_from_lidar": matrix_rows(frame.sweep.ego_from_lidar),
        "points": {"intensity_max": 255, **points},
        "cameras": {
            image.name: {
                "size_px": [image.camera.width_px, image.camera.height_px],
                "intrinsics_px": [image.camera.fx_px, image.camera.fy_px, image.camera.cx_px, image.camera.cy_px],
                "ego_from_cam": matrix_rows(image.ego_from_cam),
            }
            for image in frame.images
        },
    }


def write_drive(
    folder: Path,
    frames: Iterable[Frame],
    kind: str = "npy",
    poses: str = "times",
    change_points: Callable[[Table], Table] = lambda table: table,
) -> Path:
    """One drive. poses: "times" (the pose of every sensor at its time), "matrices" (of the sweeps), "none"."""
    lines: dict[int, str] = {}
    matrices: list[str] = []
    (folder / "points").mkdir(parents=True)
    first: Frame | None = None
    for frame in frames:
        first = first or frame
        sweep = frame.sweep
        name = str(sweep.timestamp_ns)
        write_points(folder / "points" / f"{name}.{kind.split()[0]}", change_points(table_of(frame)), kind)
        lines[sweep.timestamp_ns] = tum_line(sweep.timestamp_ns, sweep.world_from_ego)
        rows = sweep.world_from_ego.matrix().numpy()[:3]
        matrices.append(" ".join(f"{value:.12g}" for value in rows.ravel()))
        for image in frame.images:
            place = folder / "images" / image.name
            place.mkdir(parents=True, exist_ok=True)
            pixels = image.read_pixels().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(place / f"{image.timestamp_ns}.png", compress_level=1)
            lines[image.timestamp_ns] = tum_line(image.timestamp_ns, image.world_from_ego)
        if frame.read_labels is not None:
            (folder / "labels").mkdir(exist_ok=True)
            frame.read_labels().numpy().astype("<u4").tofile(folder / "labels" / f"{name}.label")
    assert first is not None
    points = {"columns": ["x", "y", "z", "intensity", "ring"]} if kind == "bin" else {}
    (folder / "calibration.yaml").write_text(json.dumps(calibration(first, **points)), encoding="utf-8")
    if poses == "times":
        (folder / "poses.txt").write_text("\n".join(lines[time_ns] for time_ns in sorted(lines)) + "\n")
    elif poses == "matrices":
        (folder / "poses.txt").write_text("\n".join(matrices) + "\n")
    return folder


def write_classes(root: Path, names: Iterable[str]) -> None:
    """classes.yaml: every class by its position."""
    (root / "classes.yaml").write_text("".join(f"{number}: {name}\n" for number, name in enumerate(names)))
