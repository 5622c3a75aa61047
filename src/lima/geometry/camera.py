"""The pinhole camera. The convention for pixels is decided here, once: (0, 0) is the centre of the first pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

MIN_DEPTH_M = 0.1  # nearer points are the vehicle itself, or behind the lens


@dataclass(frozen=True)
class PinholeCamera:
    """Intrinsics of an undistorted camera that looks along +z with x to the right and y down.

    `uv` is continuous, in pixels, (0, 0) the centre of the first pixel: the image covers
    [-0.5, width - 0.5] x [-0.5, height - 0.5].
    """

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        if not (self.fx_px > 0 and self.fy_px > 0 and self.width_px > 0 and self.height_px > 0):
            raise ValueError(
                f"focal lengths and image size must be positive, got fx {self.fx_px}, fy {self.fy_px}, "
                f"{self.width_px} x {self.height_px} px"
            )

    def matrix(self) -> Float64[Tensor, "3 3"]:
        """The calibration matrix K."""
        return torch.tensor([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1]], dtype=torch.float64)

    def project(
        self, points_cam: Float[Tensor, "points 3"]
    ) -> tuple[Float[Tensor, "points 2"], Float[Tensor, "points"]]:
        """Pixel positions (u, v) and depths along the optical axis in metres.

        Points nearer than `MIN_DEPTH_M` get a uv without meaning; `sees` is false for them.
        """
        depth_m = points_cam[:, 2]
        safe_depth_m = depth_m.clamp(min=MIN_DEPTH_M)
        u = points_cam[:, 0] / safe_depth_m * self.fx_px + self.cx_px
        v = points_cam[:, 1] / safe_depth_m * self.fy_px + self.cy_px
        return torch.stack([u, v], dim=1), depth_m

    def sees(self, uv_px: Float[Tensor, "points 2"], depth_m: Float[Tensor, "points"]) -> Bool[Tensor, "points"]:
        """Which projected points lie in front of the camera and inside the image."""
        u, v = uv_px.unbind(dim=1)
        inside = (u >= -0.5) & (u < self.width_px - 0.5) & (v >= -0.5) & (v < self.height_px - 0.5)
        return inside & (depth_m > MIN_DEPTH_M)

    def resized(self, width_px: int, height_px: int) -> PinholeCamera:
        """The camera of the same image resampled to another size. Half a pixel moves with the scale."""
        scale_x, scale_y = width_px / self.width_px, height_px / self.height_px
        return PinholeCamera(
            fx_px=self.fx_px * scale_x,
            fy_px=self.fy_px * scale_y,
            cx_px=(self.cx_px + 0.5) * scale_x - 0.5,
            cy_px=(self.cy_px + 0.5) * scale_y - 0.5,
            width_px=width_px,
            height_px=height_px,
        )
