"""Oracle: the student itself; onnxruntime runs the graph. Where the packages are missing these are skipped."""

from __future__ import annotations

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


def test_the_names_of_the_inputs_are_those_of_the_tables(tmp_path: Path) -> None:
    student = unsettled(SPUNET)
    model = graph_of(student, torch.ones(4), {})
    cells = torch.unique(torch.randint(0, 20, (200, 4)) * torch.tensor([0, 1, 1, 1]), dim=0)
    tables = tables_of(student, SparseTensor(torch.zeros(len(cells), 4), cells))
    assert {value.name for value in model.graph.input} == {"features", *tables}
