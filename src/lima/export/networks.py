"""The networks of other libraries, rebuilt from their layout: every key they have, and with spconv what they compute.

They are the second opinion on an export: its weights must fill every key, and the answer must be the student's.
Sources: mmdetection3d, `MinkUNetBackbone` with its spconv layers; Pointcept, `SpUNet-v1m1`; OpenPCDet,
`VoxelResBackBone8x` (versions of 2023 to 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from lima.export.layers import Layers, run

MMDET3D_NORM = partial(nn.BatchNorm1d, eps=1e-5, momentum=0.1)
PCDET_NORM = partial(nn.BatchNorm1d, eps=1e-3, momentum=0.01)
PCDET_PLANES, PCDET_OUT_PLANES = (16, 32, 64, 128), 128
"""written into OpenPCDet's code: its configuration cannot change them"""

Norm = Callable[[int], nn.BatchNorm1d]


class Unit(nn.Sequential):
    """Convolution, batch norm, ReLU: `0.weight`, `1.*`."""

    def __init__(self, convolution: nn.Module, dim: int, norm: Norm) -> None:
        super().__init__(convolution, norm(dim), nn.ReLU())


class Block(nn.Module):
    """The residual block that all three share: conv1, bn1, conv2, bn2, and a shortcut under the library's own name."""

    def __init__(self, layers: Layers, dims: tuple[int, int], norm: Norm, key: str, shortcut: str, bias: bool) -> None:
        super().__init__()
        in_dim, dim = dims
        self.conv1 = layers.submanifold(in_dim, dim, 3, key, bias)
        self.bn1 = norm(dim)
        self.conv2 = layers.submanifold(dim, dim, 3, key, bias)
        self.bn2 = norm(dim)
        self.shortcut = shortcut if in_dim != dim else None
        if self.shortcut:
            unit = nn.Sequential(layers.submanifold(in_dim, dim, 1, key), norm(dim))
            self.add_module(self.shortcut, unit)

    def forward(self, voxels: Any) -> Any:
        beside = run(self.get_submodule(self.shortcut), voxels) if self.shortcut else voxels
        out = run(self.bn1, self.conv1(voxels))
        out = run(self.bn2, self.conv2(out.replace_feature(torch.relu(out.features))))
        return out.replace_feature(torch.relu(out.features + beside.features))


class MinkUNetBackbone(nn.Module):
    """mmdetection3d's, with `sparseconv_backend='spconv'`. Indices: (batch, x, y, z)."""

    def __init__(self, layers: Layers, in_dim: int, stem: int, planes: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        norm = MMDET3D_NORM

        def stage(in_dim: int, dim: int, count: int, key: str) -> list[nn.Module]:
            dims = pairwise([in_dim] + [dim] * count)
            return [Block(layers, pair, norm, key, "downsample", bias=False) for pair in dims]

        self.conv_input = nn.Sequential(
            *(Unit(layers.submanifold(dim, stem, 3, "subm0"), stem, norm) for dim in (in_dim, stem))
        )
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        down = [stem, *planes[:4]]
        for step, (before, dim) in enumerate(pairwise(down)):
            unit = Unit(layers.strided(before, before, 2, 2, 0, f"spconv{step + 1}"), before, norm)
            self.encoder.append(nn.Sequential(unit, *stage(before, dim, blocks[step], f"subm{step + 1}")))
        for step, (before, dim) in enumerate(pairwise([planes[3], *planes[4:]])):
            unit = Unit(layers.inverse(before, dim, 2, f"spconv{4 - step}"), dim, norm)
            units = stage(dim + down[3 - step], dim, blocks[4 + step], f"subm{3 - step}")
            self.decoder.append(nn.ModuleList([unit, nn.Sequential(*units)]))

    def forward(self, voxels: Any) -> Any:
        voxels = run(self.conv_input, voxels)
        beside = [voxels]
        for stage in self.encoder:
            voxels = run(stage, voxels)
            beside.append(voxels)
        beside.pop()
        for step in self.decoder:
            assert isinstance(step, nn.ModuleList)
            up, stage = step
            voxels = run(up, voxels)
            voxels = voxels.replace_feature(torch.cat([voxels.features, beside.pop().features], dim=1))
            voxels = run(stage, voxels)
        return voxels


class SpUNetV1M1(nn.Module):
    """Pointcept's `SpUNet-v1m1`, without its last layer. Indices: (batch, x, y, z)."""

    def __init__(self, layers: Layers, in_dim: int, stem: int, planes: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        norm = PCDET_NORM

        def stage(in_dim: int, dim: int, count: int, key: str) -> nn.Sequential:
            row = nn.Sequential()
            for index, pair in enumerate(pairwise([in_dim] + [dim] * count)):
                row.add_module(f"block{index}", Block(layers, pair, norm, key, "proj", bias=False))
            return row

        self.conv_input = Unit(layers.submanifold(in_dim, stem, 5, "stem"), stem, norm)
        self.down, self.enc, self.up, self.dec = (nn.ModuleList() for _ in range(4))
        down = [stem, *planes[:4]]
        for step, (before, dim) in enumerate(pairwise(down)):
            self.down.append(Unit(layers.strided(before, dim, 2, 2, 0, f"spconv{step + 1}"), dim, norm))
            self.enc.append(stage(dim, dim, blocks[step], f"subm{step + 1}"))
            before_up, after_up = planes[6 - step], planes[7 - step]
            self.up.append(Unit(layers.inverse(before_up, after_up, 2, f"spconv{step + 1}"), after_up, norm))
            self.dec.append(stage(after_up + before, after_up, blocks[7 - step], f"subm{step}"))

    def forward(self, voxels: Any) -> Any:
        voxels = run(self.conv_input, voxels)
        beside = [voxels]
        for down, stage in zip(self.down, self.enc, strict=True):
            voxels = run(stage, run(down, voxels))
            beside.append(voxels)
        beside.pop()
        for up, stage in zip(reversed(self.up), reversed(self.dec), strict=True):
            voxels = run(up, voxels)
            voxels = voxels.replace_feature(torch.cat([voxels.features, beside.pop().features], dim=1))
            voxels = run(stage, voxels)
        return voxels


class VoxelResBackBone8x(nn.Module):
    """OpenPCDet's. Indices: (batch, z, y, x)."""

    def __init__(self, layers: Layers, in_dim: int) -> None:
        super().__init__()
        norm, planes, out_dim = PCDET_NORM, PCDET_PLANES, PCDET_OUT_PLANES

        def pair(dim: int, key: str) -> list[nn.Module]:
            return [Block(layers, (dim, dim), norm, key, "downsample", bias=True) for _ in range(2)]

        self.conv_input = Unit(layers.submanifold(in_dim, planes[0], 3, "subm1"), planes[0], norm)
        self.conv1 = nn.Sequential(*pair(planes[0], "res1"))
        for step, (before, dim) in enumerate(pairwise(planes), start=2):
            padding = (0, 1, 1) if step == 4 else 1
            unit = Unit(layers.strided(before, dim, 3, 2, padding, f"spconv{step}"), dim, norm)
            self.add_module(f"conv{step}", nn.Sequential(unit, *pair(dim, f"res{step}")))
        last = layers.strided(planes[-1], out_dim, (3, 1, 1), (2, 1, 1), 0, "spconv_down2")
        self.conv_out = Unit(last, out_dim, norm)

    def forward(self, voxels: Any) -> Any:
        for name in ("conv_input", "conv1", "conv2", "conv3", "conv4", "conv_out"):
            voxels = run(self.get_submodule(name), voxels)
        return voxels
