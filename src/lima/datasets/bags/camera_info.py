"""sensor_msgs/CameraInfo as a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lima.geometry.camera import PinholeCamera
from lima.geometry.distortion import Distortion, Model
from lima.geometry.rigid import RigidTransform

_MODELS: dict[str, Model] = {
    "plumb_bob": "plumb_bob",
    "rational_polynomial": "rational_polynomial",
    "equidistant": "equidistant",
    "fisheye": "equidistant",
}
_COUNTS: dict[Model, int] = {"plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}


@dataclass(frozen=True, eq=False)
class Lens:
    """A camera. cam_from_optical: how a rectified picture is turned against the frame that CameraInfo names."""

    camera: PinholeCamera
    distortion: Distortion | None
    cam_from_optical: RigidTransform


def lens_of(message: Any, rectified: bool) -> Lens:
    """The camera of a topic's pictures. rectified: they are rectified already, P counts and not K and D.

    Raises ValueError for cameras without calibration, binned or cut pictures, and distortion models that are unknown.
    """
    width_px, height_px = int(message.width), int(message.height)
    if int(message.binning_x) > 1 or int(message.binning_y) > 1 or (int(message.roi.width) not in (0, width_px)):
        raise ValueError(
            f"pictures are binned ({message.binning_x} x {message.binning_y}) or cut (roi {message.roi.width} x "
            f"{message.roi.height}): whole ones were expected; describe the camera with --calibration"
        )
    values = {name.lower(): getattr(message, name) for name in ("d", "k", "r", "p", "D", "K", "R", "P")
              if hasattr(message, name)}  # fmt: skip
    matrix = np.asarray(values["p"], dtype=np.float64).reshape(3, 4)[:, :3] if rectified else (
        np.asarray(values["k"], dtype=np.float64).reshape(3, 3)
    )  # fmt: skip
    if not matrix[0, 0] > 0:
        raise ValueError("the camera is not calibrated (focal length 0): describe it with --calibration")
    camera = PinholeCamera(
        float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2]), width_px, height_px
    )
    turn = RigidTransform.identity()
    if rectified:
        rotation = torch.tensor(np.asarray(values["r"], dtype=np.float64).reshape(3, 3))
        if bool((rotation != 0).any()):
            turn = RigidTransform(rotation, torch.zeros(3, dtype=torch.float64))
        return Lens(camera, None, turn)
    return Lens(camera, _distortion(message.distortion_model, [float(value) for value in values["d"]]), turn)


def _distortion(name: str, coefficients: list[float]) -> Distortion | None:
    if not any(coefficients):
        return None
    model = _MODELS.get(name.lower())
    if model is None:
        raise ValueError(
            f"distortion model {name!r} is unknown: {', '.join(_MODELS)} can be taken out; import the rectified topic, "
            f"or describe the camera with --calibration"
        )
    count = _COUNTS[model]
    if any(coefficients[count:]):
        raise ValueError(
            f"distortion {name} has {len(coefficients)} coefficients, only {count} can be taken out: import the "
            f"rectified topic, or describe the camera with --calibration"
        )
    padded = coefficients[:count] + [0.0] * (count - len(coefficients))
    return Distortion(model, tuple(padded))
