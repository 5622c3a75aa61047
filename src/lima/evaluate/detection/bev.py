"""The network on the map from above: SECOND's two blocks and their upsampling, by the names OpenPCDet gives them."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

PLANES = (128, 256)
UP_PLANES = 256


class BevBackbone(nn.Module):
    """Two blocks of 3² convolutions, the second at half the resolution; both brought up and laid side by side.

    Shape and names of OpenPCDet's `BaseBEVBackbone` with layers (5, 5), planes (128, 256), 256 each after upsampling,
    times `width`. upsampling: how much finer the result is than the input. dim: channels of the result.
    """

    def __init__(self, in_dim: int, width: float = 1.0, layers: int = 5, upsampling: int = 1) -> None:
        super().__init__()
        planes = [int(width * plane) for plane in PLANES]
        up_dim = int(width * UP_PLANES)
        if min(planes) < 1 or layers < 0 or upsampling not in (1, 2, 4):
            raise ValueError(
                f"a network on the map has a positive width, layers, and upsampling 1, 2 or 4, got width {width}, "
                f"{layers} layers, upsampling {upsampling}"
            )
        self.blocks, self.deblocks = nn.ModuleList(), nn.ModuleList()
        for before, dim, step in zip([in_dim, planes[0]], planes, (1, 2), strict=True):
            first = [nn.ZeroPad2d(1), nn.Conv2d(before, dim, 3, step, bias=False), *_norm_relu(dim)]
            more = [[nn.Conv2d(dim, dim, 3, padding=1, bias=False), *_norm_relu(dim)] for _ in range(layers)]
            self.blocks.append(nn.Sequential(*first, *itertools.chain(*more)))
            factor = step * upsampling
            up = nn.ConvTranspose2d(dim, up_dim, factor, factor, bias=False)
            self.deblocks.append(nn.Sequential(up, *_norm_relu(up_dim)))
        self.dim = 2 * up_dim

    def forward(self, maps: Float[Tensor, "sweeps dim rows cols"]) -> Float[Tensor, "sweeps new_dim up_rows up_cols"]:
        ups = []
        for block, deblock in zip(self.blocks, self.deblocks, strict=True):
            maps = block(maps)
            ups.append(deblock(maps))
        rows, cols = ups[0].shape[2:]  # an odd number of rows is one more after going down and up
        return torch.cat([up[:, :, :rows, :cols] for up in ups], dim=1)


def _norm_relu(dim: int) -> list[nn.Module]:
    """With OpenPCDet's epsilon and torch's momentum, as in the backbone."""
    return [nn.BatchNorm2d(dim, eps=1e-3), nn.ReLU()]
