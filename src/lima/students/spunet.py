"""SpUNet: the sparse U-Net that Pointcept calls SpUNet-v1m1, so that weights can go there.

A MinkUNet with another stem (one 5³ convolution) whose strided convolutions, not its blocks, change the width. Batch
norms have the settings of the original: eps 1e-3, momentum 0.01.
"""

from __future__ import annotations

from torch import nn

from lima.sparse import ConvNormReLU, InverseConv3d, SparseBatchNorm, SparseTensor, StridedConv3d, SubmanifoldConv3d
from lima.students.minkunet import BLOCKS, PLANES, STEM_PLANES, down_and_up, residual_stage

SPUNET_BLOCKS = {"spunet18": BLOCKS["minkunet18"], "spunet34": BLOCKS["minkunet34"]}
STEM_KERNEL = 5
NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01


class SpUNet(nn.Module):
    """Features of voxels to features of the same voxels.

    blocks: residual blocks of the four steps down and the four up. width: factor on the number of channels, rounded
    down. dim: width of the output.
    """

    def __init__(self, blocks: tuple[int, ...], width: float = 1.0, in_dim: int = 4) -> None:
        super().__init__()
        if len(blocks) != len(PLANES) or min(blocks) < 1 or int(width * STEM_PLANES) < 1:
            raise ValueError(f"a SpUNet has {len(PLANES)} steps of one block or more, got {blocks} at width {width}")
        planes = [int(width * channels) for channels in PLANES]
        dim = int(width * STEM_PLANES)
        self.stem = ConvNormReLU(SubmanifoldConv3d(in_dim, dim, STEM_KERNEL), dim)
        skipped = [dim]
        self.down, self.encoder = nn.ModuleList(), nn.ModuleList()
        for step in range(4):
            self.down.append(ConvNormReLU(StridedConv3d(dim, planes[step]), planes[step]))
            dim = planes[step]
            self.encoder.append(residual_stage(dim, dim, blocks[step]))
            skipped.append(dim)
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for step in range(4, 8):
            self.up.append(ConvNormReLU(InverseConv3d(dim, planes[step]), planes[step]))
            self.decoder.append(residual_stage(planes[step] + skipped[7 - step], planes[step], blocks[step]))
            dim = planes[step]
        self.dim = dim
        for module in self.modules():
            if isinstance(module, SparseBatchNorm):
                module.eps, module.momentum = NORM_EPS, NORM_MOMENTUM

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        return down_and_up(self.stem(voxels), self.down, self.encoder, self.up, self.decoder)
