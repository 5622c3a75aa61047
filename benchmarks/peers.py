"""MinkUNet over the layers of any library. It can take over our weights, and then gives our outputs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lima.sparse import InverseConv3d, StridedConv3d, SubmanifoldConv3d
from lima.students.minkunet import PLANES, STEM_PLANES, MinkUNet

LEVELS = 5
OURS = (SubmanifoldConv3d, StridedConv3d, InverseConv3d)


@dataclass(frozen=True)
class Place:
    """Voxels as libraries like them: int32 and from zero, so that halving four times gives our coarser cells.

    size: of the box that holds them, a multiple of 16.
    """

    coordinates: Tensor
    size: tuple[int, int, int]

    @staticmethod
    def of(coordinates: Tensor) -> Place:
        step = 2 ** (LEVELS - 1)
        low = coordinates[:, 1:].amin(dim=0).div(step, rounding_mode="floor") * step
        moved = coordinates.clone()
        moved[:, 1:] -= low
        x, y, z = ((moved[:, 1:].amax(dim=0) // step + 1) * step).tolist()
        return Place(moved.int(), (x, y, z))


class Kit(Protocol):
    """A library's layers, without bias. A level is how often the voxels have been halved."""

    name: str

    def refusal(self, device: torch.device, dtype: str) -> str | None:
        """Why it cannot do it, if it cannot."""

    def at_work(self, device: torch.device) -> contextlib.AbstractContextManager[object]:
        """Where its layers can be called."""

    def submanifold(self, in_dim: int, out_dim: int, kernel_size: int, level: int) -> nn.Module: ...

    def down(self, in_dim: int, out_dim: int, level: int) -> nn.Module:
        """Kernel 2, step 2, from the level to the next."""

    def up(self, in_dim: int, out_dim: int, level: int) -> nn.Module:
        """The inverse of it, back to the level."""

    def copy_weight(self, layer: Any, weight: Tensor) -> None:
        """Gives a layer a weight of ours, (offsets, in, out) with x slowest."""

    def voxels(self, features: Tensor, place: Place) -> Any:
        """Its sparse tensor, without any map."""

    def features(self, voxels: Any) -> Tensor: ...

    def with_features(self, voxels: Any, features: Tensor) -> Any: ...

    def find_maps(self, voxels: Any) -> list[int]:
        """Finds all that the network needs once, and says how many voxels every level has."""


class PeerUNet(nn.Module):
    """`lima.students.minkunet.MinkUNet`, its modules under the same names."""

    def __init__(self, kit: Kit, blocks: tuple[int, ...], width: float = 1.0, in_dim: int = 4) -> None:
        super().__init__()
        self.kit = kit
        planes, dim = [int(width * channels) for channels in PLANES], int(width * STEM_PLANES)
        self.stem = nn.Sequential(
            _ConvNormReLU(kit, kit.submanifold(in_dim, dim, 3, 0), dim),
            _ConvNormReLU(kit, kit.submanifold(dim, dim, 3, 0), dim),
        )
        skipped = [dim]
        self.down, self.encoder = nn.ModuleList(), nn.ModuleList()
        for step in range(4):
            self.down.append(_ConvNormReLU(kit, kit.down(dim, dim, step), dim))
            self.encoder.append(_stage(kit, dim, planes[step], blocks[step], step + 1))
            dim = planes[step]
            skipped.append(dim)
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for step in range(4, 8):
            level = 7 - step
            self.up.append(_ConvNormReLU(kit, kit.up(dim, planes[step], level), planes[step]))
            self.decoder.append(_stage(kit, planes[step] + skipped[level], planes[step], blocks[step], level))
            dim = planes[step]

    def forward(self, voxels: Any) -> Any:
        voxels = self.stem(voxels)
        skipped = [voxels]
        for down, stage in zip(self.down, self.encoder, strict=True):
            voxels = stage(down(voxels))
            skipped.append(voxels)
        skipped.pop()
        for up, stage in zip(self.up, self.decoder, strict=True):
            voxels = up(voxels)
            both = torch.cat([self.kit.features(voxels), self.kit.features(skipped.pop())], dim=1)
            voxels = stage(self.kit.with_features(voxels, both))
        return voxels

    @torch.no_grad()
    def copy_weights(self, ours: MinkUNet) -> None:
        """Takes over the weights of a network of the same blocks and width."""
        for name, module in ours.named_modules():
            if isinstance(module, OURS):
                self.kit.copy_weight(self.get_submodule(name), module.weight)
            elif isinstance(module, nn.BatchNorm1d):
                self.get_submodule(name).load_state_dict(module.state_dict())


class _Norm(nn.BatchNorm1d):
    def __init__(self, kit: Kit, dim: int) -> None:
        super().__init__(dim)
        self.kit = kit

    def forward(self, voxels: Any) -> Any:
        return self.kit.with_features(voxels, super().forward(self.kit.features(voxels)))


class _ConvNormReLU(nn.Module):
    def __init__(self, kit: Kit, convolution: nn.Module, dim: int) -> None:
        super().__init__()
        self.kit, self.convolution, self.norm = kit, convolution, _Norm(kit, dim)

    def forward(self, voxels: Any, residual: Any = None) -> Any:
        voxels = self.norm(self.convolution(voxels))
        features = self.kit.features(voxels)
        if residual is not None:
            features = features + self.kit.features(residual)
        return self.kit.with_features(voxels, F.relu(features, inplace=True))


class _ResidualBlock(nn.Module):
    def __init__(self, kit: Kit, in_dim: int, dim: int, level: int) -> None:
        super().__init__()
        self.first = _ConvNormReLU(kit, kit.submanifold(in_dim, dim, 3, level), dim)
        self.second = _ConvNormReLU(kit, kit.submanifold(dim, dim, 3, level), dim)
        self.shortcut = (
            nn.Identity() if in_dim == dim else nn.Sequential(kit.submanifold(in_dim, dim, 1, level), _Norm(kit, dim))
        )

    def forward(self, voxels: Any) -> Any:
        return self.second(self.first(voxels), self.shortcut(voxels))


def _stage(kit: Kit, in_dim: int, dim: int, blocks: int, level: int) -> nn.Sequential:
    return nn.Sequential(*[_ResidualBlock(kit, in_dim if block == 0 else dim, dim, level) for block in range(blocks)])
