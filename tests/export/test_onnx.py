"""Oracles: the student itself; the definition of the tables in loops, as docs/export.md tells it to callers.

onnxruntime runs the graph. Where the packages are missing these are skipped.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.config import StudentConfig
from lima.export.exporting import ONNX_TOLERANCE, onnx_difference
from lima.export.libraries import raw_input_scale
from lima.export.onnx_networks import graph_of, tables_of
from lima.sparse import SparseTensor
from lima.students.student import inputs_of
from tests.export.students import MINKUNET, SPUNET, VOXELNET, unsettled

pytest.importorskip("onnx", reason="onnx is not installed: pip install lima-lidar[onnx]")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install lima-lidar[onnx]")


@pytest.mark.parametrize("config", [MINKUNET, SPUNET, VOXELNET], ids=lambda config: config.backbone)
def test_onnxruntime_computes_the_same(config: StudentConfig) -> None:
    student = unsettled(config)
    scale = raw_input_scale(torch.tensor(list(inputs_of(config).values())), 255.0)
    model = graph_of(student, scale, {"x_m": "0.1"})
    assert onnx_difference(student, model.SerializeToString(), scale) < ONNX_TOLERANCE
    assert onnx_difference(student, model.SerializeToString(), 2 * scale) > 100 * ONNX_TOLERANCE
    assert {prop.key: prop.value for prop in model.metadata_props} == {"x_m": "0.1"}


def test_tables_by_hand() -> None:
    """Three cells in a row along z and one apart; rows in ascending order of (x, y, z)."""
    cells = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2], [0, 9, 9, 9]])
    tables = tables_of(unsettled(MINKUNET), SparseTensor(torch.zeros(4, 4), cells))
    within = tables["within_0"]
    assert within.shape == (4, 27)
    assert within[1, 12:15].tolist() == [0, 1, 2]  # offsets (0, 0, -1), (0, 0, 0), (0, 0, 1)
    assert within[0, 12:15].tolist() == [4, 0, 1]  # 4: nothing there
    assert (within[3] == 4).sum() == 26
    assert tables["down_0"].tolist()[0][:2] == [0, 1]  # cell 0 of the coarse grid sees z = 0 and 1
    assert tables["down_0"].shape == (3, 8)
    assert tables["up_0"].tolist() == [0, 1, 8, 2 * 8 + 7]  # 8 * parent + offset; (9, 9, 9) is odd in all axes
    assert all(table.dtype == np.int64 for table in tables.values())


Triple = tuple[int, int, int]


def table_in_loops(
    cells: list[tuple[int, ...]], of: list[tuple[int, ...]], step: Triple, size: Triple, pad: Triple
) -> np.ndarray:
    """For every cell the rows, among the cells `of`, of those at step * cell + offset - pad."""
    rows = {cell: row for row, cell in enumerate(of)}
    table = np.full((len(cells), math.prod(size)), len(of))
    for row, (sweep, *cell) in enumerate(cells):
        for column, offset in enumerate(itertools.product(*map(range, size))):
            met = (s * c + o - p for s, c, o, p in zip(step, cell, offset, pad, strict=True))
            table[row, column] = rows.get((sweep, *met), len(of))
    return table


def test_tables_of_a_voxelnet_by_definition() -> None:
    """In the corners of the box, too, where the padding and the layers that are cut off matter."""
    config = replace(VOXELNET, width=0.125, voxel_size_m=2.0, max_range_m=8.0, voxel_height_m=0.2)
    box = (8, 8, 41)
    draw = torch.Generator().manual_seed(0)
    inside = torch.stack([torch.randint(0, n, (12,), generator=draw) for n in (2, *box)], dim=1)
    corners = torch.tensor([[0, 0, 0, 0], [0, 7, 7, 40], [1, 7, 0, 40], [1, 0, 7, 39]])
    voxels = torch.unique(torch.cat([inside, corners]), dim=0)
    tables = tables_of(unsettled(config), SparseTensor(torch.zeros(len(voxels), 5), voxels))

    fine = [tuple(cell) for cell in voxels.tolist()]
    three, two, one = (3, 3, 3), (2, 2, 2), (1, 1, 1)
    heights = []
    for level, (step, size, pad) in enumerate(
        [(two, three, one), (two, three, one), (two, three, (1, 1, 0)), ((1, 1, 2), (1, 1, 3), (0, 0, 0))]
    ):
        heights.append(box[2])
        assert np.array_equal(tables[f"within_{level}"], table_in_loops(fine, fine, one, three, one))
        x, y, z = ((n + 2 * p - k) // s + 1 for n, p, k, s in zip(box, pad, size, step, strict=True))
        box = (x, y, z)
        every = list(itertools.product(range(2), *map(range, box)))
        reached = np.any(table_in_loops(every, fine, step, size, pad) < len(fine), axis=1)
        coarse = [cell for cell, there in zip(every, reached.tolist(), strict=True) if there]
        assert np.array_equal(tables[f"down_{level}"], table_in_loops(coarse, fine, step, size, pad))
        fine = coarse
    assert [*heights, box[2]] == [41, 21, 11, 5, 2]
    assert len(tables) == 8


def test_the_names_of_the_inputs_are_those_of_the_tables(tmp_path: Path) -> None:
    student = unsettled(SPUNET)
    model = graph_of(student, torch.ones(4), {})
    cells = torch.unique(torch.randint(0, 20, (200, 4)) * torch.tensor([0, 1, 1, 1]), dim=0)
    tables = tables_of(student, SparseTensor(torch.zeros(len(cells), 4), cells))
    assert {value.name for value in model.graph.input} == {"features", *tables}
