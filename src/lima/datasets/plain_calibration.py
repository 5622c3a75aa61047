"""calibration.yaml of a plain folder: where the sensors sit, how the cameras draw, what the points' numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Float64

from lima.datasets.rotations import quaternions
from lima.datasets.yaml_file import read_yaml
from lima.geometry.camera import PinholeCamera
from lima.geometry.distortion import MODELS, Distortion
from lima.geometry.rigid import RigidTransform

CALIBRATION_FILE = "calibration.yaml"
IMAGE_WITHIN_S = 0.05
_CAMERA_POSES = ("ego_from_cam", "cam_from_ego", "lidar_from_cam", "cam_from_lidar")
_POSE_FORMS = (
    "{translation_m: [x, y, z], rotation_wxyz: [w, x, y, z]}, a 3 x 4 or 4 x 4 matrix as a list of rows, or the word "
    "identity"
)


@dataclass(frozen=True)
class PointLayout:
    """What the numbers of a point mean.

    columns: of files that do not tell themselves. intensity_max: the value that means 1; larger ones count as 1. None:
    what the type can hold, and 1 for floats. compensated: the vehicle's motion during the turn is already taken out;
    if not, and the points have times, they are moved to the sweep's timestamp. drop_invalid: points that are NaN,
    infinite or at the origin are left out; otherwise they are an error.
    """

    columns: tuple[str, ...] | None = None
    intensity_max: float | None = None
    compensated: bool = True
    drop_invalid: bool = False


@dataclass(frozen=True, eq=False)
class CameraCalibration:
    """A camera on the vehicle. distortion: None for pictures that are rectified already."""

    camera: PinholeCamera
    ego_from_cam: RigidTransform
    distortion: Distortion | None = None


@dataclass(frozen=True, eq=False)
class Calibration:
    """All that calibration.yaml says.

    rate_hz: sweeps per second, where nothing tells the files' times. image_within_s: pictures farther in time from a
    sweep do not belong to it. keyframes_per_s: frames are so far apart at least; None: every sweep is one.
    """

    ego_from_lidar: RigidTransform
    cameras: Mapping[str, CameraCalibration] = field(default_factory=dict)
    points: PointLayout = field(default_factory=PointLayout)
    rate_hz: float | None = None
    image_within_s: float = IMAGE_WITHIN_S
    keyframes_per_s: float | None = None


def read_calibration(path: Path) -> Calibration:
    """Raises FileNotFoundError, PermissionError, and ValueError that names the entry that is wrong."""
    entries = _Entries(path, "", read_yaml(path, "the calibration"))
    entries.only(
        "ego_from_lidar", "lidar_from_ego", "cameras", "points", "rate_hz", "image_within_s", "keyframes_per_s"
    )
    _, ego_from_lidar = _pose(entries, ("ego_from_lidar", "lidar_from_ego"))
    cameras = {
        str(name): _camera(_Entries(path, f"cameras: {name}", about), ego_from_lidar)
        for name, about in entries.mapping("cameras").items()
    }
    return Calibration(
        ego_from_lidar=ego_from_lidar,
        cameras=cameras,
        points=_layout(_Entries(path, "points", entries.mapping("points"))),
        rate_hz=entries.positive("rate_hz"),
        image_within_s=entries.positive("image_within_s") or IMAGE_WITHIN_S,
        keyframes_per_s=entries.positive("keyframes_per_s"),
    )


def calibration_text(calibration: Calibration) -> str:
    """The calibration as YAML; read back it is the same."""
    entries: dict[str, Any] = {"ego_from_lidar": _pose_entry(calibration.ego_from_lidar)}
    layout = calibration.points
    points: dict[str, Any] = {}
    if layout.columns is not None:
        points["columns"] = list(layout.columns)
    if layout.intensity_max is not None:
        points["intensity_max"] = layout.intensity_max
    points["compensated"] = layout.compensated
    if layout.drop_invalid:
        points["drop_invalid"] = True
    entries["points"] = points
    for name in ("rate_hz", "image_within_s", "keyframes_per_s"):
        if getattr(calibration, name) is not None:
            entries[name] = getattr(calibration, name)
    entries["cameras"] = {name: _camera_entry(camera) for name, camera in calibration.cameras.items()}
    return yaml.safe_dump(entries, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


class _Entries:
    """A mapping of the file, and its place for messages."""

    def __init__(self, path: Path, place: str, entries: Any) -> None:
        self.path, self.place = path, place
        if not isinstance(entries, dict):
            raise ValueError(self.wrong(f"entries such as {'ego_from_lidar' if not place else 'name'}: … expected"))
        self.entries = entries

    def wrong(self, what: str) -> str:
        return f"{self.path}{', ' + self.place if self.place else ''}: {what}"

    def only(self, *names: str) -> None:
        unknown = sorted(str(name) for name in self.entries if name not in names)
        if unknown:
            raise ValueError(self.wrong(f"{unknown[0]!r} is unknown; known are {', '.join(names)}"))

    def mapping(self, name: str) -> dict[Any, Any]:
        found = self.entries.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise ValueError(self.wrong(f"{name} must hold entries with names, got {found!r}"))
        return found

    def numbers(self, name: str, shape: tuple[int, ...]) -> Float64[np.ndarray, "..."]:
        values = self._array(name)
        if values is None or values.shape != shape or not np.isfinite(values).all():
            text = " x ".join(map(str, shape))
            raise ValueError(self.wrong(f"{name} must be {text} finite numbers, got {self.entries.get(name)!r}"))
        return values

    def matrix(self, name: str) -> Float64[np.ndarray, "rows columns"] | None:
        values = self._array(name)
        return values if values is not None and values.ndim == 2 else None

    def _array(self, name: str) -> Float64[np.ndarray, "..."] | None:
        try:
            return np.array(self.entries.get(name), dtype=np.float64)
        except (TypeError, ValueError):
            return None

    def positive(self, name: str) -> float | None:
        if self.entries.get(name) is None:
            return None
        value = float(self.numbers(name, ()))
        if value <= 0:
            raise ValueError(self.wrong(f"{name} must be above 0, got {value:g}"))
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.entries.get(name, default)
        if not isinstance(value, bool):
            raise ValueError(self.wrong(f"{name} must be true or false, got {value!r}"))
        return value


def _layout(entries: _Entries) -> PointLayout:
    entries.only("columns", "intensity_max", "compensated", "drop_invalid")
    columns = entries.entries.get("columns")
    if columns is not None:
        good = isinstance(columns, list) and all(isinstance(name, str) for name in columns)
        if not good or not {"x", "y", "z"} <= {name.lower() for name in columns} or len(set(columns)) < len(columns):
            raise ValueError(
                entries.wrong(f"columns must be different names with x, y and z among them, got {columns!r}")
            )
    return PointLayout(
        columns=None if columns is None else tuple(columns),
        intensity_max=entries.positive("intensity_max"),
        compensated=entries.flag("compensated", True),
        drop_invalid=entries.flag("drop_invalid", False),
    )


def _camera(entries: _Entries, ego_from_lidar: RigidTransform) -> CameraCalibration:
    entries.only("size_px", "intrinsics_px", "distortion", *_CAMERA_POSES)
    name, pose = _pose(entries, _CAMERA_POSES)
    width_px, height_px = entries.numbers("size_px", (2,)).tolist()
    fx_px, fy_px, cx_px, cy_px = _intrinsics(entries)
    try:
        camera = PinholeCamera(fx_px, fy_px, cx_px, cy_px, int(width_px), int(height_px))
        distortion = _distortion(entries)
    except ValueError as problem:
        raise ValueError(entries.wrong(str(problem))) from None
    return CameraCalibration(camera, ego_from_lidar @ pose if "lidar" in name else pose, distortion)


def _intrinsics(entries: _Entries) -> list[float]:
    matrix = entries.matrix("intrinsics_px")
    if matrix is None:
        return entries.numbers("intrinsics_px", (4,)).tolist()
    good = matrix.shape == (3, 3) and np.isfinite(matrix).all()
    if not good or not np.allclose([matrix[0, 1], *matrix[1:, 0], matrix[2, 1], matrix[2, 2] - 1], 0):
        raise ValueError(
            entries.wrong(
                f"intrinsics_px must be [fx, fy, cx, cy] or [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got "
                f"{entries.entries['intrinsics_px']!r}"
            )
        )
    return [float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2])]


def _distortion(entries: _Entries) -> Distortion | None:
    if entries.entries.get("distortion") is None:
        return None
    about = _Entries(entries.path, f"{entries.place}: distortion", entries.entries["distortion"])
    about.only("model", "coefficients")
    model, coefficients = about.entries.get("model"), about.entries.get("coefficients")
    if model not in MODELS:
        raise ValueError(
            f"distortion model {model!r} is unknown: {', '.join(MODELS)} can be taken out; rectify the pictures of "
            f"other lenses first and give the intrinsics of the rectified ones"
        )
    if not isinstance(coefficients, list):
        raise ValueError(f"distortion needs coefficients: [...], got {coefficients!r}")
    return Distortion(model, tuple(about.numbers("coefficients", (len(coefficients),)).tolist()))


def _pose(entries: _Entries, names: tuple[str, ...]) -> tuple[str, RigidTransform]:
    """The one of these entries that is there, as the transform that the first of its two ways would be."""
    given = [name for name in names if name in entries.entries]
    if len(given) != 1:
        held = " and ".join(given) or "none"
        raise ValueError(entries.wrong(f"exactly one of {', '.join(names)} must be given, got {held}: {_POSE_FORMS}"))
    name = given[0]
    try:
        pose = _transform(_Entries(entries.path, entries.place, {name: entries.entries[name]}), name)
    except ValueError as problem:
        told = str(problem)
        raise ValueError(told if told.startswith(str(entries.path)) else entries.wrong(f"{name}: {told}")) from None
    turned = name.startswith("cam_from") or name == "lidar_from_ego"
    return name, pose.inverse() if turned else pose


def _transform(entries: _Entries, name: str) -> RigidTransform:
    found = entries.entries[name]
    if found == "identity":
        return RigidTransform.identity()
    if isinstance(found, dict):
        about = _Entries(entries.path, f"{entries.place}{': ' if entries.place else ''}{name}", found)
        about.only("translation_m", "rotation_wxyz")
        wxyz = about.numbers("rotation_wxyz", (4,)).tolist()
        return RigidTransform.from_quaternion(wxyz, about.numbers("translation_m", (3,)).tolist())
    matrix = entries.matrix(name)
    if matrix is None or matrix.shape not in ((3, 4), (4, 4)):
        raise ValueError(f"got {found!r}, expected {_POSE_FORMS}")
    return RigidTransform.from_matrix(torch.from_numpy(matrix))


def _pose_entry(pose: RigidTransform) -> dict[str, list[float]]:
    (wxyz,) = quaternions(pose.rotation.numpy()[None])
    return {"translation_m": pose.translation_m.tolist(), "rotation_wxyz": wxyz.tolist()}


def _camera_entry(camera: CameraCalibration) -> dict[str, Any]:
    lens = camera.camera
    entry: dict[str, Any] = {
        "size_px": [lens.width_px, lens.height_px],
        "intrinsics_px": [lens.fx_px, lens.fy_px, lens.cx_px, lens.cy_px],
        "ego_from_cam": _pose_entry(camera.ego_from_cam),
    }
    if camera.distortion is not None:
        entry["distortion"] = {
            "model": camera.distortion.model, "coefficients": list(camera.distortion.coefficients)
        }  # fmt: skip
    return entry
