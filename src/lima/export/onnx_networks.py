"""Students as ONNX graphs, and the tables that go in: rows of neighbours, found outside of the graph.

Every table of a convolution is (rows of the result, offsets): the row of the input that is met under an offset, the
number of input rows where nothing is. Offsets are numbered with x slowest. A table of the way back, (rows of the
result,), holds 8 * parent + offset.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lima.export.onnx_graph import Graph
from lima.sparse import ConvNormReLU, KernelMap, SparseBatchNorm, SparseTensor
from lima.sparse.modules import Convolution3d
from lima.students.minkunet import MinkUNet, ResidualBlock
from lima.students.spunet import SpUNet
from lima.students.student import Student
from lima.students.voxelnet import BasicBlock, VoxelNet

STEPS = 4
INPUT = "features"


def graph_of(student: Student, input_scale: Tensor, description: dict[str, str]) -> Any:
    """The backbone's graph: inputs of voxels and tables of neighbours in, features of voxels out.

    input_scale: what inputs are multiplied with; the graph does it. Raises ImportError without onnx.
    """
    graph = Graph()
    value = graph.scaled(graph.features(INPUT, "voxels_0", len(input_scale)), input_scale)
    if isinstance(student.backbone, VoxelNet):
        _voxelnet(graph, value, student.backbone)
    else:
        _unet(graph, value, student.backbone)
    return graph.model(description)


def _unet(graph: Graph, value: str, network: MinkUNet | SpUNet) -> None:
    """`encoded` is a row for every voxel."""
    within = [graph.table(f"within_{level}", [f"voxels_{level}", 27]) for level in range(STEPS + 1)]
    stem = "within_0"
    if isinstance(network, SpUNet):
        stem = graph.table("within_0_of_5", ["voxels_0", 125])
    down = [graph.table(f"down_{level}", [f"voxels_{level + 1}", 8]) for level in range(STEPS)]
    up = [graph.table(f"up_{level}", [f"voxels_{level}"]) for level in range(STEPS)]
    for unit in network.stem if isinstance(network.stem, nn.Sequential) else [network.stem]:
        value = _unit(graph, value, unit, stem)
    beside = [value]
    for level in range(STEPS):
        value = _unit(graph, value, network.down[level], down[level])
        value = _stage(graph, value, network.encoder[level], within[level + 1])
        beside.append(value)
    beside.pop()
    for step in range(STEPS):
        level = STEPS - 1 - step
        unit = network.up[step]
        assert isinstance(unit, ConvNormReLU)
        value = graph.relu(graph.inverse(value, unit.convolution, unit.norm, up[level]))
        value = _stage(graph, graph.beside(value, beside.pop()), network.decoder[step], within[level])
    graph.output(value, "encoded", "voxels_0", network.dim)


def _voxelnet(graph: Graph, value: str, network: VoxelNet) -> None:
    """`level_0` to `level_3` and `out`, each with the rows of its own voxels."""
    first = graph.table("within_0", ["voxels_0", 27])
    value = _normed(graph, value, network.conv_input, first)
    for level, stage in enumerate((network.conv1, network.conv2, network.conv3, network.conv4)):
        blocks = list(stage)
        within = first
        if level:
            down = graph.table(f"down_{level - 1}", [f"voxels_{level}", 27])
            value = _normed(graph, value, blocks.pop(0), down)
            within = graph.table(f"within_{level}", [f"voxels_{level}", 27])
        for block in blocks:
            assert isinstance(block, BasicBlock)
            inner = graph.relu(graph.convolution(value, block.conv1, block.bn1, within))
            value = graph.relu(graph.add(graph.convolution(inner, block.conv2, block.bn2, within), value))
        graph.output(value, f"level_{level}", f"voxels_{level}", network.level_dims[level])
    last = graph.table("down_3", ["voxels_4", 3])
    value = _normed(graph, value, network.conv_out, last)
    graph.output(value, "out", "voxels_4", network.bev_dim // network.bev_cells[2])


def tables_of(student: Student, voxels: SparseTensor) -> dict[str, np.ndarray]:
    """Who meets whom among these voxels: all inputs of the graph but the features."""
    tables: dict[str, np.ndarray] = {}
    network = student.backbone
    if isinstance(network, VoxelNet):
        strided = [getattr(network, f"conv{number}").get_submodule("0.0") for number in (2, 3, 4)]
        for level, convolution in enumerate([*strided, network.conv_out[0]]):
            tables[f"within_{level}"] = _rows(_within(voxels, 3))
            step = convolution.step_from(voxels)
            tables[f"down_{level}"] = _rows(step.kernel_map)
            voxels = step.with_features(torch.zeros(len(step.coordinates), 1))
        return tables
    if isinstance(network, SpUNet):
        tables["within_0_of_5"] = _rows(_within(voxels, 5))
    for level in range(STEPS + 1):
        tables[f"within_{level}"] = _rows(_within(voxels, 3))
        if level < STEPS:
            coarse, kernel_map = voxels.maps.strided(voxels.coordinates, voxels.stride, 2, 2)
            tables[f"down_{level}"] = _rows(kernel_map)
            tables[f"up_{level}"] = _parents(kernel_map)
            voxels = SparseTensor(torch.zeros(len(coarse), 1), coarse, voxels.stride * 2, voxels.maps)
    return tables


def _within(voxels: SparseTensor, kernel_size: int) -> KernelMap:
    return voxels.maps.submanifold(voxels.coordinates, voxels.stride, kernel_size, 1)


def _rows(kernel_map: KernelMap) -> np.ndarray:
    offsets = len(kernel_map.counts)
    rows = torch.full((kernel_map.voxels_out, offsets), kernel_map.voxels_in)
    rows[kernel_map.outputs, _offset_of_pair(kernel_map)] = kernel_map.inputs
    if kernel_map.symmetric:
        rows[:, offsets // 2] = torch.arange(kernel_map.voxels_out)
    return rows.numpy()


def _parents(kernel_map: KernelMap) -> np.ndarray:
    parents = torch.zeros(kernel_map.voxels_in, dtype=torch.int64)
    parents[kernel_map.inputs] = kernel_map.outputs * len(kernel_map.counts) + _offset_of_pair(kernel_map)
    return parents.numpy()


def _offset_of_pair(kernel_map: KernelMap) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(kernel_map.counts)), torch.tensor(kernel_map.counts))


def _unit(graph: Graph, value: str, unit: nn.Module, table: str) -> str:
    assert isinstance(unit, ConvNormReLU)
    return graph.relu(graph.convolution(value, unit.convolution, unit.norm, table))


def _normed(graph: Graph, value: str, unit: nn.Module, table: str) -> str:
    convolution, norm = unit.get_submodule("0"), unit.get_submodule("1")
    assert isinstance(convolution, Convolution3d)
    assert isinstance(norm, SparseBatchNorm)
    return graph.relu(graph.convolution(value, convolution, norm, table))


def _stage(graph: Graph, value: str, stage: nn.Module, table: str) -> str:
    for block in stage.children():
        assert isinstance(block, ResidualBlock)
        shortcut = value
        if isinstance(block.shortcut, nn.Sequential):
            convolution, norm = block.shortcut
            assert isinstance(convolution, Convolution3d)
            assert isinstance(norm, SparseBatchNorm)
            shortcut = graph.convolution(value, convolution, norm, None)
        inner = _unit(graph, value, block.first, table)
        inner = graph.convolution(inner, block.second.convolution, block.second.norm, table)
        value = graph.relu(graph.add(inner, shortcut))
    return value
