"""Rigid transforms between named frames: `a_from_b` maps coordinates in b to coordinates in a."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

ORTHONORMALITY_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """A rotation followed by a translation, held in double precision on the CPU.

    World coordinates reach thousands of metres, where single precision resolves a tenth of a millimetre and
    products of transforms lose more; the nine numbers cost nothing, so they are doubles. Points keep their own
    precision and device: `apply` computes in double precision where they are and returns the type that came.

    Raises ValueError for a rotation that is not orthonormal with determinant +1, or for NaN.
    """

    rotation: Float64[Tensor, "3 3"]
    translation_m: Float64[Tensor, "3"]

    def __post_init__(self) -> None:
        rows = self.rotation.tolist()  # plain numbers are quicker than tensors of nine, and frames make hundreds
        error = max(
            abs(sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) - (i == j))
            for i in range(3)
            for j in range(i, 3)
        )
        (a, b, c), (d, e, f), (g, h, i) = rows
        determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        if not (error < ORTHONORMALITY_TOLERANCE and determinant > 0):
            raise ValueError(
                f"rotation must be orthonormal with determinant +1, got determinant {determinant:.6f} and "
                f"|R Rᵀ - 1| up to {error:.2e}: is it transposed with a scale, or a corrupt calibration?"
            )
        if not bool(torch.isfinite(self.translation_m).all()):
            raise ValueError(f"translation must be finite, got {self.translation_m.tolist()}")

    @staticmethod
    def identity() -> RigidTransform:
        """The transform that moves nothing."""
        return RigidTransform(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))

    @staticmethod
    def from_matrix(matrix: Tensor) -> RigidTransform:
        """From a homogeneous (4, 4) or (3, 4) matrix of any float type."""
        if tuple(matrix.shape) not in ((4, 4), (3, 4)):
            raise ValueError(f"a rigid transform is a (4, 4) or (3, 4) matrix, got {tuple(matrix.shape)}")
        matrix = matrix.detach().to("cpu", torch.float64)
        return RigidTransform(matrix[:3, :3].contiguous(), matrix[:3, 3].contiguous())

    @staticmethod
    def from_quaternion(wxyz: Sequence[float | int], translation_m: Sequence[float | int]) -> RigidTransform:
        """From a unit quaternion in the order (w, x, y, z), as nuScenes stores it, and a translation."""
        quaternion = torch.tensor(wxyz, dtype=torch.float64)
        norm = float(quaternion.norm())
        if quaternion.shape != (4,) or not abs(norm - 1) < 1e-3:
            raise ValueError(f"a rotation quaternion is four numbers of norm 1, got {list(wxyz)} of norm {norm:.6f}")
        w, x, y, z = (quaternion / norm).tolist()
        rotation = torch.tensor(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ],
            dtype=torch.float64,
        )
        return RigidTransform(rotation, torch.tensor(translation_m, dtype=torch.float64))

    def inverse(self) -> RigidTransform:
        """`a_from_b.inverse()` is `b_from_a`."""
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation_m)

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        """`a_from_b @ b_from_c` is `a_from_c`: inner names meet and cancel."""
        return RigidTransform(self.rotation @ other.rotation, self.rotation @ other.translation_m + self.translation_m)

    def apply(self, points: Float[Tensor, "*axes 3"]) -> Float[Tensor, "*axes 3"]:
        """Coordinates in the frame on the left of points given in the frame on the right, in metres."""
        rotation = self.rotation.to(points.device)
        translation_m = self.translation_m.to(points.device)
        return ((rotation @ points.double().mT).mT + translation_m).to(points.dtype)

    def rotate(self, vectors: Float[Tensor, "*axes 3"]) -> Float[Tensor, "*axes 3"]:
        """Directions or velocities turned without being moved."""
        return (vectors.double() @ self.rotation.to(vectors.device).T).to(vectors.dtype)

    def matrix(self) -> Float64[Tensor, "4 4"]:
        """The homogeneous matrix."""
        matrix = torch.eye(4, dtype=torch.float64)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.translation_m
        return matrix
