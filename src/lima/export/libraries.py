"""The libraries that weights go to: which students they have a network for, and how they keep it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lima.config import StudentConfig
from lima.export.layers import Axes, Layers
from lima.export.naming import mmdet3d_names, own_names, pointcept_names, weights_of
from lima.export.networks import PCDET_PLANES, MinkUNetBackbone, SpUNetV1M1, VoxelResBackBone8x
from lima.students.minkunet import BLOCKS, PLANES, STEM_PLANES, MinkUNet
from lima.students.spunet import SPUNET_BLOCKS, SpUNet
from lima.students.student import Student, inputs_of
from lima.students.voxelnet import VoxelNet

Library = Literal["openpcdet", "mmdet3d", "pointcept"]
INTENSITY = 3  # its position among the inputs


@dataclass(frozen=True, eq=False)
class Export:
    """A student's backbone in another library's terms.

    weights: by that library's keys, without the prefix. network: makes the library's network from layers. settings:
    what its configuration must say. prefix: of the backbone in a whole model. container: what the library loads. box:
    cells along x, y, z that voxels lie in; None where the network has no bounds.
    """

    library: Library
    weights: dict[str, Tensor]
    network: Callable[[Layers], nn.Module]
    axes: Axes
    prefix: str
    settings: str
    container: Callable[[dict[str, Tensor]], dict[str, Any]]
    box: tuple[int, int, int] | None = None

    def checkpoint(self) -> dict[str, Any]:
        """What is written."""
        return self.container({self.prefix + key: tensor for key, tensor in self.weights.items()})


def export_to(library: Library, student: Student, config: StudentConfig, intensity_max: float = 1.0) -> Export:
    """The backbone of a student for a library.

    intensity_max: the intensity that means 1 in the library's data: 255 where it keeps bytes. Raises ValueError where
    the library has no such network.
    """
    scale = raw_input_scale(torch.tensor(list(inputs_of(config).values())), intensity_max)
    network, backbone, width = student.backbone, config.backbone, config.width
    if library == "mmdet3d" and isinstance(network, MinkUNet):
        return _mmdet3d(network, scale, BLOCKS[backbone], width)
    if library == "pointcept" and isinstance(network, SpUNet):
        return _pointcept(network, scale, SPUNET_BLOCKS[backbone], width)
    if library == "openpcdet" and isinstance(network, VoxelNet):
        return _openpcdet(network, scale, width, student)
    taken = {"mmdet3d": "minkunet34", "pointcept": "spunet34", "openpcdet": "voxelnet"}[library]
    takers = {MinkUNet: "mmdet3d", SpUNet: "pointcept", VoxelNet: "openpcdet"}
    raise ValueError(
        f"{library} has no network of the shape of {backbone}: pretrain with --student {taken} for it, or export to "
        f"{takers[type(network)]}, hub or onnx"
    )


def raw_input_scale(input_scale: Tensor, intensity_max: float) -> Tensor:
    """What inputs in metres, the library's intensity and seconds are multiplied with."""
    if not intensity_max > 0:
        raise ValueError(f"the largest intensity must be positive, got {intensity_max}")
    scale = input_scale.clone()
    scale[INTENSITY] /= intensity_max
    return scale


def _mmdet3d(network: MinkUNet, scale: Tensor, blocks: tuple[int, ...], width: float) -> Export:
    stem, planes = int(width * STEM_PLANES), [int(width * channels) for channels in PLANES]
    return Export(
        library="mmdet3d",
        weights=weights_of(mmdet3d_names(network), "xyz", scale),
        network=lambda layers: MinkUNetBackbone(layers, len(scale), stem, planes, blocks),
        axes="xyz",
        prefix="backbone.",
        settings=(
            f"backbone=dict(type='MinkUNetBackbone', sparseconv_backend='spconv', in_channels={len(scale)}, "
            f"base_channels={stem}, encoder_channels={planes[:4]}, encoder_blocks={list(blocks[:4])}, "
            f"decoder_channels={planes[4:]}, decoder_blocks={list(blocks[4:])}), with batch_first=True"
        ),
        container=lambda weights: {"state_dict": weights, "meta": {}},
    )


def _pointcept(network: SpUNet, scale: Tensor, blocks: tuple[int, ...], width: float) -> Export:
    stem, planes = int(width * STEM_PLANES), [int(width * channels) for channels in PLANES]
    return Export(
        library="pointcept",
        weights=weights_of(pointcept_names(network), "xyz", scale),
        network=lambda layers: SpUNetV1M1(layers, len(scale), stem, planes, blocks),
        axes="xyz",
        prefix="module.backbone.",
        settings=(
            f"backbone=dict(type='SpUNet-v1m1', in_channels={len(scale)}, num_classes=0, base_channels={stem}, "
            f"channels={tuple(planes)}, layers={tuple(blocks)}), feat_keys=('coord', 'strength'); num_classes=0 leaves "
            f"the last layer to the model around it, such as DefaultSegmentorV2 with backbone_out_channels={planes[-1]}"
        ),
        container=lambda weights: {"state_dict": weights},
    )


def _openpcdet(network: VoxelNet, scale: Tensor, width: float, student: Student) -> Export:
    if network.level_dims != PCDET_PLANES:
        raise ValueError(
            f"openpcdet's VoxelResBackBone8x has {_listed(PCDET_PLANES)} channels and no setting for others, this "
            f"student of width {width:g} has {_listed(network.level_dims)}: pretrain with --width 1 for it, or export "
            f"to hub or onnx"
        )
    return Export(
        library="openpcdet",
        weights=weights_of(own_names(network), "zyx", scale),
        network=lambda layers: VoxelResBackBone8x(layers, len(scale)),
        axes="zyx",
        prefix="backbone_3d.",
        settings=f"BACKBONE_3D: NAME: VoxelResBackBone8x, {len(scale)} features a point, {student.voxeliser}",
        container=lambda weights: {"model_state": weights, "epoch": 0, "it": 0, "version": "none"},
        box=network.box,
    )


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
