"""MinkUNet: a residual U-Net of sparse convolutions (Choy et al., arXiv 1904.08755).

The layout is that of SPVNAS and of SuperFlow, LiMA's base code: a stem of two 3³ convolutions, four strided steps
down, four inverse steps up with the skipped features concatenated, residual blocks at every step.
"""

from __future__ import annotations

from torch import nn

from lima.sparse import (
    ConvNormReLU,
    InverseConv3d,
    SparseBatchNorm,
    SparseTensor,
    StridedConv3d,
    SubmanifoldConv3d,
    concatenate,
)

STEM_PLANES = 32
PLANES = (32, 64, 128, 256, 256, 128, 96, 96)
BLOCKS = {
    "minkunet14": (1, 1, 1, 1, 1, 1, 1, 1),
    "minkunet18": (2, 2, 2, 2, 2, 2, 2, 2),
    "minkunet34": (2, 3, 4, 6, 2, 2, 2, 2),
}


class ResidualBlock(nn.Module):
    """Two 3³ convolutions beside a shortcut, which is a linear map where the width changes."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.first = ConvNormReLU(SubmanifoldConv3d(in_dim, dim), dim)
        self.second = ConvNormReLU(SubmanifoldConv3d(dim, dim), dim)
        self.shortcut = (
            nn.Identity()
            if in_dim == dim
            else nn.Sequential(SubmanifoldConv3d(in_dim, dim, kernel_size=1), SparseBatchNorm(dim))
        )

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        return self.second(self.first(voxels), self.shortcut(voxels))


def residual_stage(in_dim: int, dim: int, blocks: int) -> nn.Sequential:
    """Residual blocks at one resolution, the first of which changes the width."""
    return nn.Sequential(*[ResidualBlock(in_dim if block == 0 else dim, dim) for block in range(blocks)])


class MinkUNet(nn.Module):
    """Features of voxels to features of the same voxels.

    blocks: residual blocks of the four steps down and the four up (`BLOCKS` holds the usual ones). width: factor on
    the number of channels, rounded down. dim: width of the output.
    """

    def __init__(self, blocks: tuple[int, ...], width: float = 1.0, in_dim: int = 4) -> None:
        super().__init__()
        if len(blocks) != len(PLANES) or min(blocks) < 1 or int(width * STEM_PLANES) < 1:
            raise ValueError(f"a MinkUNet has {len(PLANES)} steps of one block or more, got {blocks} at width {width}")
        planes = [int(width * channels) for channels in PLANES]
        dim = int(width * STEM_PLANES)
        self.stem = nn.Sequential(
            ConvNormReLU(SubmanifoldConv3d(in_dim, dim), dim), ConvNormReLU(SubmanifoldConv3d(dim, dim), dim)
        )
        skipped = [dim]
        self.down, self.encoder = nn.ModuleList(), nn.ModuleList()
        for step in range(4):
            self.down.append(ConvNormReLU(StridedConv3d(dim, dim), dim))
            self.encoder.append(residual_stage(dim, planes[step], blocks[step]))
            dim = planes[step]
            skipped.append(dim)
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for step in range(4, 8):
            self.up.append(ConvNormReLU(InverseConv3d(dim, planes[step]), planes[step]))
            self.decoder.append(residual_stage(planes[step] + skipped[7 - step], planes[step], blocks[step]))
            dim = planes[step]
        self.dim = dim

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        return down_and_up(self.stem(voxels), self.down, self.encoder, self.up, self.decoder)


def down_and_up(
    voxels: SparseTensor, down: nn.ModuleList, encoder: nn.ModuleList, up: nn.ModuleList, decoder: nn.ModuleList
) -> SparseTensor:
    """The way through a U-Net: to coarser voxels and back, where the features of the way down are concatenated."""
    skipped = [voxels]
    for coarser, stage in zip(down, encoder, strict=True):
        voxels = stage(coarser(voxels))
        skipped.append(voxels)
    skipped.pop()
    for finer, stage in zip(up, decoder, strict=True):
        voxels = stage(concatenate(finer(voxels), skipped.pop()))
    return voxels
