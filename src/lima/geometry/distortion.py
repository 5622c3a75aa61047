"""Lens distortion, and pictures freed from it: behind a `PinholeCamera` straight lines are straight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from lima.geometry.camera import PinholeCamera

Model = Literal["plumb_bob", "rational_polynomial", "equidistant"]
MODELS: tuple[Model, ...] = get_args(Model)
COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8,), "equidistant": (4,)}
_RADII = 512  # steps in which the reach of a model is looked for


@dataclass(frozen=True)
class Distortion:
    """A lens that does not draw like a pinhole.

    Names and order of the coefficients are those of ROS and OpenCV: plumb_bob k1 k2 p1 p2 [k3]; rational_polynomial
    k1 k2 p1 p2 k3 k4 k5 k6; equidistant (fisheye) k1 k2 k3 k4. Raises ValueError for other models or counts.
    """

    model: Model
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        counts = COEFFICIENTS[self.model]
        if len(self.coefficients) not in counts:
            raise ValueError(
                f"distortion {self.model} has {' or '.join(map(str, counts))} coefficients, got "
                f"{len(self.coefficients)}: {list(self.coefficients)}"
            )
        if not all(abs(value) < float("inf") for value in self.coefficients):
            raise ValueError(f"distortion coefficients must be finite, got {list(self.coefficients)}")

    def radial(self, radius: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """Distance from the optical axis after the lens, of what would be at `radius` (both divided by the depth)."""
        if self.model == "equidistant":
            k1, k2, k3, k4 = self.coefficients
            angle = torch.atan(radius)
            squared = angle * angle
            return angle * (1 + squared * (k1 + squared * (k2 + squared * (k3 + squared * k4))))
        k1, k2, _, _, k3, k4, k5, k6 = (*self.coefficients, *[0.0] * (8 - len(self.coefficients)))
        squared = radius * radius
        above = 1 + squared * (k1 + squared * (k2 + squared * k3))
        below = 1 + squared * (k4 + squared * (k5 + squared * k6))
        return radius * above / below

    def distorted(self, xy: Float[Tensor, "points 2"]) -> Float[Tensor, "points 2"]:
        """Where the lens draws what a pinhole would draw at `xy` (coordinates divided by depth)."""
        radius = xy.norm(dim=1)
        factor = torch.where(radius > 1e-9, self.radial(radius) / radius.clamp(min=1e-9), torch.ones_like(radius))
        moved = xy * factor[:, None]
        if self.model == "equidistant":
            return moved
        p1, p2 = self.coefficients[2:4]
        x, y = xy.unbind(dim=1)
        squared = radius * radius
        dx = 2 * p1 * x * y + p2 * (squared + 2 * x * x)
        dy = p1 * (squared + 2 * y * y) + 2 * p2 * x * y
        return moved + torch.stack([dx, dy], dim=1)

    def reach(self, radius: float) -> float:
        """The radius up to which the model draws what is farther out farther out, `radius` at most.

        Fitted polynomials turn back beyond the corners they were fitted to; there they say nothing.
        """
        radii = torch.linspace(0, radius, _RADII, dtype=torch.float64)
        turns = torch.nonzero(self.radial(radii).diff() <= 0)
        return float(radii[int(turns[0])]) if len(turns) else radius


class Undistortion:
    """Pictures of a lens, drawn anew as a pinhole with the same intrinsics and size draws them.

    The table of where every pixel comes from is made once. What the lens did not see, or where the model turns back
    (`Distortion.reach`), is black.
    """

    def __init__(self, camera: PinholeCamera, distortion: Distortion) -> None:
        v, u = torch.meshgrid(
            torch.arange(camera.height_px, dtype=torch.float64),
            torch.arange(camera.width_px, dtype=torch.float64),
            indexing="ij",
        )
        xy = torch.stack([(u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px], dim=-1).reshape(-1, 2)
        radius = xy.norm(dim=1)
        source = distortion.distorted(xy)
        source_u = source[:, 0] * camera.fx_px + camera.cx_px
        source_v = source[:, 1] * camera.fy_px + camera.cy_px
        beyond = radius > distortion.reach(float(radius.max()))
        # -1 … 1 from the middle of the first pixel to that of the last
        grid = torch.stack(
            [2 * source_u / max(camera.width_px - 1, 1) - 1, 2 * source_v / max(camera.height_px - 1, 1) - 1], dim=1
        )
        grid[beyond] = 2.0 + 2.0 / min(camera.width_px, camera.height_px)
        self._grid = grid.float().reshape(1, camera.height_px, camera.width_px, 2)

    def apply(self, pixels: UInt8[Tensor, "3 height width"]) -> UInt8[Tensor, "3 height width"]:
        """The picture as a pinhole camera would have taken it, sampled bilinearly."""
        drawn = F.grid_sample(
            pixels[None].float(), self._grid, mode="bilinear", padding_mode="zeros", align_corners=True
        )
        return drawn[0].round_().to(torch.uint8)  # a mean of pixels is none beyond them
