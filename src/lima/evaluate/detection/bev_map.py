"""Where the cells of a head's map lie."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

STRIDE = 8  # of the backbone's last voxels


@dataclass(frozen=True)
class BevMap:
    """low_m: x and y of the corner. cell_m: edge of a cell. rows run along y, columns along x."""

    low_m: tuple[float, float]
    cell_m: tuple[float, float]
    rows: int
    cols: int

    def positions(self, centres: Float[Tensor, "boxes 2"]) -> Float[Tensor, "boxes 2"]:
        """x and y in cells from the corner."""
        return (centres - centres.new_tensor(self.low_m)) / centres.new_tensor(self.cell_m)

    def centres(self, positions: Float[Tensor, "boxes 2"]) -> Float[Tensor, "boxes 2"]:
        """The inverse of `positions`."""
        return positions * positions.new_tensor(self.cell_m) + positions.new_tensor(self.low_m)

    def cell_centres(self, device: torch.device | str = "cpu") -> Float[Tensor, "rows cols 2"]:
        """x and y in metres of the middle of every cell."""
        y, x = torch.meshgrid(
            torch.arange(self.rows, device=device) + 0.5, torch.arange(self.cols, device=device) + 0.5, indexing="ij"
        )
        return self.centres(torch.stack([x, y], dim=-1).view(-1, 2)).view(self.rows, self.cols, 2)
