"""Oracle: arithmetic by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lima.geometry.voxels import (
    MAX_COORDINATE,
    cylindrical_from_cartesian,
    group_counts,
    keys_from_voxels,
    voxels_from_keys,
    voxels_from_points,
)

coordinate = st.integers(-MAX_COORDINATE, MAX_COORDINATE - 1)


def test_cells_start_at_their_lower_edge() -> None:
    points = torch.tensor([[0.0, 0.49, -0.01], [0.5, 1.0, -0.5]])
    cells = voxels_from_points(points, torch.tensor([0.5, 0.5, 0.5]))
    assert cells.tolist() == [[0, 0, -1], [1, 2, -1]]


@given(st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=2, max_size=20))
def test_keys_are_undone_and_keep_the_order(cells: list[tuple[int, int, int]]) -> None:
    voxels = torch.tensor(cells)
    keys = keys_from_voxels(voxels)
    assert torch.equal(voxels_from_keys(keys), voxels)
    assert [cells[i] for i in keys.argsort(stable=True).tolist()] == sorted(cells)


def test_coordinates_beyond_the_key_are_refused() -> None:
    with pytest.raises(ValueError, match="in metres"):
        keys_from_voxels(torch.tensor([[0, 0, MAX_COORDINATE]]))
    assert keys_from_voxels(torch.zeros(0, 3, dtype=torch.long)).shape == (0,)


def test_cylinder_by_hand() -> None:
    cylinder = cylindrical_from_cartesian(torch.tensor([[0.0, 2.0, 1.0], [-3.0, 0.0, -1.0]]))
    assert cylinder.flatten().tolist() == pytest.approx([2, 90, 1, 3, 180, -1])


def test_members_of_groups_by_hand() -> None:
    assert group_counts(torch.tensor([3, 0, 3, 1]), 5).tolist() == [1, 1, 0, 2, 0]
