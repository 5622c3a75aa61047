"""Oracles: floor by hand, loops over members."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lima.geometry.voxels import (
    MAX_COORDINATE,
    cylindrical_from_cartesian,
    group_counts,
    group_mean,
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


def test_means_of_groups_in_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(50, 3, generator=generator)
    groups = torch.randint(0, 8, (50,), generator=generator)
    groups[groups == 5] = 4
    means = group_mean(values, groups, 8)
    for group in range(8):
        members = [values[i] for i in range(50) if groups[i] == group]
        expected = sum(members) / len(members) if members else torch.zeros(3)
        assert torch.allclose(means[group], expected, atol=1e-6)
    assert group_counts(groups, 8).tolist() == [int((groups == group).sum()) for group in range(8)]
