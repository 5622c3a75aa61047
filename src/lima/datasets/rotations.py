"""Many rotations at once: about an axis, as matrices, as unit quaternions, and in between."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64


def about(angle_rad: Float64[np.ndarray, "rows"], first: int, second: int) -> Float64[np.ndarray, "rows 3 3"]:
    """Rotation matrices that turn from one axis towards another: (0, 1) about z, counter-clockwise from above."""
    turned = np.tile(np.eye(3), (len(angle_rad), 1, 1))
    turned[:, first, first] = turned[:, second, second] = np.cos(angle_rad)
    turned[:, first, second], turned[:, second, first] = -np.sin(angle_rad), np.sin(angle_rad)
    return turned


def slerp(
    first: Float64[np.ndarray, "rows 4"], second: Float64[np.ndarray, "rows 4"], share: Float64[np.ndarray, "rows"]
) -> Float64[np.ndarray, "rows 4"]:
    """The rotation at that share of the shorter way from the first to the second; shares beyond 0 … 1 go on turning."""
    dot = (first * second).sum(axis=1)
    second = np.where(dot[:, None] < 0, -second, second)
    angle = np.arccos(np.clip(np.abs(dot), 0, 1))
    sine = np.sin(angle)
    turning = sine > 1e-6
    safe = np.where(turning, sine, 1)
    first_weight = np.where(turning, np.sin((1 - share) * angle) / safe, 1 - share)
    second_weight = np.where(turning, np.sin(share * angle) / safe, share)
    mixed = first_weight[:, None] * first + second_weight[:, None] * second
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


def matrices(wxyz: Float64[np.ndarray, "rows 4"]) -> Float64[np.ndarray, "rows 3 3"]:
    """Rotation matrices of unit quaternions (w, x, y, z)."""
    w, x, y, z = wxyz.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternions(rotations: Float64[np.ndarray, "rows 3 3"]) -> Float64[np.ndarray, "rows 4"]:
    """Unit quaternions (w, x, y, z) of rotation matrices: the eigenvector of Bar-Itzhack's symmetric matrix, so that
    matrices with a little rounding give the rotation nearest to them."""
    r = rotations
    k = np.zeros((len(r), 4, 4))
    k[:, 0, 0] = r[:, 0, 0] - r[:, 1, 1] - r[:, 2, 2]
    k[:, 1, 1] = r[:, 1, 1] - r[:, 0, 0] - r[:, 2, 2]
    k[:, 2, 2] = r[:, 2, 2] - r[:, 0, 0] - r[:, 1, 1]
    k[:, 3, 3] = r[:, 0, 0] + r[:, 1, 1] + r[:, 2, 2]
    k[:, 1, 0] = r[:, 0, 1] + r[:, 1, 0]
    k[:, 2, 0] = r[:, 0, 2] + r[:, 2, 0]
    k[:, 2, 1] = r[:, 1, 2] + r[:, 2, 1]
    k[:, 3, 0] = r[:, 2, 1] - r[:, 1, 2]
    k[:, 3, 1] = r[:, 0, 2] - r[:, 2, 0]
    k[:, 3, 2] = r[:, 1, 0] - r[:, 0, 1]
    _, vectors = np.linalg.eigh(k / 3, UPLO="L")
    xyzw = vectors[:, :, -1]
    wxyz = xyzw[:, [3, 0, 1, 2]]
    return wxyz * np.where(wxyz[:, :1] < 0, -1.0, 1.0)
