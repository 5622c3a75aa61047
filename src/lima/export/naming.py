"""Which layer of ours is which layer of theirs."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from lima.export.layers import Axes, spconv_weight
from lima.sparse import ConvNormReLU, SparseBatchNorm
from lima.sparse.modules import Convolution3d
from lima.students.minkunet import MinkUNet, ResidualBlock
from lima.students.spunet import SpUNet

Named = Iterator[tuple[str, Convolution3d | SparseBatchNorm]]


def mmdet3d_names(network: MinkUNet) -> Named:
    """As in mmdetection3d's `MinkUNetBackbone` with spconv."""
    for index, unit in enumerate(network.stem):
        yield from _unit(f"conv_input.{index}", unit)
    for step, (down, stage) in enumerate(zip(network.down, network.encoder, strict=True)):
        yield from _unit(f"encoder.{step}.0", down)
        for index, block in enumerate(_blocks(stage)):
            yield from _block(f"encoder.{step}.{index + 1}", block, "downsample")
    for step, (up, stage) in enumerate(zip(network.up, network.decoder, strict=True)):
        yield from _unit(f"decoder.{step}.0", up)
        for index, block in enumerate(_blocks(stage)):
            yield from _block(f"decoder.{step}.1.{index}", block, "downsample")


def pointcept_names(network: SpUNet) -> Named:
    """As in Pointcept's `SpUNet-v1m1`, which counts its steps up from the finest."""
    yield from _unit("conv_input", network.stem)
    for step in range(len(network.down)):
        back = len(network.up) - 1 - step
        yield from _unit(f"down.{step}", network.down[step])
        yield from _unit(f"up.{step}", network.up[back])
        for name, stage in (("enc", network.encoder[step]), ("dec", network.decoder[back])):
            for index, block in enumerate(_blocks(stage)):
                yield from _block(f"{name}.{step}.block{index}", block, "proj")


def own_names(network: nn.Module) -> Named:
    """Where the names are the same: VoxelNet bears those of OpenPCDet."""
    for name, module in network.named_modules():
        if isinstance(module, (Convolution3d, SparseBatchNorm)):
            yield name, module


def weights_of(named: Named, axes: Axes, input_scale: Tensor) -> dict[str, Tensor]:
    """Their keys and our weights in their layout.

    input_scale: what our network's inputs are multiplied with, put into the weights of its first convolution, so that
    theirs reads the inputs as they are.
    """
    weights: dict[str, Tensor] = {}
    first = True
    for name, module in named:
        if isinstance(module, SparseBatchNorm):
            weights |= {f"{name}.{key}": tensor.detach().clone() for key, tensor in module.state_dict().items()}
            continue
        weight = module.weight.detach()
        if first:
            weight = weight * input_scale[:, None].to(weight)
            first = False
        weights[f"{name}.weight"] = spconv_weight(weight, _sizes(module), axes)
        bias = getattr(module, "bias", None)
        if bias is not None:
            weights[f"{name}.bias"] = bias.detach().clone()
    return weights


def _sizes(module: Convolution3d) -> tuple[int, int, int]:
    size = module.kernel_size
    if isinstance(size, int):
        return size, size, size
    assert isinstance(size, tuple)
    x, y, z = size
    return x, y, z


def _unit(name: str, unit: nn.Module) -> Named:
    assert isinstance(unit, ConvNormReLU)
    yield f"{name}.0", unit.convolution
    yield f"{name}.1", unit.norm


def _blocks(stage: nn.Module) -> Iterator[ResidualBlock]:
    for block in stage.children():
        assert isinstance(block, ResidualBlock)
        yield block


def _block(name: str, block: ResidualBlock, shortcut: str) -> Named:
    for number, unit in ((1, block.first), (2, block.second)):
        yield f"{name}.conv{number}", unit.convolution
        yield f"{name}.bn{number}", unit.norm
    if isinstance(block.shortcut, nn.Sequential):
        convolution, norm = block.shortcut
        assert isinstance(convolution, Convolution3d)
        assert isinstance(norm, SparseBatchNorm)
        yield f"{name}.{shortcut}.0", convolution
        yield f"{name}.{shortcut}.1", norm
